"""Results and errors as plain data: for JSON, dataclasses, pydantic, FastAPI and Celery."""

from __future__ import annotations

import dataclasses
import json
import pprint
from datetime import datetime, timezone
from unittest import mock

import celery
import fastapi
import pydantic
import pytest
from fastapi.testclient import TestClient
from kombu.utils.json import dumps

import celper
from celper_sandbox import Limits, Sandbox
from support import POSITION

LIMIT = celper.RateLimit(limit=40, remaining=3, reset_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
STATE = celper.CandidateState(status="interviewed", analysis_viewed=True, interview_score=85, rate_limit=LIMIT)
INVITATION = celper.Invitation(
    invited=True, session_id="s", email_delivery="pending", expires_at=datetime(2026, 1, 8, tzinfo=timezone.utc)
)
PLAIN = {
    "status": "interviewed",
    "analysis_viewed": True,
    "interview_score": 85.0,
    "request_id": None,
    "rate_limit": {"limit": 40, "remaining": 3, "reset_at": "2026-01-01T00:00:00+00:00"},
    "attempts": 1,
}


def test_results_as_json() -> None:
    assert json.loads(json.dumps(STATE.to_dict())) == PLAIN
    assert type(STATE.to_dict()["status"]) is str
    assert INVITATION.to_dict()["expires_at"] == "2026-01-08T00:00:00+00:00"
    assert celper.RateLimits().to_dict() == {"reads": 40, "actions": 30, "total": 60, "window": 60.0}
    # The encoder of Celery's JSON serializer.
    encoded = dumps([STATE])  # type: ignore[no-untyped-call]
    assert json.loads(encoded) == [PLAIN]


def test_results_as_dataclasses() -> None:
    assert dataclasses.asdict(STATE)["rate_limit"]["remaining"] == 3
    assert dataclasses.replace(STATE, attempts=2).attempts == 2
    assert [field.name for field in dataclasses.fields(STATE)] == list(celper.CandidateState.__match_args__)
    assert "interview_score=85.0" in pprint.pformat(STATE, width=40)


def test_results_in_pydantic_models() -> None:
    class Row(pydantic.BaseModel):
        state: celper.CandidateState
        invitation: celper.Invitation | None = None

    row = Row(state=STATE, invitation=INVITATION)
    assert row.state is STATE
    assert json.loads(row.model_dump_json())["state"] == PLAIN == row.model_dump()["state"]
    assert Row.model_validate_json(row.model_dump_json()) == row
    with pytest.raises(pydantic.ValidationError):
        Row.model_validate({"state": {**PLAIN, "analysis_viewed": "perhaps"}})
    assert Row.model_json_schema()["properties"]["state"]["required"] == ["status", "analysis_viewed"]


def test_results_as_responses_of_fastapi() -> None:
    app = fastapi.FastAPI()

    @app.get("/annotated")
    def annotated() -> celper.CandidateState:
        return STATE

    @app.get("/plain", response_model=None)
    def plain() -> object:
        return {"invitation": INVITATION}

    client = TestClient(app)
    assert client.get("/annotated").json() == PLAIN
    assert client.get("/plain").json()["invitation"]["session_id"] == "s"
    assert "/annotated" in client.get("/openapi.json").json()["paths"]


def test_errors_as_json_and_through_celerys_json_backend(client: celper.Celper, sandbox: Sandbox) -> None:
    sandbox.set_limits(Limits())
    candidate = sandbox.create_candidate().id
    with pytest.raises(celper.InvalidStatusError) as caught:
        client.select_candidate(candidate, job_position_id=POSITION)
    error = caught.value
    plain = json.loads(json.dumps(error.to_dict()))
    assert (plain["kind"], plain["status"], plain["text"]) == ("invalid_status", 409, str(error))
    assert plain["rate_limit"]["limit"] == 30

    backend = celery.Celery(backend="cache+memory://").backend
    stored = json.loads(json.dumps(backend.prepare_exception(error, serializer="json")))
    rebuilt = backend.exception_to_python(stored)
    assert type(rebuilt) is celper.InvalidStatusError
    assert rebuilt.to_dict() == error.to_dict()
    assert rebuilt.rate_limit == error.rate_limit


def test_a_clients_methods_can_be_patched(client: celper.Celper) -> None:
    decision = celper.Decision(status="selected")
    with mock.patch.object(client, "select_candidate", return_value=decision):
        assert client.select_candidate("c", job_position_id="p") is decision
    fake = mock.create_autospec(client)
    fake.select_candidate("c", job_position_id="p")
    with pytest.raises(TypeError):
        fake.select_candidate("c", "p")
