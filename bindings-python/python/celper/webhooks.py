"""Webhooks: verify that a request came from the service, and read the event in it.

    from celper import webhooks

    event = webhooks.unwrap(request.get_data(), request.headers, secret)  # Flask
    if isinstance(event, webhooks.CandidateStatusChanged):
        print(event.candidate_id, event.status)

The body is the bytes of the request as they arrived: the signature is of those, and a body that was parsed and
serialized again has others. These are plain functions, which need no client.

The service sends an event again when it got no 2xx in time, and events can arrive out of order. Skip an event whose
``dedupe_key`` was handled before, and read the candidate's status where the order matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from json import loads
from typing import Any, Literal, Protocol, TypeAlias, cast

from celper._celper import WEBHOOK_TOLERANCE, sign_webhook, unwrap_webhook, verify_webhook
from celper._errors import CelperError, WebhookError, from_native
from celper._status import CandidateStatus

__all__ = [
    "AnalysisReady",
    "BulkImportComplete",
    "CandidateStatusChanged",
    "CvAnalysisComplete",
    "Event",
    "UnknownEvent",
    "WebhookError",
    "sign",
    "unwrap",
    "verify",
]

Text: TypeAlias = str | bytes


class _HasItems(Protocol):
    def items(self) -> Iterable[tuple[Any, Any]]: ...


Headers: TypeAlias = Mapping[str, Any] | _HasItems | Iterable[tuple[Any, Any]]
"""A framework's headers, another mapping, a list of pairs, or a WSGI environment."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events have: see the subclasses."""

    type: str
    """The event's name, for example ``candidate_status_changed``."""
    webhook_id: str
    """The id of the webhook: of the subscription, not of this event."""
    company_id: str
    """The company's id."""
    timestamp: datetime
    """When it happened, on the service's clock: an aware ``datetime`` in UTC."""
    data: Any = field(hash=False)
    """The event's ``data`` as the service sent it, with the fields that this version does not know."""
    dedupe_key: str
    """The same for each delivery of the event, and different for all others: keep it, and skip an event whose key you
    have. The SHA-256 of the body, in hexadecimal digits."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as data for JSON: times in ISO 8601, the status as a ``str``."""
        plain: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, datetime):
                value = value.isoformat()
            plain[each.name] = value.value if isinstance(value, Enum) else value
        return plain


@dataclass(frozen=True, kw_only=True)
class CandidateStatusChanged(Event):
    """A candidate has another status."""

    type: Literal["candidate_status_changed"] = "candidate_status_changed"
    candidate_id: str
    """The candidate's id."""
    job_position_id: str
    """The job position's id."""
    status: CandidateStatus | str
    """The status that the event reports; by the time it arrives, there may be another."""
    previous_status: CandidateStatus | str | None = None
    """The status before; ``None`` if the service names none."""


@dataclass(frozen=True, kw_only=True)
class AnalysisReady(Event):
    """An interview's analysis is ready. The API documents no fields of its ``data``."""

    type: Literal["analysis_ready"] = "analysis_ready"


@dataclass(frozen=True, kw_only=True)
class CvAnalysisComplete(Event):
    """The analysis of a CV is complete. The API documents no fields of its ``data``."""

    type: Literal["cv_analysis_complete"] = "cv_analysis_complete"


@dataclass(frozen=True, kw_only=True)
class BulkImportComplete(Event):
    """An import of candidates is complete. The API documents no fields of its ``data``."""

    type: Literal["bulk_import_complete"] = "bulk_import_complete"


@dataclass(frozen=True, kw_only=True)
class UnknownEvent(Event):
    """An event that this version does not know: ``type`` and ``data`` have what the service sent."""


_NO_RESPONSE = (None, None, None, None, 0, None, None, False)
_CLASSES: dict[str, type[Event]] = {
    "candidate_status_changed": CandidateStatusChanged,
    "analysis_ready": AnalysisReady,
    "cv_analysis_complete": CvAnalysisComplete,
    "bulk_import_complete": BulkImportComplete,
}


def unwrap(
    raw_body: bytes | str,
    headers: Headers,
    secret: Text | Sequence[Text],
    *,
    tolerance: float | timedelta | None = WEBHOOK_TOLERANCE,
    now: float | datetime | None = None,
) -> Event:
    """Verifies a webhook and returns its event.

    Args:
        raw_body: The body as it arrived: Flask ``request.get_data()``, FastAPI ``await request.body()``, Django
            ``request.body``.
        headers: The request's headers: those of any framework, a mapping, a list of pairs, or a WSGI environment.
        secret: The webhook's secret; while it is being changed, a list of the new one and the old one.
        tolerance: How far the timestamp may be from now, in seconds or as a ``timedelta``. ``None`` turns the check
            off, and lets anybody who has seen a webhook send it again.
        now: The time to compare the timestamp with, for tests: seconds since 1970, or an aware ``datetime``.

    Raises:
        WebhookError: The webhook cannot be trusted or read: respond with 400. ``reason`` tells why.
        InvalidArgumentError: The secret or an option cannot be used.
    """
    body, pairs, secrets, seconds = _arguments(raw_body, headers, secret, now)
    common, change = unwrap_webhook(body, pairs, secrets, tolerance, seconds)
    name, webhook_id, company_id, timestamp, data, dedupe_key = common
    values: dict[str, Any] = {
        "type": name,
        "webhook_id": webhook_id,
        "company_id": company_id,
        "timestamp": timestamp,
        "data": _parse(data),
        "dedupe_key": dedupe_key,
    }
    if change is not None:
        names = ("candidate_id", "job_position_id", "status", "previous_status")
        values.update(zip(names, change, strict=True))
    return _CLASSES.get(name, UnknownEvent)(**values)


