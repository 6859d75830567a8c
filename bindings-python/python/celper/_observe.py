"""Tells of calls that have ended: to the option ``on_event``, and to OpenTelemetry.

Imported for the first call of which somebody wants to know. OpenTelemetry is never imported here: a program that uses
it has done so. What spans and metrics say is decided by the core.
"""

from __future__ import annotations

from json import loads
from sys import modules
from time import time_ns

from celper._celper import telemetry_definitions
from celper._errors import CelperError
from celper._events import CallEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from celper._base import Base
    from celper._celper import BatchItem, CallRecord

_DEFINITIONS: dict[str, Any] = loads(telemetry_definitions())
_instruments: dict[str, Any] = {}


class Observer:
    """A call in progress, or a batch, a wait or a watch, in the context of its caller."""

    def __init__(self, client: Base) -> None:
        self._client = client
        self._started = time_ns()
        uses_spans = client.telemetry is not None and "opentelemetry.trace" in modules
        self._context = modules["opentelemetry.context"].get_current() if uses_spans else None
        self._wait: Any = None

    @property
    def traceparent(self) -> str | None:
        """The trace context of the caller, or of the wait, if the requests are to carry it."""
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
            self.end_read(candidate_id, job_position_id, record, error)
        elif self._context is not None and error is not None:
            # Refused before it began, or cancelled: there is no record.
            try:
                _end(self._start_span(_DEFINITIONS["calls"][operation], self._started), _type_of(error))
            except Exception:
                _log("OpenTelemetry raised")

    def end_item(self, item: BatchItem[Any]) -> None:
        """A request of the batch has ended."""
        record: CallRecord | None = getattr(item.error or item.result, "record", None)
        if record is not None and not item.resumed:
            self.end_read(item.request.candidate_id, item.request.job_position_id, record, item.error)

    def begin_wait(self) -> None:
        """A wait for a status begins. The spans of its reads are its children."""
        if self._context is not None:
            try:
                self._wait = self._start_span(_DEFINITIONS["wait"], self._started)
                self._context = modules["opentelemetry.trace"].set_span_in_context(self._wait, self._context)
            except Exception:
                _log("OpenTelemetry raised")

    def end_wait(self, error: BaseException | None) -> None:
        """The wait has returned, or raised this."""
        if self._wait is not None:
            try:
                _end(self._wait, _type_of(error) if error is not None else None)
            except Exception:
                _log("OpenTelemetry raised")

    def end_read(self, candidate_id: str, job_position_id: str, record: CallRecord, error: CelperError | None) -> None:
        """A call has ended, or a read of the wait or the watch. Raises nothing."""
        client = self._client
        telemetry = client.telemetry
        if self._context is not None or (telemetry is not None and "opentelemetry.metrics" in modules):
            try:
                ids = (candidate_id, job_position_id) if telemetry is not None and not telemetry.redact else None
                call = loads(client._native.telemetry(record, error.kind if error is not None else None, ids))
                if self._context is not None:
                    self._write_spans(call)
                if "opentelemetry.metrics" in modules:
                    _record_metrics(call)
            except Exception:
                _log("OpenTelemetry raised")
        if client.on_event is not None:
            try:
                client.on_event(CallEvent(operation=record.operation, record=record, error=error))
            except Exception:
                _log("on_event raised")

    def _start_span(self, name: str, start: int) -> Any:
        return _tracer().start_span(name, context=self._context, start_time=start)

    def _write_spans(self, call: dict[str, Any]) -> None:
        trace = modules["opentelemetry.trace"]
        span = self._start_span(call["name"], call["start"] * 1_000)
        if span.is_recording():
            for wait in call["waits"]:
                attributes = {"reason": wait["reason"], "duration": wait["duration"]}
                span.add_event(wait["name"], attributes, timestamp=wait["time"] * 1_000)
            within, tracer = trace.set_span_in_context(span, self._context), _tracer()
            for request in call["requests"]:
                child = tracer.start_span(
                    request["name"],
                    context=within,
                    kind=trace.SpanKind.CLIENT,
                    attributes={**request["attributes"], **request["spanAttributes"]},
                    start_time=request["start"] * 1_000,
                )
                if request["failed"]:
                    child.set_status(trace.StatusCode.ERROR)
                child.end(end_time=request["end"] * 1_000)
        _end(span, call.get("errorType"), call["end"] * 1_000)


def _end(span: Any, error_type: str | None, time: int | None = None) -> None:
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        # Without the message: the server's may quote what is in a request.
        span.set_status(modules["opentelemetry.trace"].StatusCode.ERROR)
    span.end(end_time=time)


def _type_of(error: BaseException) -> str:
    return error.kind if isinstance(error, CelperError) else type(error).__name__


def _tracer() -> Any:
    return modules["opentelemetry.trace"].get_tracer("celper", _version())


def _record_metrics(call: dict[str, Any]) -> None:
    if not _instruments:
        meter = modules["opentelemetry.metrics"].get_meter("celper", _version())

        def histogram(definition: dict[str, Any]) -> Any:
            name, unit, description = definition["name"], definition["unit"], definition["description"]
            try:
                advice = {"explicit_bucket_boundaries_advisory": definition["boundaries"]}
                return meter.create_histogram(name, unit=unit, description=description, **advice)
            except TypeError:  # An API without the advice.
                return meter.create_histogram(name, unit=unit, description=description)

        _instruments.update({name: histogram(_DEFINITIONS[name]) for name in ("requests", "waits")})
    for request in call["requests"]:
        _instruments["requests"].record(request["duration"], request["attributes"])
    for wait in call["waits"]:
        _instruments["waits"].record(wait["duration"], {"reason": wait["reason"]})


def _version() -> str:
    from celper import __version__

    return __version__


def _log(message: str) -> None:
    import logging

    logging.getLogger("celper").exception(message)
