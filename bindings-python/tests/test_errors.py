"""Errors: their classes and fields, and invalid arguments and options."""

from __future__ import annotations

import asyncio
import builtins
import copy
import math
import pickle
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import celper
from celper import _celper, _errors
from celper_sandbox import Sandbox
from support import POSITION

KEY = "celp_00000000000000000000000000005ec7e7"


def test_the_classes_match_the_cores_table() -> None:
    actual = {(kind, error.__name__, error.__mro__[1].__name__) for kind, error in _errors.BY_KIND.items()}
    assert actual == set(_celper.ERRORS)
    for kind, error in _errors.BY_KIND.items():
        assert error("text").kind == kind
        assert getattr(celper, error.__name__) is error


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (celper.InvalidArgumentError, ValueError),
        (celper.ConnectionFailedError, ConnectionError),
        (celper.RequestTimeoutError, TimeoutError),
    ],
)
def test_errors_have_builtin_base_classes(error: type[Exception], base: type[Exception]) -> None:
    assert issubclass(error, base)
    assert issubclass(error, celper.CelperError)


RESPONSES = [
    (400, "VALIDATION_ERROR", celper.InvalidRequestError),
    (418, "TEAPOT", celper.InvalidRequestError),
    (401, "UNAUTHORIZED", celper.AuthenticationError),
    (403, "SCOPE_INSUFFICIENT", celper.PermissionDeniedError),
    (404, "NOT_FOUND", celper.NotFoundError),
    (409, "BRAND_NEW", celper.ConflictError),
    (409, "INVALID_STATUS", celper.InvalidStatusError),
    (409, "ANALYSIS_NOT_VIEWED", celper.AnalysisNotViewedError),
    (409, "IDEMPOTENCY_CONFLICT", celper.IdempotencyConflictError),
    (429, "RATE_LIMITED", celper.RateLimitError),
    (500, "OOPS", celper.ServerError),
    (307, "MOVED", celper.UnexpectedResponseError),
]


@pytest.mark.parametrize(("status", "code", "expected"), RESPONSES)
def test_each_response_raises_its_class(
    client: celper.Celper, sandbox: Sandbox, status: int, code: str, expected: type[celper.CelperError]
) -> None:
    candidate = sandbox.create_candidate().id
    body = {"success": False, "error": code, "message": "What happened.", "requestId": "req-1"}
    sandbox.queue_fault(candidate, "status", status=status, json=body, headers={"Retry-After": 7})
    with pytest.raises(celper.CelperError) as caught:
        client.invite_candidate(candidate, job_position_id=POSITION, max_retries=0)
    error = caught.value
    assert type(error) is expected
    assert (error.operation, error.status, error.attempts) == ("invite", status, 1)
    assert error.request_id is not None
    assert error.idempotency_key
    assert error.outcome_unknown is (status == 500)
    if expected is not celper.UnexpectedResponseError:
        assert (error.code, error.message, error.request_id) == (code, "What happened.", "req-1")
        assert str(error).startswith(f"invite: What happened (HTTP {status} {code}, request id req-1")
    assert error.retry_after == (7.0 if status in (429, 500) else error.retry_after)


def test_a_lost_connection_and_a_refused_one(client: celper.Celper, sandbox: Sandbox) -> None:
    candidate = sandbox.create_interviewed_candidate().id
    sandbox.queue_fault(candidate, "close", act="before", times=None)
    with pytest.raises(celper.ConnectionFailedError) as caught:
        client.reject_candidate(candidate, job_position_id=POSITION, max_retries=0)
    assert (caught.value.outcome_unknown, caught.value.status) == (True, None)
    with pytest.raises(celper.ConnectionFailedError) as refused:
        celper.Celper(KEY, base_url="http://127.0.0.1:9").get_candidate_status("c", job_position_id="p", max_retries=0)
    assert (refused.value.outcome_unknown, refused.value.idempotency_key) == (False, None)
    assert KEY not in visible_text(refused.value)


def visible_text(error: BaseException) -> str:
    """Everything that a debugger or an error reporter shows of an error."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    package = str(Path(celper.__file__).parent)
    frames = [frame for frame in shown.stack if frame.filename.startswith(package)]
    texts = [
        str(error),
        repr(error),
        repr(error.__dict__),
        repr(error.args),
        *("".join(shown.format_exception_only()),),
    ]
    return "\n".join(texts + [repr(frame.locals) for frame in frames])


def test_errors_pickle_and_copy(client: celper.Celper, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    found: list[celper.CelperError] = []
    for status, code, _ in RESPONSES:
        sandbox.queue_fault(candidate, "status", status=status, json={"success": False, "error": code, "message": "no"})
        with pytest.raises(celper.CelperError) as caught:
            client.invite_candidate(candidate, job_position_id=POSITION, max_retries=0)
        found.append(caught.value)
    for error in [*found, *(error("created by a test", code="X") for error in _errors.BY_KIND.values())]:
        error.__cause__ = None
        for twin in [pickle.loads(pickle.dumps(error, n)) for n in range(6)] + [copy.copy(error), copy.deepcopy(error)]:
            assert type(twin) is type(error)
            assert twin.__dict__ == error.__dict__
            assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)


def test_the_traceback_ends_in_the_clients_method(client: celper.Celper, async_client: celper.AsyncCelper) -> None:
    def through_asyncio() -> None:
        asyncio.run(async_client.get_candidate_status("nobody", job_position_id=POSITION))

    for call in (lambda: client.get_candidate_status("nobody", job_position_id=POSITION), through_asyncio):
        with pytest.raises(celper.NotFoundError) as caught:
            call()
        last = traceback.extract_tb(caught.value.__traceback__)[-2:]
        assert all(frame.filename.endswith(("_sync.py", "_async.py")) for frame in last)
        assert [frame.name for frame in last] == ["get_candidate_status", "_call"]


class Hostile:
    """Raises on every attribute access."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


