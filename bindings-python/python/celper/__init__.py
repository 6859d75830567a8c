"""Client for the Celper AI Candidate Actions API: read a candidate's status; invite, select, reject.

    import celper

    client = celper.Celper()  # CELPER_API_KEY, CELPER_BASE_URL
    state = client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")
    print(state.status, state.interview_score)

``Celper`` is synchronous; ``AsyncCelper`` has the same methods for asyncio. A failed call raises a ``CelperError``.
``batch`` carries out many requests. ``wait_for_status`` and ``watch_candidates`` wait for minutes. ``webhooks``
verifies and reads what the service sends.
"""

from __future__ import annotations

from celper import _plain as _plain
from celper._async import AsyncCelper
from celper._batch import AsyncBatch, Batch, CandidateRequest
from celper._celper import VERSION as __version__
from celper._celper import (
    AttemptRecord,
    BatchItem,
    BatchProgress,
    CallRecord,
    CandidateState,
    Decision,
    Invitation,
    InviteRequest,
    RateLimit,
    RateLimits,
    RejectRequest,
    SelectRequest,
    StatusRequest,
    WaitRecord,
    WatchItem,
)
from celper._errors import (
    AnalysisNotViewedError,
    ApiError,
    AuthenticationError,
    CelperError,
    ConflictError,
    ConnectionFailedError,
    IdempotencyConflictError,
    InternalError,
    InvalidArgumentError,
    InvalidRequestError,
    InvalidStatusError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
    WebhookError,
)
from celper._events import CallEvent, Telemetry
from celper._status import CandidateStatus
from celper._sync import Celper
from celper._watch import AsyncWatch, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from celper import webhooks as webhooks

__all__ = [
    "AnalysisNotViewedError",
    "ApiError",
    "AsyncBatch",
    "AsyncCelper",
    "AsyncWatch",
    "AttemptRecord",
    "AuthenticationError",
    "Batch",
    "BatchItem",
    "BatchProgress",
    "CallEvent",
    "CallRecord",
    "CandidateRequest",
    "CandidateState",
    "CandidateStatus",
    "Celper",
    "CelperError",
    "ConflictError",
    "ConnectionFailedError",
    "Decision",
    "IdempotencyConflictError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidRequestError",
    "InvalidStatusError",
    "Invitation",
    "InviteRequest",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "RateLimits",
    "RejectRequest",
    "RequestTimeoutError",
    "SelectRequest",
    "ServerError",
    "StatusRequest",
    "Telemetry",
    "TransportError",
    "UnexpectedResponseError",
    "WaitRecord",
    "Watch",
    "WatchItem",
    "WebhookError",
    "__version__",
    "webhooks",
]


def __getattr__(name: str) -> ModuleType:
    """Imports ``celper.webhooks`` on first use: most programs do without it."""
    if name == "webhooks":
        from importlib import import_module

        return import_module("celper.webhooks")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _bundled() -> object:  # pyright: ignore[reportUnusedFunction]
    """Never called. The native module imports these modules; this makes tools that bundle programs include them."""
    from celper import _bridge, _greenlets, _logs, webhooks

    return _bridge, _greenlets, _logs, webhooks


# Tracebacks, pickles and help() show the module that users import from.
for _public in [globals().get(_name) for _name in __all__]:
    if isinstance(_public, type) and _public.__module__ != __name__:
        _public.__module__ = __name__
