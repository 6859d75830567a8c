"""Why a call did not give a result.

    CelperError
    ├── InvalidArgumentError            also a ValueError: refused on our side, nothing was sent
    ├── ApiError                        the server refused
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
    ├── TransportError                  no usable answer
    │   ├── ConnectionFailedError       also a ConnectionError: DNS, refused, reset, TLS
    │   └── RequestTimeoutError         also a TimeoutError: an attempt's or the whole call's time ran out
    └── UnexpectedResponseError         an answer that this API does not give

A call that is cancelled raises ``asyncio.CancelledError``, as anything in asyncio does.
"""

from __future__ import annotations


class CelperError(Exception):
    """The class above all errors of this package.

        try:
            client.select_candidate("cand_xyz789", job_position_id="pos_abc123")
        except celper.AnalysisNotViewedError:
            remind_somebody_to_view_it()
        except celper.CelperError as error:
            if error.outcome_unknown:
                ask_for_the_status()

    ``str(error)`` is one readable line with the most useful of its fields. Neither it nor any other form of the error
    shows the API key, an e-mail's subject or its body.
    """

    kind: str = "unexpected_response"
    """What went wrong, as a stable value that is the same in every language."""
    message: str
    """The server's own description, or ours where the server gave none."""
    operation: str
    """Which call failed: ``status``, ``invite``, ``select``, ``reject``; ``client`` when a client could not be made."""
    status: int | None
    """The HTTP status, where there was an answer."""
    code: str | None
    """The server's own code, also when it is not a documented one."""
    request_id: str | None
    """The server's id of the request, to name in a question to its support."""
    retry_after: float | None
    """Seconds to wait before it makes sense to call again: from the server, or from our own pacing."""
    attempts: int
    """How many HTTP requests were made for the call."""
    idempotency_key: str | None
    """The key that an action's requests carried: call again with it, and the action is not done twice."""
    outcome_unknown: bool
    """Of an action: whether it may have taken place although this error came of it. Read the candidate's status, or
    call again with the same ``idempotency_key``."""

    def __init__(
        self,
        message: str = "",
        *,
        operation: str = "client",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 0,
        idempotency_key: str | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.idempotency_key = idempotency_key
        self.outcome_unknown = outcome_unknown
        self._line = message

    def __str__(self) -> str:
        return self._line

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._line!r})"


class InvalidArgumentError(CelperError, ValueError):
    """Refused on our side before anything was sent."""

    kind = "invalid_argument"


class ApiError(CelperError):
    """The server refused the request, or our own pacing did so in its place."""

    kind = "invalid_request"


class InvalidRequestError(ApiError):
    """HTTP 400, or another 4xx that has no class of its own."""

    kind = "invalid_request"


class AuthenticationError(ApiError):
    """HTTP 401: the API key is missing, unknown, revoked or expired."""

    kind = "authentication"


class PermissionDeniedError(ApiError):
    """HTTP 403: ``code`` says whether the key's scope, its allowlist or the company's account is the reason."""

    kind = "permission_denied"


class NotFoundError(ApiError):
    """HTTP 404: no such candidate or job position."""

    kind = "not_found"


class ConflictError(ApiError):
    """HTTP 409; a code that has no class of its own, when it is none of the three below. Never retried."""

    kind = "conflict"


class InvalidStatusError(ConflictError):
    """The candidate's status does not allow the action."""

    kind = "invalid_status"


class AnalysisNotViewedError(ConflictError):
    """Somebody has to view the interview's analysis before the decision."""

    kind = "analysis_not_viewed"


class IdempotencyConflictError(ConflictError):
    """The idempotency key was used before with another request."""

    kind = "idempotency_conflict"


class RateLimitError(ApiError):
    """HTTP 429, or the rate limit has no room within the call's timeout: ``retry_after`` says when it has."""

    kind = "rate_limited"


class ServerError(ApiError):
    """HTTP 5xx, after all retries."""

    kind = "server"


class TransportError(CelperError):
    """No usable answer came, after all retries."""

    kind = "connection"


class ConnectionFailedError(TransportError, ConnectionError):
    """DNS, a refused or broken connection, TLS: the message says which."""

    kind = "connection"


class RequestTimeoutError(TransportError, TimeoutError):
    """An attempt's or the whole call's time ran out."""

    kind = "timeout"


class UnexpectedResponseError(CelperError):
    """An answer that this API does not give: not JSON, the wrong shape, a redirect, over 1 MiB."""

    kind = "unexpected_response"


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
    idempotency_key: str | None,
    outcome_unknown: bool,
) -> CelperError:
    """The exception that goes with an error of the core's."""
    error = BY_KIND[kind](
        message,
        operation=operation,
        status=status,
        code=code,
        request_id=request_id,
        retry_after=retry_after,
        attempts=attempts,
        idempotency_key=idempotency_key,
        outcome_unknown=outcome_unknown,
    )
    error._line = line
    return error