INVALID_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"candidate_id": ""}, "candidate_id is empty"),
    ({"candidate_id": 7}, "candidate_id must be a str, not int"),
    ({"candidate_id": None}, "candidate_id must be a str, not None"),
    ({"candidate_id": b"cand"}, "candidate_id must be a str, not bytes"),
    ({"candidate_id": "a\0"}, "control character"),
    ({"candidate_id": "\ud800"}, "candidate_id contains a lone surrogate"),
    ({"candidate_id": ".."}, "relative path"),
    ({"job_position_id": ""}, "job_position_id is empty"),
    ({"job_position_id": ["p"]}, "job_position_id must be a str, not list"),
    ({"job_position_id": Hostile()}, "job_position_id must be a str, not Hostile"),
    ({"email_subject": "x" * 201}, "201 characters"),
    ({"email_subject": 1.5}, "email_subject must be a str, not float"),
    ({"email_body": "x" * 5_001}, "5001 characters"),
    ({"timeout": -math.inf}, "timeout must be"),
    ({"idempotency_key": ""}, "idempotency_key is empty"),
    ({"idempotency_key": "a\r\nX-Evil: 1"}, "printable ASCII"),
    ({"idempotency_key": object()}, "idempotency_key must be a str, not object"),
    ({"timeout": 0}, "timeout must be a number of seconds greater than 0"),
    ({"timeout": -1.5}, "timeout must be"),
    ({"timeout": float("nan")}, "timeout must be"),
    ({"timeout": 10**400}, "timeout must be"),
    ({"timeout": timedelta(seconds=-1)}, "timeout must be"),
    ({"timeout": "10"}, "timeout must be a number of seconds or a timedelta, not str"),
    ({"timeout": True}, "timeout must be a number of seconds or a timedelta, not bool"),
    ({"timeout": Hostile()}, "timeout must be a number of seconds or a timedelta, not Hostile"),
    ({"max_retries": -1}, "max_retries must be a whole number"),
    ({"max_retries": 2**32}, "max_retries must be a whole number"),
    ({"max_retries": 10**5000}, "max_retries must be a whole number"),
    ({"max_retries": 1.0}, "max_retries must be an int, not float"),
    ({"max_retries": True}, "max_retries must be an int, not bool"),
]


@pytest.mark.parametrize(("invalid", "message"), INVALID_ARGUMENTS)
def test_invalid_arguments_raise_before_anything_is_sent(
    client: celper.Celper, async_client: celper.AsyncCelper, sandbox: Sandbox, invalid: dict[str, Any], message: str
) -> None:
    sent = len(sandbox.requests())
    arguments: dict[str, Any] = {"candidate_id": "cand", "job_position_id": POSITION, **invalid}

    async def through_asyncio() -> None:
        await async_client.invite_candidate(**arguments)

    for call in (lambda: client.invite_candidate(**arguments), lambda: asyncio.run(through_asyncio())):
        with pytest.raises(celper.InvalidArgumentError) as caught:
            call()
        assert message in str(caught.value)
        assert (caught.value.operation, caught.value.attempts, caught.value.outcome_unknown) == ("invite", 0, False)
    assert len(sandbox.requests()) == sent


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_exceptions_of_signal_handlers_are_not_mistaken_for_invalid_arguments(
    client: celper.Celper, signal: type[BaseException]
) -> None:
    """A signal handler runs in whatever Python code the conversion calls."""

    class Interrupted:
        def __float__(self) -> float:
            raise signal

    class InterruptedDelta(timedelta):
        def total_seconds(self) -> float:
            raise signal

    for timeout in (Interrupted(), InterruptedDelta(seconds=1)):
        with pytest.raises(signal):
            client.get_candidate_status("c", job_position_id="p", timeout=timeout)  # type: ignore[arg-type]


