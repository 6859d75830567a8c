"""The control methods, and their effect on API requests."""

from __future__ import annotations

import dataclasses
import json
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from celper_sandbox import Limits, Sandbox, SandboxError


def call(sandbox: Sandbox, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Sends an API request and returns its status and body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.base_url}/v1/candidates/{path}", data=data)
    for name, value in {"X-API-Key": sandbox.api_key, **headers}.items():
        request.add_header(name, value)
    context = ssl.create_default_context(cadata=sandbox.ca_certificate) if sandbox.ca_certificate else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text) if text else None


def status(sandbox: Sandbox, candidate_id: str, **headers: str) -> tuple[int, Any]:
    return call(sandbox, f"{candidate_id}/status?jobPositionId=pos_1", **headers)


def act(sandbox: Sandbox, candidate_id: str, operation: str, **more: Any) -> tuple[int, Any]:
    return call(sandbox, f"{candidate_id}/{operation}", {"jobPositionId": "pos_1", **more})


def test_candidates(sandbox: Sandbox) -> None:
    first, second = sandbox.create_candidate(), sandbox.create_candidate()
    assert (first.id, second.id, first.job_position_id, first.status) == ("cand_1", "cand_2", "pos_1", "new")
    assert status(sandbox, "cand_1")[1]["data"] == {"status": "new", "analysisViewed": False}
    third = sandbox.create_candidate(
        "ada", status="on_hold", analysis_viewed=True, interview_score=None, extra={"tag": 1}
    )
    assert status(sandbox, "ada")[1]["data"] == {
        "status": "on_hold",
        "analysisViewed": True,
        "interviewScore": None,
        "tag": 1,
    }
    assert (third.status, third.analysis_viewed, third.interview_score) == ("on_hold", True, None)
    changed = sandbox.change_candidate("ada", status="interviewed", interview_score=7.5)
    assert changed == dataclasses.replace(third, status="interviewed", interview_score=7.5)
    assert sandbox.candidate("ada") == changed
    assert {candidate.id for candidate in sandbox.candidates()} == {"cand_1", "cand_2", "ada"}
    with pytest.raises(LookupError, match="no candidate 'ada' for 'pos_2'"):
        sandbox.candidate("ada", job_position_id="pos_2")
    with pytest.raises(SandboxError, match="POST it first"):
        sandbox.change_candidate("nobody", status="new")


def test_decisions(sandbox: Sandbox) -> None:
    candidate = sandbox.create_interviewed_candidate()
    assert (candidate.analysis_viewed, candidate.interview_score) == (True, 85)
    assert act(sandbox, candidate.id, "select")[1]["data"] == {"status": "selected"}
    assert sandbox.candidate(candidate.id).status == "selected"
    assert act(sandbox, candidate.id, "reject")[0] == 409


def test_requests(sandbox: Sandbox) -> None:
    sandbox.create_candidate("a/b")
    assert call(sandbox, "a%2Fb/status?jobPositionId=pos_1", **{"X-Tag": "ä".encode().decode("latin-1")})[0] == 200
    assert act(sandbox, "other", "invite")[0] == 404
    read, invited = sandbox.requests()
    assert (read.method, read.path, read.query) == ("GET", "/v1/candidates/a%2Fb/status", "jobPositionId=pos_1")
    assert (read.candidate_id, read.headers["x-api-key"], read.body) == ("a/b", sandbox.api_key, None)
    assert (read.answered, read.fault, read.acted, read.replayed, read.client_closed) == (
        200,
        None,
        False,
        False,
        False,
    )
    assert abs(read.received_at - sandbox.now()) < timedelta(minutes=5)
    assert (invited.method, json.loads(invited.body or ""), invited.answered) == (
        "POST",
        {"jobPositionId": "pos_1"},
        404,
    )
    assert sandbox.requests("a/b") == [read]
    assert read.raw["seq"] == 1
    sandbox.clear_requests()
    assert sandbox.requests() == []


