"""The four operations and the options of both clients."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import math
import pickle
import subprocess
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import celper
from celper import _celper
from celper_sandbox import Limits, Sandbox, find_program
from support import POSITION, wait_until_closed


class AnyClient:
    """Makes calls through one of the clients, which tests then need not tell apart."""

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
def any_client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AnyClient:
    return AnyClient(request.param, sandbox.client_options)


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def test_all_operations_on_one_candidate(any_client: AnyClient, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    state = any_client.get_candidate_status(candidate, job_position_id=POSITION)
    assert state.status == "new"
    assert state.status is celper.CandidateStatus.NEW
    assert (state.analysis_viewed, state.interview_score) == (False, None)

    before = datetime.now(timezone.utc)
    invitation = any_client.invite_candidate(
        candidate, job_position_id=POSITION, email_subject="Hé", email_body="{interviewLink} 🔑"
    )
    assert invitation.invited is True
    assert invitation.email_delivery == "pending"
    assert invitation.session_id.startswith("sess_")
    assert timedelta(days=6, hours=23) < invitation.expires_at - before < timedelta(days=7, hours=1)
    (mail,) = sandbox.outbox()
    assert (mail.candidate_id, mail.subject) == (candidate, "Hé")
    assert mail.body.endswith("🔑")

    sandbox.change_candidate(candidate, status="interviewed", analysis_viewed=True, interview_score=91.5)
    assert any_client.get_candidate_status(candidate, job_position_id=POSITION).interview_score == 91.5
    decision = any_client.select_candidate(candidate, job_position_id=POSITION)
    assert decision.status is celper.CandidateStatus.SELECTED
    rejected = any_client.reject_candidate(sandbox.create_interviewed_candidate().id, job_position_id=POSITION)
    assert rejected.status is celper.CandidateStatus.REJECTED
    assert len({state.request_id, invitation.request_id, decision.request_id, rejected.request_id}) == 4


def test_retries_send_the_same_idempotency_key(any_client: AnyClient, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "close", act="before")
    assert any_client.invite_candidate(candidate, job_position_id=POSITION).invited
    first, second = sandbox.requests(candidate)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] != ""
    assert (first.body, first.acted) == (second.body, True)
    assert second.replayed


def test_options_of_a_call(any_client: AnyClient, sandbox: Sandbox) -> None:
    candidate = sandbox.create_interviewed_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, times=None)
    with pytest.raises(celper.ServerError) as caught:
        any_client.select_candidate(
            candidate, job_position_id=POSITION, idempotency_key="order 17", max_retries=0, timeout=30
        )
    assert (caught.value.attempts, caught.value.idempotency_key, caught.value.outcome_unknown) == (1, "order 17", True)
    (request,) = sandbox.requests(candidate)
    assert request.headers["idempotency-key"] == "order 17"

    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=60, act="after")
    with pytest.raises(celper.RequestTimeoutError) as timed_out:
        any_client.get_candidate_status(slow, job_position_id=POSITION, timeout=timedelta(milliseconds=200))
    assert isinstance(timed_out.value, TimeoutError)
    wait_until_closed(sandbox, slow)


def test_options_of_the_client(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "delay", seconds=60, act="after", times=None)
    changed = {"attempt_timeout": 0.1, "max_retries": 1, "timeout": timedelta(seconds=30), "app_info": "acme/2.1"}
    options = {**sandbox.client_options, **changed}
    with pytest.raises(celper.RequestTimeoutError) as caught:
        AnyClient(kind, options).get_candidate_status(candidate, job_position_id=POSITION)
    assert caught.value.attempts == 2
    agent = sandbox.requests(candidate)[-1].headers["user-agent"]
    assert agent.startswith(f"celper-python/{celper.__version__} (")
    assert agent.endswith(" acme/2.1")


def test_options_are_readable(kind: str, sandbox: Sandbox) -> None:
    changed = {"timeout": timedelta(seconds=30), "attempt_timeout": 5, "max_retries": 1}
    client = AnyClient(kind, {**sandbox.client_options, **changed, "rate_limits": celper.RateLimits(reads=7)}).client
    assert (client.timeout, client.attempt_timeout, client.max_retries) == (30.0, 5.0, 1)
    assert client.rate_limits == celper.RateLimits(reads=7)
    assert "max_retries=1, rate_limits=RateLimits(reads=7, " in repr(client)
    with pytest.raises(AttributeError):
        client.timeout = 5  # type: ignore[misc]


def test_an_infinite_timeout_means_none(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "delay", seconds=0.3, act="after")
    any_client = AnyClient(kind, {**sandbox.client_options, "timeout": 0.1})
    assert any_client.get_candidate_status(candidate, job_position_id=POSITION, timeout=math.inf).status == "new"
    for endless in (math.inf, timedelta.max):
        assert AnyClient(kind, {**sandbox.client_options, "timeout": endless}).client.timeout is None


def test_the_environment_is_read(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = sandbox.create_candidate().id
    monkeypatch.setenv("CELPER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("CELPER_BASE_URL", sandbox.base_url + "/")
    any_client = AnyClient(kind, {})
    assert any_client.client.base_url == sandbox.base_url
    assert any_client.get_candidate_status(candidate, job_position_id=POSITION).status == "new"


@pytest.mark.parametrize("client", [celper.Celper, celper.AsyncCelper])
@pytest.mark.parametrize("hosts", [["sandbox"], ("other.internal", "sandbox")])
def test_a_listed_private_host_may_use_http(client: Any, hosts: Any) -> None:
    url = "http://sandbox:8787"
    assert client("celp_0", base_url=url, allow_http_hosts=hosts).base_url == url


def test_tls_with_a_private_ca(kind: str) -> None:
    with Sandbox(tls=True) as sandbox:
        candidate = sandbox.create_candidate().id
        assert sandbox.ca_certificate
        with pytest.raises(celper.ConnectionFailedError, match="certificate") as caught:
            untrusting = AnyClient(kind, {**sandbox.client_options, "ca_certificates": None, "max_retries": 0})
            untrusting.get_candidate_status(candidate, job_position_id=POSITION)
        assert isinstance(caught.value, ConnectionError)
        for pem in (sandbox.ca_certificate, sandbox.ca_certificate.encode()):
            trusting = AnyClient(kind, {**sandbox.client_options, "ca_certificates": pem})
            assert trusting.get_candidate_status(candidate, job_position_id=POSITION).status == "new"


class Proxy:
    """The sandbox program's forward proxy, which `celper_sandbox.Sandbox` cannot start. It forwards to any local port."""

    def __init__(self, credentials: str) -> None:
        command = [find_program(), "--port", "0", "--exit-with-parent", "--proxy", "--proxy-auth", credentials]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        started = json.loads(self._process.stdout.readline())
        self.url: str = started["proxy_url"]
        self._control_url: str = started["base_url"] + "/_sandbox/proxy"

    def requests(self) -> list[dict[str, Any]]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self._control_url) as response:
            requests: list[dict[str, Any]] = json.load(response)
        return requests

    def close(self) -> None:
        self._process.communicate()


