"""The requests of a batch, and what it gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import celper
from protocol import Command, Response
from responses import raised, returned
from strings import strings

REQUESTS: dict[str, Any] = {
    "status": celper.StatusRequest,
    "invite": celper.InviteRequest,
    "select": celper.SelectRequest,
    "reject": celper.RejectRequest,
}


class SourceError(Exception):
    """What the source of a batch raises."""


def source(command: Command) -> list[Any] | Iterator[Any]:
    """The requests: a list, or a generator that raises."""
    rows = [_request(**request) for request in command["requests"]]

    def fails() -> Iterator[Any]:
        yield from rows
        raise SourceError(command["source_error"])

    return rows if command.get("source_error") is None else fails()


def _request(operation: str, arguments: dict[str, Any]) -> Any:
    arguments = dict(arguments)
    return REQUESTS[operation](arguments.pop("candidate_id"), **arguments)


def report(
    batch: celper.Batch[Any] | celper.AsyncBatch[Any], items: list[Any], failure: Exception | None, lines: list[str]
) -> Response:
    progress = batch.progress
    names = ("done", "succeeded", "failed", "not_attempted", "resumed", "total")
    return {
        "batch": {
            "items": [_item(item, lines) for item in items],
            "batch_id": batch.batch_id,
            "progress": {name: getattr(progress, name) for name in names},
            "source_error": None if failure is None else str(failure),
            "strings": strings(batch, lines),
        }
    }


def _item(item: celper.BatchItem[Any], lines: list[str]) -> Response:
    return {
        "index": item.index,
        "candidate_id": item.request.candidate_id,
        "idempotency_key": item.idempotency_key,
        "resumed": item.resumed,
        "not_attempted": item.not_attempted,
        "already_done": item.already_done,
        **(returned(item.result, lines) if item.error is None else raised(item.error, lines)),
    }