def test_outbox(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate()
    assert act(sandbox, candidate.id, "invite", emailSubject="Hello", emailBody="Here: {interviewLink}")[0] == 200
    (mail,) = sandbox.outbox()
    assert (mail.candidate_id, mail.job_position_id, mail.subject) == (candidate.id, "pos_1", "Hello")
    assert mail.body == f"Here: {mail.interview_link}"
    assert (mail.default_subject, mail.default_body) == (False, False)
    assert mail.session_id
    assert mail.queued_at.tzinfo is not None
    sandbox.clear_outbox()
    assert sandbox.outbox() == []


def test_faults(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate()
    sandbox.queue_fault(candidate.id, "status", status=503, times=2, act="before", operation="invite")
    assert status(sandbox, candidate.id)[0] == 200
    assert [act(sandbox, candidate.id, "invite")[0] for _ in range(2)] == [503, 503]
    assert act(sandbox, candidate.id, "invite")[0] == 409, "the action took effect"
    sandbox.queue_fault(candidate.id, "answer", data={"status": "odd"}, times=None)
    assert status(sandbox, candidate.id)[1]["data"] == {"status": "odd"}
    sandbox.clear_faults()
    assert status(sandbox, candidate.id)[1]["data"]["status"] == "invited"
    sandbox.queue_fault(candidate.id, "status", status=418, headers={"X-Tag": 1}, json=None)
    assert status(sandbox, candidate.id) == (418, None)
    with pytest.raises(SandboxError, match="missing field `seconds`"):
        sandbox.queue_fault(candidate.id, "delay")
    assert [request.fault for request in sandbox.requests()][1:3] == ["status", "status"]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("status", {"status": 500, "body": "x"}),
        ("delay", {"seconds": 0.5}),
        ("close", {"reset": True}),
        ("cut", {"after_bytes": 1}),
        ("drip", {"bytes_per_second": 5.0}),
        ("endless", {"status": 201}),
        ("not_json", {"body": "<p>"}),
        ("huge", {"bytes": 5}),
        ("redirect", {"location": "http://127.0.0.1/"}),
        ("answer", {"envelope": None}),
        ("close_idle", {}),
    ],
)
def test_every_kind_of_fault_can_be_queued(sandbox: Sandbox, kind: Any, parameters: dict[str, Any]) -> None:
    sandbox.queue_fault("ada", kind, **parameters)
    (queued,) = sandbox.control("faults")
    assert queued["kind"] == kind
    assert len(queued) == 4 + len(parameters)


