"""Tells of calls that have ended: to the option ``on_event``, and to OpenTelemetry.

Imported for the first call of which somebody wants to know. OpenTelemetry is never imported here: a program that uses
it has done so.
"""

from __future__ import annotations

from sys import modules
from time import time_ns
from urllib.parse import urlsplit

from celper._errors import CelperError
from celper._events import CallEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from celper._base import Base
    from celper._celper import AttemptRecord, BatchItem, CallRecord

# The boundaries that OpenTelemetry's conventions advise, in seconds.
_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_WAIT_BOUNDARIES = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_PORTS = {"https": 443, "http": 80}
_instruments: dict[str, Any] = {}


class Observer:
    """A call in progress, or a batch, in the context of its caller."""

    def __init__(self, client: Base) -> None:
        self._client = client
        self._started = time_ns()
        uses_spans = client.telemetry is not None and "opentelemetry.trace" in modules
        self._context = modules["opentelemetry.context"].get_current() if uses_spans else None

    @property
    def traceparent(self) -> str | None:
        """The caller's trace context, if the requests are to carry it."""
        telemetry = self._client.telemetry
        if self._context is None or telemetry is None or not telemetry.propagate:
            return None
        span = modules["opentelemetry.trace"].get_current_span(self._context).get_span_context()
        if not span.is_valid:
            return None
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"

    def end_call(self, operation: str, candidate_id: str, job_position_id: str, outcome: object) -> None:
        """The call has returned or raised this."""
        error = outcome if isinstance(outcome, BaseException) else None
        record: CallRecord | None = getattr(outcome, "record", None)
        if record is not None and (error is None or isinstance(error, CelperError)):
            self._end(record, error, (candidate_id, job_position_id))
        elif self._context is not None and error is not None and not isinstance(error, Exception):
            # Cancelled: there is no record. An error without one was refused before it began.
            span = self._start_span(f"celper.{operation}", self._started)
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(modules["opentelemetry.trace"].StatusCode.ERROR, "cancelled")
            span.end()

    def end_item(self, item: BatchItem[Any]) -> None:
        """A request of the batch has ended."""
        record: CallRecord | None = getattr(item.error or item.result, "record", None)
        if record is not None and not item.resumed:
            self._end(record, item.error, (item.request.candidate_id, item.request.job_position_id))

    def _end(self, record: CallRecord, error: CelperError | None, ids: tuple[str, str]) -> None:
        client = self._client
        if self._context is not None or (client.telemetry is not None and "opentelemetry.metrics" in modules):
            try:
                attributes = _attributes(record, client.base_url)
                if self._context is not None:
                    self._write_spans(record, error, attributes, ids)
                if "opentelemetry.metrics" in modules:
                    _record_metrics(record, attributes)
            except Exception:
                _log("OpenTelemetry raised")
        if client.on_event is not None:
            try:
                client.on_event(CallEvent(operation=record.operation, record=record, error=error))
            except Exception:
                _log("on_event raised")

    def _start_span(self, name: str, start: int) -> Any:
        return _tracer().start_span(name, context=self._context, start_time=start)

    def _write_spans(
        self, record: CallRecord, error: CelperError | None, attributes: list[dict[str, Any]], ids: tuple[str, str]
    ) -> None:
        trace = modules["opentelemetry.trace"]
        start = int(record.started_at.timestamp() * 1e6) * 1_000

        def at(seconds: float) -> int:
            return start + int(seconds * 1e9)

        span = self._start_span(f"celper.{record.operation}", start)
        if span.is_recording():
            for wait in record.waits:
                span.add_event(
                    "celper.wait", {"reason": wait.reason, "duration": wait.duration}, timestamp=at(wait.offset)
                )
            within, tracer = trace.set_span_in_context(span, self._context), _tracer()
            telemetry = self._client.telemetry
            shown = ids if telemetry is not None and not telemetry.redact else None
            url = {"url.full": self._client._native.span_url(record.operation, shown)}
            for number, (attempt, of_attempt) in enumerate(zip(record.attempts, attributes, strict=True)):
                resent = {"http.request.resend_count": number} if number > 0 else {}
                child = tracer.start_span(
                    of_attempt["http.request.method"],
                    context=within,
                    kind=trace.SpanKind.CLIENT,
                    attributes={**of_attempt, **url, **resent},
                    start_time=at(attempt.offset),
                )
                if attempt.error_kind is not None:
                    child.set_status(trace.StatusCode.ERROR, attempt.error_kind)
                child.end(end_time=at(attempt.offset + attempt.duration))
            if error is not None:
                span.set_attribute("error.type", error.kind)
                # Without the message: the server's may quote what is in a request.
                span.set_status(trace.StatusCode.ERROR, error.kind)
        span.end(end_time=at(record.duration))


def _tracer() -> Any:
    return modules["opentelemetry.trace"].get_tracer("celper", _version())


def _attributes(record: CallRecord, base_url: str) -> list[dict[str, Any]]:
    """What the span and the metrics of each attempt have."""
    url = urlsplit(base_url)
    of_all = {
        "http.request.method": "GET" if record.operation == "status" else "POST",
        "server.address": url.hostname or "",
        "server.port": url.port or _PORTS[url.scheme],
    }
    return [{**of_all, **_of_response(attempt)} for attempt in record.attempts]


def _of_response(attempt: AttemptRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if attempt.status is not None:
        attributes["http.response.status_code"] = attempt.status
    if attempt.error_kind is not None:
        failed = attempt.status is not None and attempt.status >= 400
        attributes["error.type"] = str(attempt.status) if failed else attempt.error_kind
    return attributes


def _record_metrics(record: CallRecord, attributes: list[dict[str, Any]]) -> None:
    if not _instruments:
        meter = modules["opentelemetry.metrics"].get_meter("celper", _version())

        def histogram(name: str, description: str, boundaries: tuple[float, ...]) -> Any:
            try:
                advice = {"explicit_bucket_boundaries_advisory": boundaries}
                return meter.create_histogram(name, unit="s", description=description, **advice)
            except TypeError:  # An API without the advice.
                return meter.create_histogram(name, unit="s", description=description)

        requests = histogram("http.client.request.duration", "Duration of HTTP client requests.", _BOUNDARIES)
        waits = histogram("celper.wait.duration", "Duration of a call's waits.", _WAIT_BOUNDARIES)
        _instruments.update(requests=requests, waits=waits)
    for attempt, of_attempt in zip(record.attempts, attributes, strict=True):
        _instruments["requests"].record(attempt.duration, of_attempt)
    for wait in record.waits:
        _instruments["waits"].record(wait.duration, {"reason": wait.reason})


def _version() -> str:
    from celper import __version__

    return __version__


def _log(message: str) -> None:
    import logging

    logging.getLogger("celper").exception(message)
