"""The exceptions that calls raise.

    CelperError
    ├── InvalidArgumentError            also a ValueError: invalid argument, nothing was sent
    ├── ApiError                        the server rejected the request
    │   ├── InvalidRequestError         400, and any other 4xx
    │   ├── AuthenticationError         401
    │   ├── PermissionDeniedError       403
    │   ├── NotFoundError               404
    │   ├── ConflictError               409
    │   │   ├── InvalidStatusError
    │   │   ├── AnalysisNotViewedError
    │   │   └── IdempotencyConflictError
    │   ├── RateLimitError              429, or no slot within the timeout
    │   └── ServerError                 5xx
    ├── TransportError                  no usable response
    │   ├── ConnectionFailedError       also a ConnectionError: DNS, refused, reset, TLS
    │   └── RequestTimeoutError         also a TimeoutError: an attempt or the whole call timed out
    ├── UnexpectedResponseError         not a response of this API
    ├── InternalError                   a bug in this package
    └── WebhookError                    a webhook that cannot be trusted or read

A cancelled call raises ``asyncio.CancelledError``.
"""

from __future__ import annotations

from celper._celper import CallRecord, CandidateState, RateLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_FIELDS: tuple[str, ...] = (
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
)


def _rate_limit(fields: dict[str, Any]) -> RateLimit:
    """The rate limit from its ``to_dict()``."""
    if isinstance(fields.get("reset_at"), str):
        from datetime import datetime

        fields = {**fields, "reset_at": datetime.fromisoformat(fields["reset_at"])}
    return RateLimit(**fields)


def _state(fields: dict[str, Any]) -> CandidateState:
    """The state from its ``to_dict()``."""
    if fields.get("rate_limit") is not None:
        fields = {**fields, "rate_limit": _rate_limit(fields["rate_limit"])}
    return CandidateState(**fields)


class CelperError(Exception):
    """The base class of all errors of this package.

        try:
            client.select_candidate("cand_xyz789", job_position_id="pos_abc123")
        except celper.AnalysisNotViewedError:
            print("somebody has to view the analysis first")
        except celper.CelperError as error:
            if error.outcome_unknown:
                print(f"call again with {error.idempotency_key}")

    ``str(error)`` is one line with the most useful fields. The error never contains the API key, an e-mail's subject or
    its body.
    """

    kind: str = "unexpected_response"
    """The kind of error: a stable value, the same in every language."""
    message: str
    """The server's description of the error, or the client's if the server sent none."""
    operation: str
    """The operation that failed: ``status``, ``invite``, ``select`` or ``reject``; ``client`` for creating a client,
    ``batch`` for starting a batch, ``webhook`` for a webhook."""
    status: int | None
    """The HTTP status of the response, if there was one."""
    code: str | None
    """The server's error code, also if it is not a documented one."""
    request_id: str | None
    """The server's id for the request, for support questions."""
    retry_after: float | None
    """Seconds to wait before calling again, from the server or from the client's pacing."""
    attempts: int
    """The number of HTTP requests that the call sent."""
    rate_limit: RateLimit | None
    """The response's rate limit headers; ``None`` if it had none, or if there was no response."""
    idempotency_key: str | None
    """The idempotency key of an action's requests. Call again with it, and the action takes place only once."""
    outcome_unknown: bool
    """Whether an action may have taken place in spite of the error. Read the candidate's status, or call again with the
    same ``idempotency_key``."""
    last_state: CandidateState | None
    """The last state that ``wait_for_status`` has read before it failed; ``None`` for other calls."""
    record: CallRecord | None
    """The attempts and waits of the call; ``None`` if it was refused before it began. ``to_dict`` leaves it out."""

    _fields = _FIELDS

    def __init__(
        self,
        message: str = "",
        fields: dict[str, Any] | None = None,
        *,
        operation: str = "client",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 0,
        rate_limit: RateLimit | None = None,
        idempotency_key: str | None = None,
        outcome_unknown: bool = False,
        last_state: CandidateState | None = None,
        record: CallRecord | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self._line = message
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.rate_limit = rate_limit
        self.idempotency_key = idempotency_key
        self.outcome_unknown = outcome_unknown
        self.last_state = last_state
        self.record = record
        if isinstance(fields, dict):
            self._set(fields)
            # What rebuilds an exception as `type(error)(*error.args)`, as Celery's JSON backend does, keeps the fields.
            plain = self.to_dict()
            self.args = (message, {name: plain[name] for name in fields if name in plain})

    def _set(self, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            if name == "text":
                self._line = value
            elif name == "rate_limit":
                self.rate_limit = value if value is None or isinstance(value, RateLimit) else _rate_limit(value)
            elif name == "record":
                self.record = value
            elif name == "last_state":
                self.last_state = value if value is None or isinstance(value, CandidateState) else _state(value)
            elif name in self._fields:
                setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """The error as data for JSON: its fields, and the whole line as ``text``."""
        fields = {name: getattr(self, name) for name in ("kind", "message", *self._fields)}
        if self.rate_limit is not None:
            fields["rate_limit"] = self.rate_limit.to_dict()
        if self.last_state is not None:
            fields["last_state"] = self.last_state.to_dict()
        return {**fields, "text": self._line}

    def __str__(self) -> str:
        return self._line

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._line!r})"