def test_keys_and_company(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate()
    key = sandbox.add_key(scopes=["read:candidates"])
    assert (key[:5], len(key)) == ("celp_", 37)
    assert status(sandbox, candidate.id, **{"X-API-Key": key})[0] == 200
    sandbox.add_key(key, state="revoked", allowlist=["127.0.0.1"])
    assert status(sandbox, candidate.id, **{"X-API-Key": key})[0] == 401
    sandbox.set_company("api_disabled")
    assert status(sandbox, candidate.id)[1]["error"] == "API_DISABLED"
    sandbox.set_company("active")
    assert status(sandbox, candidate.id)[0] == 200


def test_clock(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate()
    act(sandbox, candidate.id, "invite")
    before = sandbox.now()
    after = sandbox.advance_clock(timedelta(days=8))
    assert after - before >= timedelta(days=8)
    assert after.tzinfo is timezone.utc or after.utcoffset() == timedelta(0)
    assert sandbox.candidate(candidate.id).status == "expired"
    assert sandbox.advance_clock(1.5) > after
    with pytest.raises(SandboxError, match="only goes ahead"):
        sandbox.advance_clock(-1)
    sandbox.reset()
    assert sandbox.now() < datetime.now(timezone.utc) + timedelta(minutes=5)


def test_limits() -> None:
    with Sandbox(limits=Limits(reads=2, actions=1, total=9, window=timedelta(hours=1))) as sandbox:
        assert [status(sandbox, "ada")[0] for _ in range(3)] == [404, 404, 429]
        windows = sandbox.control("windows")
        assert [windows[name]["limit"] for name in ("reads", "actions", "total")] == [2, 1, 9]
        assert windows["window"] == 3600
        sandbox.set_limits(None)
        assert status(sandbox, "ada")[0] == 404
        sandbox.set_limits(Limits(reads=3))
        assert sandbox.control("windows")["window"] == 60
        assert [status(sandbox, "ada")[0] for _ in range(2)][-1] == 429


def test_tls() -> None:
    with Sandbox(tls=True) as sandbox:
        assert sandbox.base_url.startswith("https://")
        candidate = sandbox.create_candidate()
        assert status(sandbox, candidate.id)[0] == 200
        assert sandbox.client_options["ca_certificates"] == sandbox.ca_certificate


def test_server_names() -> None:
    # Elsewhere there is only 127.0.0.1.
    host = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
    with Sandbox(host=host, tls=True, server_names=["sandbox.internal", "192.0.2.7"]) as sandbox:
        port = urllib.parse.urlsplit(sandbox.base_url).port
        assert sandbox.base_url == f"https://{host}:{port}"
        assert sandbox.candidates() == []
        context = ssl.create_default_context(cadata=sandbox.ca_certificate)
        for name in ("sandbox.internal", "192.0.2.7"):
            with (
                socket.create_connection((host, port)) as tcp,
                context.wrap_socket(tcp, server_hostname=name) as tls,
            ):
                tls.sendall(f"GET /_sandbox/health HTTP/1.0\r\nHost: {name}:{port}\r\n\r\n".encode())
                assert tls.recv(100).startswith(b"HTTP/1.0 200 ")
    with pytest.raises(SandboxError, match="not a host name"):
        Sandbox(server_names=["https://sandbox.internal"])
    with pytest.raises(TypeError, match="list of names"):
        Sandbox(server_names="sandbox.internal")


def test_web_pages_are_refused(sandbox: Sandbox) -> None:
    for name, value in (("Origin", "null"), ("Host", "evil.example")):
        request = urllib.request.Request(f"{sandbox.base_url}/_sandbox/requests", headers={name: value})
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
        refused.value.close()


def test_it_gives_options_and_environment_for_clients(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.client_options == {
        "base_url": sandbox.base_url,
        "api_key": sandbox.api_key,
        "rate_limits": None,
    }
    monkeypatch.setenv("NO_PROXY", "intranet")
    monkeypatch.delenv("no_proxy", raising=False)
    assert sandbox.environment == {
        "CELPER_BASE_URL": sandbox.base_url,
        "CELPER_API_KEY": sandbox.api_key,
        "NO_PROXY": "intranet,127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }


def test_it_ignores_a_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Sandbox() as sandbox:
        assert sandbox.candidates() == []


def test_an_unknown_control_endpoint_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="there are health, reset"):
        sandbox.control("nothing")


def test_webhooks(sandbox: Sandbox) -> None:
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(received) == 1 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sandbox.set_webhook(f"http://127.0.0.1:{server.server_port}/", "whsec_1")
        sandbox.queue_delivery_fault("twice")
        candidate = sandbox.create_candidate("ada")
        act(sandbox, candidate.id, "invite")
        delivery = sandbox.wait_for_delivery("ada", status="invited")
        assert (delivery.answered, delivery.attempt, delivery.fault) == (204, 2, "twice")
        assert json.loads(delivery.body) == received[0]
        sandbox.remove_webhook()
        sandbox.change_candidate("ada", status="interviewed")
        with pytest.raises(TimeoutError, match=r"attempts that failed: \[\]"):
            sandbox.wait_for_delivery("ada", status="interviewed", timeout=0.1)
        sandbox.clear_deliveries()
        server.shutdown()
