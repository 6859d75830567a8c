"""What the sandbox has and has seen, and the words it knows."""

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


class Unset(enum.Enum):
    """Stands for an argument that was not given, where ``None`` means null."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Candidate:
    """A candidate as seen from one job position."""

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
    """By name in lower case; repeated ones joined with ``, ``."""
    body: str | None
    received_at: datetime
    """On the sandbox's clock."""
    answered: int | None
    """The HTTP status sent, ``None`` while there is none."""
    fault: str | None
    """The kind of the fault that it met."""
    acted: bool
    """Whether it changed a candidate."""
    replayed: bool
    """Whether it was answered with what its idempotency key remembered."""
    client_closed: bool
    """Whether the client was gone before it had a complete answer."""
    raw: Mapping[str, Any] = field(repr=False, compare=False)
    """All that the sandbox says of it."""


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
    """Whether the caller left the subject to the service."""
    default_body: bool
    """Whether the caller left the text to the service."""
    queued_at: datetime
    """On the sandbox's clock."""