def test_a_proxy(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    with contextlib.closing(Proxy("user:pass%word")) as proxy:
        url = proxy.url.replace("http://", "http://user:pass%25word@")
        any_client = AnyClient(kind, {**sandbox.client_options, "proxy": url})
        assert any_client.get_candidate_status(candidate, job_position_id=POSITION).status == "new"
        assert [request["forwarded"] for request in proxy.requests()] == [True]


def test_pacing_keeps_to_the_rate_limits(kind: str) -> None:
    with Sandbox(limits=Limits(reads=4, window=0.4)) as sandbox:
        candidate = sandbox.create_candidate().id
        limits = celper.RateLimits(reads=4, window=timedelta(seconds=0.4))
        any_client = AnyClient(kind, {**sandbox.client_options, "rate_limits": limits})
        for _ in range(10):
            state = any_client.get_candidate_status(candidate, job_position_id=POSITION, max_retries=0)
            assert state.rate_limit.limit == 4
            assert 0 <= state.rate_limit.remaining < 4
            assert state.rate_limit.reset_at.tzinfo is timezone.utc
        assert sandbox.control("windows")["refused"] == 0
        with pytest.raises(celper.RateLimitError) as caught:
            for _ in range(5):
                any_client.get_candidate_status(candidate, job_position_id=POSITION, timeout=0.05)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 0


def test_unknown_statuses_are_returned_as_they_are(any_client: AnyClient, sandbox: Sandbox) -> None:
    state = any_client.get_candidate_status(
        sandbox.create_candidate(status="on_hold", extra={"tag": 1}).id, job_position_id=POSITION
    )
    assert type(state.status) is str
    assert state.status == "on_hold"


def test_times_at_the_limits_of_datetime(any_client: AnyClient, sandbox: Sandbox) -> None:
    data = {"invited": True, "sessionId": "s", "emailDelivery": "pending"}
    for expires_at, year in (
        ("1969-12-31T00:00:00Z", 1969),
        ("0001-01-01T00:00:00Z", 1),
        ("9999-12-31T23:59:59.999Z", 9999),
    ):
        candidate = sandbox.create_candidate().id
        headers = {"X-RateLimit-Limit": 40, "X-RateLimit-Reset": 1_790_000_000_000}
        body = {"success": True, "requestId": "r", "data": {**data, "expiresAt": expires_at}}
        sandbox.queue_fault(candidate, "status", status=200, json=body, headers=headers)
        invitation = any_client.invite_candidate(candidate, job_position_id=POSITION)
        assert invitation.expires_at.year == year
        assert pickle.loads(pickle.dumps(invitation)) == invitation
        assert str(year) in repr(invitation)
    beyond = sandbox.create_candidate().id
    body = {"success": True, "requestId": "r", "data": {**data, "expiresAt": "9999-12-31T23:59:59-05:00"}}
    sandbox.queue_fault(beyond, "status", status=200, json=body)
    with pytest.raises(celper.UnexpectedResponseError) as caught:
        any_client.invite_candidate(beyond, job_position_id=POSITION)
    assert caught.value.outcome_unknown
    with pytest.raises(ValueError, match="aware"):
        celper.RateLimit(reset_at=datetime(2026, 1, 1))
    assert celper.RateLimit(reset_at=datetime(1960, 1, 1, tzinfo=timezone.utc)).reset_at


@pytest.mark.parametrize("hostile", ["a/b", "../..", "a?b#c", "%2e%2e", "ключ 🔑", "a+b&jobPositionId=x", "'\"\\"])
def test_ids_with_special_characters(any_client: AnyClient, sandbox: Sandbox, hostile: str) -> None:
    sandbox.create_candidate(hostile, job_position_id=hostile)
    assert any_client.get_candidate_status(hostile, job_position_id=hostile).status == "new"
    assert any_client.invite_candidate(hostile, job_position_id=hostile).invited


def test_a_closed_client_raises(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    with celper.Celper(**sandbox.client_options) as client:
        client.get_candidate_status(candidate, job_position_id=POSITION)
    client.close()
    with pytest.raises(celper.InvalidArgumentError, match="closed"):
        client.get_candidate_status(candidate, job_position_id=POSITION)

    async def main() -> None:
        async with celper.AsyncCelper(**sandbox.client_options) as client:
            await client.get_candidate_status(candidate, job_position_id=POSITION)
        await client.aclose()
        with pytest.raises(celper.InvalidArgumentError, match="closed"):
            await client.get_candidate_status(candidate, job_position_id=POSITION)

    asyncio.run(main())
    assert len(sandbox.requests(candidate)) == 2


def test_results_are_immutable_and_support_equality_and_pickling(any_client: AnyClient, sandbox: Sandbox) -> None:
    candidate = sandbox.create_interviewed_candidate().id
    state = any_client.get_candidate_status(candidate, job_position_id=POSITION)
    limit = celper.RateLimit(limit=40, remaining=3, reset_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
    results = [
        state,
        any_client.select_candidate(candidate, job_position_id=POSITION),
        any_client.invite_candidate(sandbox.create_candidate().id, job_position_id=POSITION),
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


def test_a_status_formats_as_its_value() -> None:
    status = celper.CandidateStatus.NEW
    assert f"{status} {status!s} {status:>4}" == "new new  new"
    assert pickle.loads(pickle.dumps(status)) is status
    assert tuple(status.value for status in celper.CandidateStatus) == _celper.STATUSES


def test_signatures_are_as_documented() -> None:
    assert [name for _, name in _celper.OPERATIONS] == [
        name for name in vars(celper.Celper) if name.endswith(("_candidate", "_candidate_status"))
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
        "api_key", "base_url", "allow_http_hosts", "timeout", "attempt_timeout", "max_retries", "rate_limits", "rate_limit_store", "rate_limit_name", "rate_limit_store_down", "proxy", "ca_certificates", "app_info", "on_event", "telemetry"
    ]  # fmt: skip
    defaults = [options[name].default for name in ("attempt_timeout", "max_retries", "rate_limits")]
    assert defaults == [*_celper.DEFAULTS, celper.RateLimits()]
    written = inspect.signature(celper.RateLimits)
    assert celper.RateLimits(**{name: p.default for name, p in written.parameters.items()}) == celper.RateLimits()


def test_public_names_are_documented_and_belong_to_celper() -> None:
    for name in celper.__all__:
        if name == "__version__":
            continue
        public = getattr(celper, name)
        assert public.__doc__, name
        assert not isinstance(public, type) or public.__module__ == "celper", name
        members = getattr(public, "__dict__", {})
        if inspect.ismodule(public):
            members = {member: members[member] for member in public.__all__}
        for member, value in members.items():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"