class InvalidArgumentError(CelperError, ValueError):
    """An argument or option is invalid. Nothing was sent."""

    kind = "invalid_argument"


class ApiError(CelperError):
    """The server rejected the request, or the client's pacing did."""

    kind = "invalid_request"


class InvalidRequestError(ApiError):
    """HTTP 400, or a 4xx without its own class."""

    kind = "invalid_request"


class AuthenticationError(ApiError):
    """HTTP 401: the API key is missing, unknown or expired; or the ``api_key`` function failed: see ``__cause__``."""

    kind = "authentication"


class PermissionDeniedError(ApiError):
    """HTTP 403: ``code`` tells whether the key's scope, its allowlist or the company's account is the cause."""

    kind = "permission_denied"


class NotFoundError(ApiError):
    """HTTP 404: there is no such candidate or job position."""

    kind = "not_found"


class ConflictError(ApiError):
    """HTTP 409 with any code but those of the three subclasses. Never retried."""

    kind = "conflict"


class InvalidStatusError(ConflictError):
    """The candidate's status does not allow the action."""

    kind = "invalid_status"


class AnalysisNotViewedError(ConflictError):
    """Nobody has viewed the interview's analysis, which selecting and rejecting require."""

    kind = "analysis_not_viewed"


class IdempotencyConflictError(ConflictError):
    """The idempotency key was already used for a different request."""

    kind = "idempotency_conflict"


class RateLimitError(ApiError):
    """HTTP 429, or the rate limit has no slot within the call's timeout. ``retry_after`` tells when it has one."""

    kind = "rate_limited"


class ServerError(ApiError):
    """HTTP 5xx, after all retries."""

    kind = "server"


class TransportError(CelperError):
    """There was no usable response, after all retries."""

    kind = "connection"


class ConnectionFailedError(TransportError, ConnectionError):
    """DNS, connecting, TLS, or a broken connection: the message tells which."""

    kind = "connection"


class RequestTimeoutError(TransportError, TimeoutError):
    """An attempt or the whole call timed out."""

    kind = "timeout"


class UnexpectedResponseError(CelperError):
    """Not a response of this API: not JSON, the wrong shape, a redirect, over 1 MiB."""

    kind = "unexpected_response"


class InternalError(CelperError):
    """A bug in this package, please report it. An action may have taken place: see ``outcome_unknown``."""

    kind = "internal"


class WebhookError(CelperError):
    """A webhook cannot be trusted or read: respond with 400. ``reason`` tells why."""

    kind = "webhook"
    reason: str
    """Why, as a stable value, the same in every language:

    - ``missing_header``: the signature's or the timestamp's header is missing
    - ``malformed``: one of the two headers cannot be read
    - ``no_match``: no signature matches; another secret, or other bytes than were signed
    - ``stale``: the signature matches, but the timestamp is too far from now
    - ``parsed_body``: the body is not the bytes that arrived, but what a framework made of them
    - ``not_json``: the signature matches, but the body is not JSON
    - ``unexpected_body``: the signature matches, but the body lacks what every event of its type has
    """
    clock_difference: int | None
    """The seconds by which a stale webhook's timestamp is behind this machine's clock; negative if it is ahead."""

    _fields = (*CelperError._fields, "reason", "clock_difference")

    def __init__(
        self,
        message: str = "",
        fields: dict[str, Any] | None = None,
        *,
        reason: str = "no_match",
        clock_difference: int | None = None,
        operation: str = "webhook",
        **more: Any,
    ) -> None:
        self.reason = reason
        self.clock_difference = clock_difference
        super().__init__(message, fields, operation=operation, **more)


BY_KIND: dict[str, type[CelperError]] = {
    error.kind: error
    for error in (
        InvalidArgumentError,
        InvalidRequestError,
        AuthenticationError,
        PermissionDeniedError,
        NotFoundError,
        ConflictError,
        InvalidStatusError,
        AnalysisNotViewedError,
        IdempotencyConflictError,
        RateLimitError,
        ServerError,
        ConnectionFailedError,
        RequestTimeoutError,
        UnexpectedResponseError,
        InternalError,
        WebhookError,
    )
}


def from_native(
    kind: str,
    message: str,
    line: str,
    operation: str,
    status: int | None,
    code: str | None,
    request_id: str | None,
    retry_after: float | None,
    attempts: int,
    rate_limit: RateLimit | None,
    idempotency_key: str | None,
    outcome_unknown: bool,
    **more: Any,
) -> CelperError:
    """Creates the exception for an error of the core."""
    fields = {
        "operation": operation,
        "status": status,
        "code": code,
        "request_id": request_id,
        "retry_after": retry_after,
        "attempts": attempts,
        "rate_limit": rate_limit,
        "idempotency_key": idempotency_key,
        "outcome_unknown": outcome_unknown,
        "text": line,
        **more,
    }
    return BY_KIND[kind](message, fields)
