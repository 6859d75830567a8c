"""Type checks by mypy and pyright, both strict; never run. An `ignore` on a line without an error is an error itself."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import assert_type

import celper
from celper import (
    AsyncCelper,
    BatchItem,
    CandidateRequest,
    CandidateState,
    CandidateStatus,
    Celper,
    CelperError,
    Decision,
    Invitation,
    InviteRequest,
    RateLimit,
    RateLimits,
    SelectRequest,
)


def construct() -> None:
    Celper()
    Celper("celp_0")
    Celper(
        api_key=None, base_url=None, timeout=3, attempt_timeout=timedelta(seconds=1), max_retries=0, rate_limits=None
    )
    Celper(timeout=None, base_url="http://sandbox:1", allow_http_hosts=["sandbox"])
    Celper(allow_http_hosts=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncCelper(
        rate_limits=RateLimits(reads=1, window=timedelta(minutes=1)),
        proxy="http://p:1",
        ca_certificates=b"",
        app_info="a/1",
    )
    Celper(timeout="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Celper(max_retries=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Celper("celp_0", "https://api.celper.ai")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Celper(retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RateLimits(40)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def synchronous(client: Celper) -> None:
    state = client.get_candidate_status("c", job_position_id="p", timeout=1.5, max_retries=0)
    assert_type(state, CandidateState)
    assert_type(state.status, CandidateStatus | str)
    assert_type(state.analysis_viewed, bool)
    assert_type(state.interview_score, float | None)
    assert_type(state.rate_limit, RateLimit | None)
    assert_type(client.invite_candidate("c", job_position_id="p", email_subject="s", idempotency_key="k"), Invitation)
    assert_type(client.select_candidate("c", job_position_id="p"), Decision)
    assert_type(client.reject_candidate("c", job_position_id="p").request_id, str | None)
    client.get_candidate_status("c", "p")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.get_candidate_status("c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.get_candidate_status("c", job_position_id="p", idempotency_key="k")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.select_candidate("c", job_position_id="p", email_body="b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.invite_candidate(3, job_position_id="p")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    state.status = "new"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with client as same:
        assert_type(same, Celper)


async def asynchronous(client: AsyncCelper) -> None:
    awaitable: Awaitable[Invitation] = client.invite_candidate("c", job_position_id="p")
    assert_type((await awaitable).expires_at, datetime)
    assert_type(await client.get_candidate_status("c", job_position_id="p"), CandidateState)
    client.select_candidate("c", job_position_id="p").status  # type: ignore[attr-defined]  # pyright: ignore
    async with client as same:
        assert_type(same, AsyncCelper)
    with client:  # type: ignore[attr-defined]  # pyright: ignore
        pass


def results_and_errors(client: Celper) -> None:
    CandidateState(status="on_hold", analysis_viewed=True)
    Decision(status=CandidateStatus.SELECTED)
    CandidateState("new", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    match client.get_candidate_status("c", job_position_id="p"):
        case CandidateState(status=CandidateStatus.INTERVIEWED, interview_score=float(score)):
            assert_type(score, float)
        case _:
            pass
    try:
        client.select_candidate("c", job_position_id="p")
    except celper.AnalysisNotViewedError as error:
        conflict: celper.ConflictError = error
        assert_type(conflict.code, str | None)
        assert_type(error.outcome_unknown, bool)
    except (ValueError, ConnectionError, TimeoutError) as error:
        assert_type(pickle.loads(pickle.dumps(error)) is None, bool)
    except celper.CelperError as error:
        assert_type(error.retry_after, float | None)
        error.statuscode  # type: ignore[attr-defined]  # pyright: ignore


def batches(client: Celper, requests: list[CandidateRequest]) -> None:
    for item in client.batch(requests, batch_id="b", journal=Path("j"), total=3):
        assert_type(item, BatchItem[CandidateRequest])
        assert_type(item.result, CandidateState | Invitation | Decision | None)
        assert_type(item.error, CelperError | None)
    with client.batch(InviteRequest(each, job_position_id="p") for each in "abc") as batch:
        for invited in batch:
            assert_type(invited.request, InviteRequest)
            assert_type(invited.request.email_body, str | None)
        assert_type(batch.progress.eta, float | None)
    client.batch(["c"])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    SelectRequest("c", "p")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def async_batches(client: AsyncCelper, rows: AsyncIterator[InviteRequest]) -> None:
    async with client.batch(rows) as batch:
        async for item in batch:
            assert_type(item, BatchItem[InviteRequest])
