"""What a typed client over a plain HTTP client needs: requests, and responses parsed and checked into typed values."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEY = "celp_0123456789abcdef0123456789abcdef"
OTHER_KEY = "celp_11111111111111111111111111111111"
HEADERS = {"X-API-Key": KEY, "Accept": "application/json"}
POSITION = "pos_abc123"


@dataclass(frozen=True)
class State:
    status: str
    analysis_viewed: bool
    interview_score: float | None
    request_id: str


@dataclass(frozen=True)
class Invitation:
    invited: bool
    session_id: str
    email_delivery: str
    expires_at: datetime
    request_id: str


@dataclass(frozen=True)
class Decision:
    status: str
    request_id: str


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str, request_id: str) -> None:
        super().__init__(f"{status} {code}: {message} (request {request_id})")
        self.status = status
        self.code = code
        self.request_id = request_id


class NotFoundError(ApiError):
    pass


def path(candidate: str, operation: str) -> str:
    query = f"?jobPositionId={POSITION}" if operation == "status" else ""
    return f"/v1/candidates/{candidate}/{operation}{query}"


def payload(email_body: str | None) -> bytes:
    body = {"jobPositionId": POSITION}
    if email_body is not None:
        body["emailBody"] = email_body
    return json.dumps(body).encode()


def action_headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}


def data(status: int, body: bytes) -> tuple[dict[str, Any], str]:
    envelope = json.loads(body)
    if status != 200:
        kind = NotFoundError if status == 404 else ApiError
        raise kind(status, envelope["error"], envelope["message"], envelope["requestId"])
    if envelope["success"] is not True:
        raise ValueError(body)
    return envelope["data"], envelope["requestId"]


def read_state(status: int, body: bytes) -> State:
    found, request_id = data(status, body)
    return State(found["status"], found["analysisViewed"], found["interviewScore"], request_id)


def read_invitation(status: int, body: bytes) -> Invitation:
    found, request_id = data(status, body)
    expires_at = datetime.fromisoformat(found["expiresAt"])
    return Invitation(found["invited"], found["sessionId"], found["emailDelivery"], expires_at, request_id)


def read_decision(status: int, body: bytes) -> Decision:
    found, request_id = data(status, body)
    return Decision(found["status"], request_id)
