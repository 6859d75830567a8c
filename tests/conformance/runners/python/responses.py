"""The responses to the harness: results, errors and clients as JSON."""

from __future__ import annotations

import asyncio
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any

import celper
from protocol import Response
from strings import strings

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ERROR_FIELDS = [
    "kind",
    "message",
    "operation",
    "status",
    "code",
    "request_id",
    "retry_after",
    "attempts",
    "rate_limit",
    "idempotency_key",
    "outcome_unknown",
    "last_state",
]


def opened(client: object, lines: list[str]) -> Response:
    return {"opened": {"strings": strings(client, lines)}}


def returned(result: Any, lines: list[str]) -> Response:
    fields = _fields(result)
    if "status" in fields:
        fields["status_known"] = isinstance(result.status, celper.CandidateStatus)
    return {"result": {"type": type(result).__name__, **fields, "strings": strings(result, lines)}}


def raised(error: BaseException, lines: list[str]) -> Response:
    if isinstance(error, celper.CelperError):
        return {
            "error": {
                **{name: _plain(getattr(error, name)) for name in ERROR_FIELDS},
                "class": type(error).__name__,
                "classes": [cls.__name__ for cls in type(error).__mro__],
                "text": str(error),
                "strings": strings(error, lines),
            }
        }
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return {"cancelled": type(error).__name__}
    return {"crash": "".join(traceback.format_exception(error))}


def _fields(record: Any) -> Response:
    return {name: _plain(getattr(record, name)) for name in type(record).__match_args__}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    return _fields(value) if isinstance(value, celper.RateLimit | celper.CandidateState) else value
