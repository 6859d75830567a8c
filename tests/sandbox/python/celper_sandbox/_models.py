"""Data types of the sandbox."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Operation = Literal["status", "invite", "select", "reject"]
FaultKind = Literal[
    "status", "delay", "close", "cut", "drip", "endless", "not_json", "huge", "redirect", "answer", "close_idle"
]
Act = Literal["before", "after", "none"]
KeyState = Literal["active", "revoked", "expired", "creator_lost_access"]
CompanyState = Literal["active", "api_disabled", "account_suspended"]
Scope = Literal["read:jobs", "read:candidates", "write:candidates", "action:invite", "action:decide", "manage:webhooks"]


DeliveryFaultKind = Literal["late", "twice", "wrong_signature"]


class Unset(enum.Enum):
    """The default of arguments for which ``None`` means null."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Candidate:
    """A candidate in one job position."""

    id: str
    job_position_id: str
    status: str
    analysis_viewed: bool
    interview_score: float | None


@dataclass(frozen=True)
class Request:
    """A request that the sandbox received."""

    method: str
    path: str
    query: str | None
    candidate_id: str | None
    headers: Mapping[str, str]
    """Names in lower case; repeated headers are joined with ``, ``."""
    body: str | None
    """At most its first 64 KiB."""
    received_at: datetime
    """On the sandbox's clock."""
    answered: int | None
    """The HTTP status of the response, ``None`` if none was sent."""
    fault: str | None
    """The kind of the fault that was applied to it."""
    acted: bool
    """Whether it changed a candidate."""
    replayed: bool
    """Whether it got the stored response of its idempotency key."""
    client_closed: bool
    """Whether the client disconnected before the response was complete."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    """The request as the control endpoint returns it."""


@dataclass(frozen=True)
class Mail:
    """An e-mail that the service would have sent."""

    candidate_id: str
    job_position_id: str
    session_id: str
    interview_link: str
    subject: str
    body: str
    default_subject: bool
    """Whether the request had no subject, so that this is the default one."""
    default_body: bool
    """Whether the request had no text, so that this is the default one."""
    queued_at: datetime
    """On the sandbox's clock."""


@dataclass(frozen=True)
class Delivery:
    """An attempt at delivering a webhook."""

    candidate_id: str
    status: str
    """The candidate's status in the event."""
    attempt: int
    """1 for the first."""
    body: str
    answered: int | None
    """The HTTP status of the response, ``None`` if there was none."""
    error: str | None
    """Why there was no response."""
    fault: DeliveryFaultKind | None
    """The fault that was applied to the delivery."""
    ended_at: datetime
    """On the sandbox's clock."""