INVALID_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"api_key": ""}, "pass api_key or set CELPER_API_KEY"),
    ({"api_key": None}, "pass api_key or set CELPER_API_KEY"),
    ({"api_key": KEY + "\n"}, "line break"),
    ({"api_key": KEY.encode()}, "api_key must be a str, not bytes"),
    ({"base_url": "api.celper.ai"}, "base_url"),
    ({"base_url": "http://api.celper.ai"}, "must use https"),
    ({"base_url": f"https://{KEY}@api.celper.ai"}, "must not hold a user"),
    ({"base_url": 1}, "base_url must be a str, not int"),
    ({"timeout": 0}, "timeout must be"),
    ({"base_url": "http://sandbox:8787"}, "must use https"),
    ({"base_url": "http://sandbox:8787", "allow_http_hosts": ["other"]}, "must use https"),
    ({"allow_http_hosts": ["api.celper.ai"]}, "allow_http_hosts takes host names and addresses of a private network"),
    ({"allow_http_hosts": "sandbox"}, "allow_http_hosts must be a list of str, not str"),
    ({"allow_http_hosts": b"sandbox"}, "allow_http_hosts must be a list of str, not bytes"),
    ({"allow_http_hosts": 5}, "allow_http_hosts must be a list of str, not int"),
    ({"allow_http_hosts": ["sandbox", None]}, "allow_http_hosts[1] must be a str, not None"),
    ({"attempt_timeout": None}, "attempt_timeout must be a number of seconds or a timedelta, not None"),
    ({"attempt_timeout": "30"}, "attempt_timeout must be"),
    ({"attempt_timeout": math.inf}, "attempt_timeout must be"),
    ({"max_retries": -1}, "max_retries must be"),
    ({"max_retries": None}, "max_retries must be an int, not None"),
    ({"rate_limits": False}, "rate_limits must be a RateLimits, or None"),
    ({"rate_limits": {"reads": 3}}, "rate_limits must be a RateLimits, or None"),
    ({"proxy": f"ftp://u:{KEY}@proxy:1"}, "proxy must be a URL like"),
    ({"proxy": f"u:{KEY}@proxy"}, "proxy must be a URL like"),
    ({"ca_certificates": "not PEM"}, "ca_certificates"),
    ({"ca_certificates": b""}, "ca_certificates"),
    ({"ca_certificates": 5}, "ca_certificates must be the content of a PEM file"),
    ({"app_info": "a\nb"}, "app_info"),
]


@pytest.mark.parametrize(("invalid", "message"), INVALID_OPTIONS)
@pytest.mark.parametrize("make", [celper.Celper, celper.AsyncCelper])
def test_invalid_options_raise_without_showing_secrets(make: Any, invalid: dict[str, Any], message: str) -> None:
    with pytest.raises(celper.InvalidArgumentError) as caught:
        make(**{"api_key": KEY, **invalid})
    assert message in str(caught.value)
    assert (caught.value.operation, caught.value.attempts) == ("client", 0)
    assert KEY not in visible_text(caught.value)


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"reads": 0}, "at least one request"),
        ({"total": -1}, "rate_limits.total must be a whole number"),
        ({"actions": "5"}, "rate_limits.actions must be an int, not str"),
        ({"window": 0.001}, "at least 10 ms"),
        ({"window": timedelta(days=2)}, "at most 24 hours"),
        ({"window": None}, "rate_limits.window must be"),
    ],
)
def test_invalid_rate_limits_raise(invalid: dict[str, Any], message: str) -> None:
    with pytest.raises(celper.InvalidArgumentError, match=message):
        celper.RateLimits(**invalid)


def test_wrong_signatures_raise_type_error(client: celper.Celper) -> None:
    for call in (
        lambda: client.get_candidate_status("a", "b"),  # type: ignore[call-arg]
        lambda: client.get_candidate_status("a"),  # type: ignore[call-arg]
        lambda: client.get_candidate_status("a", job_position_id="b", idempotency_key="k"),  # type: ignore[call-arg]
        lambda: celper.Celper(KEY, "https://api.celper.ai"),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("make", [celper.Celper, celper.AsyncCelper])
def test_a_client_shows_no_secret(make: Any) -> None:
    client = make(KEY, proxy=f"http://user:{KEY}@proxy.example:3128", app_info="acme/1")
    shown = [
        repr(client),
        str(client),
        f"{client}",
        repr(client._native),
        repr(dir(client)),
        repr(builtins.vars(type(client))),
    ]
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy, lambda client: pickle.dumps(client._native)):
        with pytest.raises(TypeError, match="cannot be pickled or copied") as caught:
            attempt(client)
        shown.append(visible_text(caught.value))
    assert all(KEY not in text for text in shown)
    assert repr(client).startswith(f"{make.__name__}(base_url='https://api.celper.ai', timeout=None, ")


def test_the_key_is_masked_in_the_servers_message(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    body = {
        "success": False,
        "error": sandbox.api_key,
        "message": f"your key {sandbox.api_key} is invalid",
        "requestId": "r",
    }
    sandbox.queue_fault(candidate, "status", status=400, json=body)
    with pytest.raises(celper.InvalidRequestError) as caught:
        celper.Celper(**sandbox.client_options).get_candidate_status(candidate, job_position_id=POSITION)
    assert sandbox.api_key not in visible_text(caught.value)
