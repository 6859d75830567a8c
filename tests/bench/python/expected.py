"""Checks, after every call of every client, that its result is what the server sent."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

REQUEST_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
EXPIRES_AT = datetime(2026, 4, 18, 8, tzinfo=timezone.utc)


def check_state(state: Any) -> None:
    score = state.interview_score
    if score != 85 or state.status != "interviewed" or state.analysis_viewed is not True:
        raise AssertionError(state)
    if state.request_id != REQUEST_ID:
        raise AssertionError(state)


def check_invitation(invitation: Any) -> None:
    if invitation.invited is not True or invitation.session_id != "sess_abc123":
        raise AssertionError(invitation)
    if invitation.expires_at != EXPIRES_AT or invitation.email_delivery != "pending":
        raise AssertionError(invitation)


def check_error(error: Any) -> None:
    if (error.status, error.code, error.request_id) != (404, "NOT_FOUND", REQUEST_ID):
        raise AssertionError(error)


def check_decisions(selected: Any, rejected: Any) -> None:
    if (selected.status, rejected.status) != ("selected", "rejected"):
        raise AssertionError((selected, rejected))
