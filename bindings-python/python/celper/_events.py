"""What a client tells about its calls."""

from __future__ import annotations

from celper._errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from celper._celper import CallRecord


class CallEvent:
    """A call that has ended, for the option ``on_event``.

    def count(event: celper.CallEvent) -> None:
        calls.labels(event.operation, event.error.kind if event.error else "ok").inc()

    client = celper.Celper(on_event=count)
    """

    __slots__ = ("error", "operation", "record")

    operation: str
    """The operation: ``status``, ``invite``, ``select`` or ``reject``."""
    record: CallRecord
    """The call's attempts and waits."""
    error: Exception | None
    """The error that the call raised, or the batch's item has; ``None`` for a success."""

    def __init__(self, *, operation: str, record: CallRecord, error: Exception | None = None) -> None:
        self.operation = operation
        self.record = record
        self.error = error

    def __repr__(self) -> str:
        return f"CallEvent(operation={self.operation!r}, record={self.record!r}, error={self.error!r})"


class Telemetry:
    """How calls become spans and metrics of OpenTelemetry, where the program uses it.

    celper.Celper(telemetry=celper.Telemetry(propagate=True))
    """

    __slots__ = ("propagate", "redact")

    redact: bool
    """Whether spans say ``REDACTED`` in place of the ids of candidates and job positions."""
    propagate: bool
    """Whether requests carry the caller's ``traceparent``, which tells the service about the caller's traces."""

    def __init__(self, *, redact: bool = True, propagate: bool = False) -> None:
        self.redact = redact
        self.propagate = propagate

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Telemetry):
            return NotImplemented
        return (self.redact, self.propagate) == (other.redact, other.propagate)

    def __hash__(self) -> int:
        return hash((self.redact, self.propagate))

    def __repr__(self) -> str:
        return f"Telemetry(redact={self.redact!r}, propagate={self.propagate!r})"


_COROUTINE = 0x80


def checked(on_event: Callable[[CallEvent], object] | None, telemetry: object) -> None:
    """Refuses options of other types."""
    code = getattr(on_event, "__code__", None)
    if on_event is not None and (not callable(on_event) or (code and code.co_flags & _COROUTINE)):
        raise InvalidArgumentError("on_event must be a function that is not async, or None")
    if telemetry is not None and not isinstance(telemetry, Telemetry):
        raise InvalidArgumentError(f"telemetry must be a Telemetry or None, not {type(telemetry).__name__}")
