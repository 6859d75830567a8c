"""Webhooks: what a program passes, what it gets, and receivers in the frameworks themselves."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import math
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.message import Message
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import celper
from celper import _celper, _errors, webhooks

SECRET = "whsec_1"
NOW = 1_768_473_000
EVENT = {
    "event": "candidate_status_changed",
    "webhookId": "wh_1",
    "companyId": "comp_1",
    "timestamp": "2026-01-15T10:30:00.250Z",
    "data": {
        "candidateId": "cand_1",
        "jobPositionId": "pos_1",
        "status": "interviewed",
        "previousStatus": "on_hold",
        "more": ["ü"],
    },
}
# What no JSON library writes: its bytes are lost when it is parsed and serialized again.
BODY = json.dumps(EVENT, indent=3, ensure_ascii=False).encode()


def signature(body: bytes, secret: str = SECRET, timestamp: int = NOW) -> str:
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def signed(body: bytes = BODY, timestamp: int = NOW) -> dict[str, str]:
    return {"X-Celper-Signature": signature(body, timestamp=timestamp), "X-Celper-Timestamp": str(timestamp)}


def refused(call: Callable[[], object]) -> celper.WebhookError:
    with pytest.raises(celper.WebhookError) as caught:
        call()
    assert SECRET not in repr(caught.value)
    return caught.value


def test_an_event_is_typed_and_plain_data() -> None:
    event = webhooks.unwrap(BODY, signed(), SECRET, now=NOW)
    assert isinstance(event, webhooks.CandidateStatusChanged)
    assert (event.candidate_id, event.job_position_id) == ("cand_1", "pos_1")
    assert event.status is celper.CandidateStatus.INTERVIEWED
    assert event.previous_status == "on_hold"
    assert event.timestamp == datetime(2026, 1, 15, 10, 30, 0, 250_000, tzinfo=timezone.utc)
    assert (event.webhook_id, event.company_id, event.data) == ("wh_1", "comp_1", EVENT["data"])
    assert event.dedupe_key == hashlib.sha256(BODY).hexdigest()
    assert event == webhooks.unwrap(BODY, signed(), SECRET, now=NOW)
    assert {event, pickle.loads(pickle.dumps(event))} == {event}
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.status = "new"  # type: ignore[misc]
    assert json.loads(json.dumps(event.to_dict()))["status"] == "interviewed"
    assert json.dumps(event.to_dict()["timestamp"]) == '"2026-01-15T10:30:00.250000+00:00"'
    match event:
        case webhooks.CandidateStatusChanged(candidate_id=candidate, status="interviewed"):
            assert candidate == "cand_1"
        case _:
            pytest.fail("no match")


def test_every_event_of_the_core_has_a_class() -> None:
    for name in (*_celper.WEBHOOK_EVENTS, "interview_moved"):
        body = json.dumps({**EVENT, "event": name}).encode()
        event = webhooks.unwrap(body, signed(body), SECRET, now=NOW)
        assert event.type == name
        expected = "UnknownEvent" if name == "interview_moved" else "".join(part.title() for part in name.split("_"))
        assert type(event).__name__ == expected
    documented = set(re.findall(r"- ``(\w+)``:", Path(_errors.__file__).read_text(encoding="utf-8")))
    assert documented == set(_celper.WEBHOOK_REASONS)


def test_headers_of_any_type() -> None:
    from starlette.datastructures import Headers as Starlette
    from werkzeug.datastructures import EnvironHeaders
    from werkzeug.datastructures import Headers as Werkzeug

    pairs = list(signed().items())
    environ = {"HTTP_X_CELPER_SIGNATURE": pairs[0][1], "HTTP_X_CELPER_TIMESTAMP": pairs[1][1], "wsgi.version": (1, 0)}
    message = Message()
    for name, value in pairs:
        message[name] = value
    raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
    forms: list[Any] = [
        dict(pairs),
        {name.upper(): value for name, value in pairs},
        {name: [value] for name, value in pairs},  # AWS API Gateway's `multiValueHeaders`
        pairs,
        raw,  # ASGI
        environ,
        message,
        Werkzeug(pairs),
        EnvironHeaders(environ),
        Starlette(raw=raw),
    ]
    for headers in forms:
        webhooks.verify(BODY, headers, SECRET, now=NOW)
        assert refused(partial(webhooks.verify, BODY, headers, "other", now=NOW)).reason == "no_match"


def test_bodies_secrets_and_times_of_any_type() -> None:
    aware = datetime.fromtimestamp(NOW, timezone(timedelta(hours=9)))
    for body in (BODY, bytearray(BODY), memoryview(BODY), BODY.decode()):
        webhooks.verify(body, signed(), [b"new", SECRET], now=aware, tolerance=timedelta(seconds=1))  # type: ignore[arg-type]
    webhooks.verify(BODY, signed(), (SECRET.encode(),), tolerance=None)
    webhooks.verify(BODY, signed(), SECRET, tolerance=math.inf)
    assert webhooks.sign(BODY, SECRET, NOW) == webhooks.sign(BODY.decode(), SECRET.encode(), aware) == signed()
    assert webhooks.unwrap(BODY, webhooks.sign(BODY, SECRET), SECRET)


@pytest.mark.parametrize(
    "arguments",
    [
        {"secret": ""},
        {"secret": []},
        {"secret": None},
        {"secret": [SECRET, 1]},
        {"secret": SECRET + "\n"},
        {"tolerance": 0},
        {"tolerance": "300"},
        {"now": datetime(2026, 1, 15)},
        {"now": math.nan},
        {"now": "2026"},
        {"headers": None},
        {"headers": "X-Celper-Signature"},
    ],
)
def test_faults_of_the_program_are_no_webhook_errors(arguments: dict[str, Any]) -> None:
    given: dict[str, Any] = {"headers": signed(), "secret": SECRET, "now": NOW, **arguments}
    with pytest.raises(celper.InvalidArgumentError) as caught:
        webhooks.unwrap(BODY, given.pop("headers"), given.pop("secret"), **given)
    assert next(iter(arguments)) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_error_tells_the_reason_and_survives_pickling() -> None:
    error = refused(lambda: webhooks.unwrap(BODY, signed(), SECRET, now=NOW + 412))
    assert (error.reason, error.clock_difference, error.kind, error.operation) == ("stale", 412, "webhook", "webhook")
    assert str(error).startswith("webhook: the timestamp is 412 s old, more than 300 s: check this machine's clock")
    for copy in (pickle.loads(pickle.dumps(error)), type(error)(*error.args)):
        assert (copy.reason, copy.clock_difference, str(copy)) == ("stale", 412, str(error))
    assert error.to_dict()["reason"] == "stale"
    again = json.dumps(json.loads(BODY)).encode()
    error = refused(lambda: webhooks.unwrap(again, signed(), SECRET, now=NOW))
    assert error.reason == "no_match"
    assert "not parsed and serialized again" in error.message
    assert refused(lambda: webhooks.unwrap(BODY, {}, SECRET)).reason == "missing_header"


async def _body() -> bytes:
    return BODY


@pytest.mark.parametrize("body", [EVENT, [], None, object()])
def test_a_parsed_body_names_the_frameworks_calls(body: Any) -> None:
    error = refused(lambda: webhooks.unwrap(body, signed(), SECRET))
    assert error.reason == "parsed_body"
    for call in (
        f"of type {type(body).__name__}",
        "request.get_data()",
        "await request.body()",
        "request.body in Django",
    ):
        assert call in str(error)


def test_a_forgotten_await_is_named() -> None:
    body: Any = _body()
    assert "lacks its await" in str(refused(lambda: webhooks.unwrap(body, signed(), SECRET)))
    body.close()


@pytest.mark.parametrize("data", ["[" * 100_000 + "]" * 100_000, "9" * 5_000, '"\\ud800"', "1e999"])
def test_data_that_json_libraries_differ_about(data: str) -> None:
    body = BODY.replace(b"candidate_status_changed", b"later").decode()
    body = body[: body.index('"data"')] + f'"data": {data}}}'
    try:
        assert isinstance(webhooks.unwrap(body, webhooks.sign(body, SECRET), SECRET), webhooks.UnknownEvent)
    except celper.WebhookError as error:
        assert error.reason == "not_json"


def test_the_module_is_imported_on_first_use_only() -> None:
    program = (
        "import sys, celper; before = 'celper.webhooks' in sys.modules; print(before, celper.webhooks.unwrap.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "unwrap"]


PAGE = Path(__file__).parents[2] / "docs/webhooks.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def receiver(framework: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's receiver for a framework, as a module."""
    monkeypatch.setenv("CELPER_WEBHOOK_SECRET", SECRET)
    (code,) = (each for each in EXAMPLES if f"from {framework}" in each)
    module = ModuleType(f"receiver_{framework}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, f"{PAGE.name}: {framework}", "exec"), module.__dict__)
    return module


def check(post: Callable[[bytes, dict[str, str]], tuple[int, str]], module: ModuleType) -> None:
    headers = {"Content-Type": "application/json"}
    for _ in range(2):  # an event comes twice
        assert post(BODY, {**headers, **webhooks.sign(BODY, SECRET)}) == (204, "")
    assert module.seen == {hashlib.sha256(BODY).hexdigest()}
    assert post(BODY + b" ", {**headers, **webhooks.sign(BODY, SECRET)}) == (400, "no_match")
    assert post(BODY, headers) == (400, "missing_header")
    assert post(BODY, {**headers, **signed()}) == (400, "stale")


def test_the_receiver_for_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    module = receiver("flask", monkeypatch)

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        response = module.app.test_client().post("/webhooks/celper", data=body, headers=headers)
        return response.status_code, response.text

    check(post, module)


def test_the_receiver_for_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi.testclient import TestClient

    module = receiver("fastapi", monkeypatch)

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        response = TestClient(module.app).post("/webhooks/celper", content=body, headers=headers)
        return response.status_code, response.text

    check(post, module)


def test_the_receiver_for_django(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings
    from django.test import Client

    module = receiver("django", monkeypatch)
    if not settings.configured:
        settings.configure(ROOT_URLCONF=module.__name__, ALLOWED_HOSTS=["testserver"])

    def post(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        client = Client(enforce_csrf_checks=True)
        response = client.post("/webhooks/celper", data=body, content_type="application/json", headers=headers)
        return response.status_code, response.content.decode()

    check(post, module)
