"""What a request asks for, as a user of the package would write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import celper
from lines import Request

Client = TypeVar("Client", celper.Celper, celper.AsyncCelper)

API_SURFACE = json.loads((Path(__file__).parents[2] / "api-surface.json").read_text(encoding="utf-8"))
METHODS: dict[str, str] = API_SURFACE["operations"]


def open_client(kind: type[Client], request: Request) -> Client:
    """Makes a client of the options; what these leave out comes from the environment."""
    options = dict(request.get("options", {}))
    if options.get("rate_limits") is not None:
        options["rate_limits"] = celper.RateLimits(**options["rate_limits"])
    return kind(**options)


def call(client: celper.Celper | celper.AsyncCelper, request: Request) -> Any:
    """Makes the call: its result, or from an asynchronous client what is to be awaited."""
    arguments = dict(request["arguments"])
    candidate_id = arguments.pop("candidate_id")
    return getattr(client, METHODS[request["operation"]])(candidate_id, **arguments)
