"""Creates clients and makes calls with the arguments of a command."""

from __future__ import annotations

from typing import Any, TypeVar

import celper
from protocol import Command

Client = TypeVar("Client", celper.Celper, celper.AsyncCelper)


def open_client(kind: type[Client], command: Command) -> Client:
    """Creates a client. Without options it is configured by the environment."""
    options = dict(command.get("options", {}))
    if options.get("rate_limits") is not None:
        options["rate_limits"] = celper.RateLimits(**options["rate_limits"])
    return kind(**options)


def call(client: celper.Celper | celper.AsyncCelper, command: Command) -> Any:
    """Makes the call. Returns its result, or for an asynchronous client a coroutine."""
    arguments = dict(command["arguments"])
    candidate_id = arguments.pop("candidate_id")
    return getattr(client, command["method"])(candidate_id, **arguments)
