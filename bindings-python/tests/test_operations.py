"""The four operations and the client's options, as both clients have them."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import celper
from celper import _celper
from sandbox import POSITION, Sandbox


class Both:
    """Makes the same call through either client."""

    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        self.client = celper.Celper(**options) if kind == "sync" else celper.AsyncCelper(**options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if isinstance(self.client, celper.Celper):
            return method

        def call(*arguments: Any, **more: Any) -> Any:
            return asyncio.run(method(*arguments, **more))

        return call


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest, sandbox: Sandbox) -> Both:
    return Both(request.param, sandbox.options())


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def test_a_candidate_goes_all_the_way(both: Both, sandbox: Sandbox) -> None:
    candidate = sandbox.candidate()
    state = both.get_candidate_status(candidate, job_position_id=POSITION)
    assert state.status == "new"
    assert state.status is celper.CandidateStatus.NEW
    assert (state.analysis_viewed, state.interview_score) == (False, None)

    before = datetime.now(timezone.utc)
    invitation = both.invite_candidate(
        candidate, job_position_id=POSITION, email_subject="Hé", email_body="{interviewLink} 🔑"
    )
    assert invitation.invited is True
    assert invitation.email_delivery == "pending"
    assert invitation.session_id.startswith("sess_")
    assert timedelta(days=6, hours=23) < invitation.expires_at - before < timedelta(days=7, hours=1)
    (mail,) = [mail for mail in sandbox.control("outbox") if mail["candidateId"] == candidate]
    assert mail["subject"] == "Hé"
    assert mail["body"].endswith("🔑")

    change = {"candidateId": candidate, "jobPositionId": POSITION, "status": "interviewed", "analysisViewed": True}
    sandbox.control("candidates", {**change, "interviewScore": 91.5}, "PATCH")
    assert both.get_candidate_status(candidate, job_position_id=POSITION).interview_score == 91.5
    decision = both.select_candidate(candidate, job_position_id=POSITION)
    assert decision.status is celper.CandidateStatus.SELECTED
    rejected = both.reject_candidate(sandbox.interviewed(), job_position_id=POSITION)
    assert rejected.status is celper.CandidateStatus.REJECTED
    assert len({state.request_id, invitation.request_id, decision.request_id, rejected.request_id}) == 4


def test_an_action_carries_one_key_over_its_attempts(both: Both, sandbox: Sandbox) -> None:
    candidate = sandbox.candidate()
    sandbox.fault(candidate, "close", act="before")
    assert both.invite_candidate(candidate, job_position_id=POSITION).invited
    first, second = sandbox.requests(candidate)
    assert first["header"]["idempotency-key"] == second["header"]["idempotency-key"] != ""
    assert (first["body"], first["acted"]) == (second["body"], True)
    assert second["replayed"]


def test_options_of_one_call(both: Both, sandbox: Sandbox) -> None:
    candidate = sandbox.interviewed()
    sandbox.fault(candidate, "status", status=503, times=None)
    with pytest.raises(celper.ServerError) as caught:
        both.select_candidate(
            candidate, job_position_id=POSITION, idempotency_key="order 17", max_retries=0, timeout=30
        )
    assert (caught.value.attempts, caught.value.idempotency_key, caught.value.outcome_unknown) == (1, "order 17", True)
    (request,) = sandbox.requests(candidate)
    assert request["header"]["idempotency-key"] == "order 17"

    slow = sandbox.candidate()
    sandbox.fault(slow, "delay", seconds=60, act="after")
    with pytest.raises(celper.RequestTimeoutError) as timed_out:
        both.get_candidate_status(slow, job_position_id=POSITION, timeout=timedelta(milliseconds=200))
    assert isinstance(timed_out.value, TimeoutError)
    sandbox.wait_until_closed(slow)


def test_options_of_the_client(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.candidate()
    sandbox.fault(candidate, "delay", seconds=60, act="after", times=None)
    options = sandbox.options(attempt_timeout=0.1, max_retries=1, timeout=timedelta(seconds=30), app_info="acme/2.1")
    with pytest.raises(celper.RequestTimeoutError) as caught:
        Both(kind, options).get_candidate_status(candidate, job_position_id=POSITION)
    assert caught.value.attempts == 2
    agent = sandbox.requests(candidate)[-1]["header"]["user-agent"]
    assert agent.startswith(f"celper-python/{celper.__version__} (")
    assert agent.endswith(" acme/2.1")


def test_the_environment_is_read(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = sandbox.candidate()
    monkeypatch.setenv("CELPER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("CELPER_BASE_URL", sandbox.base_url + "/")
    both = Both(kind, {})
    assert both.client.base_url == sandbox.base_url
    assert both.get_candidate_status(candidate, job_position_id=POSITION).status == "new"


def test_tls_with_a_ca_of_ones_own(kind: str) -> None:
    sandbox = Sandbox("--tls")
    try:
        candidate = sandbox.candidate()
        with pytest.raises(celper.ConnectionFailedError, match="certificate") as caught:
            Both(kind, sandbox.options(max_retries=0)).get_candidate_status(candidate, job_position_id=POSITION)
        assert isinstance(caught.value, ConnectionError)
        assert sandbox.ca_certificate
        for pem in (sandbox.ca_certificate, sandbox.ca_certificate.encode()):
            trusting = Both(kind, sandbox.options(ca_certificates=pem))
            assert trusting.get_candidate_status(candidate, job_position_id=POSITION).status == "new"
    finally:
        sandbox.close()


def test_a_proxy(kind: str) -> None:
    sandbox = Sandbox("--proxy", "--proxy-auth", "user:pass%word")
    try:
        candidate = sandbox.candidate()
        assert sandbox.proxy_url
        proxy = (
            sandbox.proxy_url.replace("http://", "http://user:pass%25word@")
            if "@" not in sandbox.proxy_url
            else sandbox.proxy_url
        )
        both = Both(kind, sandbox.options(proxy=proxy))
        assert both.get_candidate_status(candidate, job_position_id=POSITION).status == "new"
        assert sandbox.control("proxy")
    finally:
        sandbox.close()


def test_pacing_keeps_to_the_windows(kind: str) -> None:
    sandbox = Sandbox("--window", "0.4", "--reads", "4", "--actions", "30", "--total", "60")
    try:
        candidate = sandbox.candidate()
        limits = celper.RateLimits(reads=4, window=timedelta(seconds=0.4))
        both = Both(kind, sandbox.options(rate_limits=limits))
        for _ in range(10):
            state = both.get_candidate_status(candidate, job_position_id=POSITION, max_retries=0)
            assert state.rate_limit.limit == 4
            assert 0 <= state.rate_limit.remaining < 4
            assert state.rate_limit.reset_at.tzinfo is timezone.utc
        assert sandbox.control("windows")["refused"] == 0
        with pytest.raises(celper.RateLimitError) as caught:
            for _ in range(5):
                both.get_candidate_status(candidate, job_position_id=POSITION, timeout=0.05)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 0
    finally:
        sandbox.close()


def test_what_nobody_knows_comes_through(both: Both, sandbox: Sandbox) -> None:
    state = both.get_candidate_status(sandbox.candidate(status="on_hold", extra={"tag": 1}), job_position_id=POSITION)
    assert type(state.status) is str
    assert state.status == "on_hold"


def test_times_that_only_a_calendar_has(both: Both, sandbox: Sandbox) -> None:
    data = {"invited": True, "sessionId": "s", "emailDelivery": "pending"}
    for expires_at, year in (
        ("1969-12-31T00:00:00Z", 1969),
        ("0001-01-01T00:00:00Z", 1),
        ("9999-12-31T23:59:59.999Z", 9999),
    ):
        candidate = sandbox.candidate()
        headers = {"X-RateLimit-Limit": 40, "X-RateLimit-Reset": 1_790_000_000_000}
        body = {"success": True, "requestId": "r", "data": {**data, "expiresAt": expires_at}}
        sandbox.fault(candidate, "status", status=200, json=body, headers=headers)
        invitation = both.invite_candidate(candidate, job_position_id=POSITION)
        assert invitation.expires_at.year == year
        assert pickle.loads(pickle.dumps(invitation)) == invitation
        assert str(year) in repr(invitation)
    beyond = sandbox.candidate()
    sandbox.fault(beyond, "answer", data={**data, "expiresAt": "9999-12-31T23:59:59-05:00"})
    with pytest.raises(celper.UnexpectedResponseError) as caught:
        both.invite_candidate(beyond, job_position_id=POSITION)
    assert caught.value.outcome_unknown
    with pytest.raises(ValueError, match="aware"):
        celper.RateLimit(reset_at=datetime(2026, 1, 1))
    assert celper.RateLimit(reset_at=datetime(1960, 1, 1, tzinfo=timezone.utc)).reset_at


@pytest.mark.parametrize("hostile", ["a/b", "../..", "a?b#c", "%2e%2e", "ключ 🔑", "a+b&jobPositionId=x", "'\"\\"])
def test_hostile_ids_are_carried_whole(both: Both, sandbox: Sandbox, hostile: str) -> None:
    sandbox.control("candidates", {"candidateId": hostile, "jobPositionId": hostile, "status": "new"})
    assert both.get_candidate_status(hostile, job_position_id=hostile).status == "new"
    assert both.invite_candidate(hostile, job_position_id=hostile).invited


def test_a_closed_client_refuses(sandbox: Sandbox) -> None:
    candidate = sandbox.candidate()
    with celper.Celper(**sandbox.options()) as client:
        client.get_candidate_status(candidate, job_position_id=POSITION)
    client.close()
    with pytest.raises(celper.InvalidArgumentError, match="closed"):
        client.get_candidate_status(candidate, job_position_id=POSITION)

    async def main() -> None:
        async with celper.AsyncCelper(**sandbox.options()) as client:
            await client.get_candidate_status(candidate, job_position_id=POSITION)
        await client.aclose()
        with pytest.raises(celper.InvalidArgumentError, match="closed"):
            await client.get_candidate_status(candidate, job_position_id=POSITION)

    asyncio.run(main())
    assert len(sandbox.requests(candidate)) == 2


def test_results_are_values(both: Both, sandbox: Sandbox) -> None:
    candidate = sandbox.interviewed()
    state = both.get_candidate_status(candidate, job_position_id=POSITION)
    limit = celper.RateLimit(limit=40, remaining=3, reset_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
    results = [
        state,
        both.select_candidate(candidate, job_position_id=POSITION),
        both.invite_candidate(sandbox.candidate(), job_position_id=POSITION),
        limit,
        celper.RateLimits(reads=1),
        celper.CandidateState(status="on_hold", analysis_viewed=True, rate_limit=limit),
    ]
    for result in results:
        for twin in [pickle.loads(pickle.dumps(result, protocol)) for protocol in range(2, 6)] + [
            copy.copy(result),
            copy.deepcopy(result),
        ]:
            assert twin == result
            assert hash(twin) == hash(result)
            assert repr(twin) == repr(result)
        assert result != object()
        assert len({*results}) == len(results)
        field = type(result).__match_args__[0]
        with pytest.raises(AttributeError):
            setattr(result, field, None)
    match state:
        case celper.CandidateState(status="interviewed", interview_score=score):
            assert score == 85
        case _:
            pytest.fail("the pattern does not match")
    assert repr(state).startswith(
        "CandidateState(status=<CandidateStatus.INTERVIEWED: 'interviewed'>, analysis_viewed=True, "
    )


def test_a_status_is_text_everywhere() -> None:
    status = celper.CandidateStatus.NEW
    assert f"{status} {status!s} {status:>4}" == "new new  new"
    assert pickle.loads(pickle.dumps(status)) is status
    assert tuple(status.value for status in celper.CandidateStatus) == _celper.STATUSES


def test_signatures_are_real() -> None:
    assert [name for _, name in _celper.OPERATIONS] == [
        name for name in vars(celper.Celper) if name.endswith(("_candidate", "_status"))
    ]
    for _, name in _celper.OPERATIONS:
        signature = inspect.signature(getattr(celper.Celper, name))
        assert signature == inspect.signature(getattr(celper.AsyncCelper, name))
        assert inspect.iscoroutinefunction(getattr(celper.AsyncCelper, name))
        positional = [p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
        assert positional == ["self", "candidate_id"]
        assert {"job_position_id", "timeout", "max_retries"} <= set(signature.parameters)
        assert ("idempotency_key" in signature.parameters) == (name != "get_candidate_status")
        for parameter in signature.parameters:
            assert parameter == "self" or f"{parameter}:" in (getattr(celper.Celper, name).__doc__ or "")
    options = inspect.signature(celper.Celper).parameters
    assert options == inspect.signature(celper.AsyncCelper).parameters
    assert list(options) == [
        "api_key", "base_url", "timeout", "attempt_timeout", "max_retries", "rate_limits", "proxy", "ca_certificates", "app_info"
    ]  # fmt: skip
    ([timeout, attempt_timeout], max_retries) = _celper.DEFAULTS
    defaults = [options[name].default for name in ("timeout", "attempt_timeout", "max_retries", "rate_limits")]
    assert defaults == [timeout, attempt_timeout, max_retries, celper.RateLimits()]
    written = inspect.signature(celper.RateLimits)
    assert celper.RateLimits(**{name: p.default for name, p in written.parameters.items()}) == celper.RateLimits()


def test_everything_public_is_documented_and_comes_from_celper() -> None:
    for name in celper.__all__:
        if name == "__version__":
            continue
        public = getattr(celper, name)
        assert public.__doc__, name
        assert public.__module__ == "celper", name
        for member, value in vars(public).items():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"