def verify(
    raw_body: bytes | str,
    headers: Headers,
    secret: Text | Sequence[Text],
    *,
    tolerance: float | timedelta | None = WEBHOOK_TOLERANCE,
    now: float | datetime | None = None,
) -> None:
    """Verifies a webhook without reading its body. The arguments and errors are those of ``unwrap``."""
    body, pairs, secrets, seconds = _arguments(raw_body, headers, secret, now)
    verify_webhook(body, pairs, secrets, tolerance, seconds)


def sign(body: bytes | str, secret: Text, timestamp: float | datetime | None = None) -> dict[str, str]:
    """Signs a body as the service does, and returns the two headers: for tests of a program that receives webhooks.

        body = json.dumps({...})
        client.post("/webhooks/celper", data=body, headers=webhooks.sign(body, secret))

    ``timestamp`` is now if it is not given.
    """
    (key,) = _secrets(secret)
    return dict(sign_webhook(_bytes(body), key, _seconds("timestamp", timestamp)))


def _arguments(
    body: object, headers: Headers, secret: Text | Sequence[Text], now: float | datetime | None
) -> tuple[bytes, list[tuple[str, bytes]], list[bytes], float | None]:
    return _bytes(body), _pairs(headers), _secrets(secret), _seconds("now", now)


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(cast("bytearray", body))
    if isinstance(body, str):
        # A lone surrogate is in no body that arrived: its bytes match no signature.
        return body.encode("utf-8", "surrogatepass")
    what = "a coroutine, which lacks its await" if hasattr(body, "__await__") else f"of type {type(body).__name__}"
    raise _error(
        "parsed_body",
        f"the body is {what}, and the signature is of the bytes that arrived: pass the raw body, which is "
        "request.get_data() in Flask, await request.body() in FastAPI and Starlette, request.body in Django, "
        "await request.read() in aiohttp",
    )


def _pairs(headers: Any) -> list[tuple[str, bytes]]:
    """The two headers of a webhook, as often as they are there."""
    found: list[tuple[str, bytes]] = []
    try:
        for name, value in headers.items() if hasattr(headers, "items") else headers:
            text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
            # A WSGI environment has `HTTP_X_CELPER_SIGNATURE`.
            text = text.lower().replace("_", "-").removeprefix("http-")
            if text in ("x-celper-signature", "x-celper-timestamp"):
                values = cast("list[object]", value) if isinstance(value, list | tuple) else [value]
                found.extend((text, _header_value(each)) for each in values)
    except (TypeError, ValueError):
        message = f"headers must be the request's headers, a mapping or a list of pairs, not {type(headers).__name__}"
        raise _refused(message) from None
    return found


def _header_value(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _secrets(secret: Any) -> list[bytes]:
    given: Sequence[object] = [secret]
    if isinstance(secret, Sequence) and not isinstance(secret, str | bytes):
        given = cast("Sequence[object]", secret)
    secrets: list[bytes] = []
    for each in given:
        if not isinstance(each, str | bytes):
            # Without the value, which may be a part of a secret.
            raise _refused(f"secret must be a str or bytes, or a list of them, not {type(each).__name__}")
        secrets.append(each if isinstance(each, bytes) else each.encode("utf-8", "surrogatepass"))
    return secrets


def _seconds(name: str, value: Any) -> float | None:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise _refused(f"{name} must be an aware datetime, with a time zone: datetime.now(timezone.utc)")
        return value.timestamp()
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise _refused(f"{name} must be seconds since 1970 or an aware datetime, not {type(value).__name__}")


def _parse(data: str) -> Any:
    try:
        return loads(data)
    except (ValueError, RecursionError) as error:
        # Python limits the digits of a number and the depth of lists.
        raise _error("not_json", f"the data is signed, but Python cannot read it: {type(error).__name__}") from error


def _refused(message: str) -> CelperError:
    return from_native("invalid_argument", message, f"webhook: {message}.", "webhook", *_NO_RESPONSE)


def _error(reason: str, message: str) -> CelperError:
    line = f"webhook: {message}."
    return from_native("webhook", message, line, "webhook", *_NO_RESPONSE, reason=reason, clock_difference=None)
