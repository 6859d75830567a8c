"""Records of the logger `celper`: what happened, and never a secret."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from typing import Any

import pytest

import celper
from celper_sandbox import Sandbox
from support import POSITION

SUBJECT, BODY = "the subject nobody logs", "the body nobody logs"


def invite(kind: str, sandbox: Sandbox, candidate: str, **more: Any) -> None:
    arguments: dict[str, Any] = {"job_position_id": POSITION, "email_subject": SUBJECT, "email_body": BODY, **more}
    if kind == "sync":
        celper.Celper(**sandbox.client_options).invite_candidate(candidate, **arguments)
    else:
        asyncio.run(celper.AsyncCelper(**sandbox.client_options).invite_candidate(candidate, **arguments))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_attempts_and_waits_are_logged(kind: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, headers={"Retry-After": "0"})
    with caplog.at_level(logging.DEBUG, logger="celper"):
        invite(kind, sandbox, candidate)
    records = [record for record in caplog.records if record.name == "celper"]
    failed, waits, answered = [record.celper for record in records if "celper" in vars(record)]  # type: ignore[attr-defined]
    assert (failed["operation"], failed["attempt"], failed["status"], failed["kind"]) == ("invite", 1, 503, "server")
    assert waits["wait_ms"] >= 0
    assert waits["reason"]
    assert (answered["attempt"], answered["status"]) == (2, 200)
    assert answered["request_id"]
    texts = [record.getMessage() for record in records]
    assert texts[0].startswith("failed operation=invite attempt=1 status=503 ")
    assert {record.levelno for record in records} == {logging.DEBUG}
    assert [record.created for record in records] == sorted(record.created for record in records)
    everything = repr([vars(record) for record in records])
    assert all(secret not in everything for secret in (sandbox.api_key, SUBJECT, BODY))


def test_a_record_comes_while_the_call_goes_on(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, headers={"Retry-After": 600})

    class Enough(Exception):
        pass

    def enough(*_: object) -> None:
        raise Enough

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "wait_ms" in record.celper:  # type: ignore[attr-defined]
                signal.raise_signal(signal.SIGUSR1)

    logger, handler = logging.getLogger("celper"), Handler()
    before = signal.signal(signal.SIGUSR1, enough)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        # The wait is of ten minutes; what its record sets off ends it.
        with pytest.raises(Enough):
            celper.Celper(**{**sandbox.client_options, "timeout": 3600}).get_candidate_status(
                candidate, job_position_id=POSITION
            )
    finally:
        signal.signal(signal.SIGUSR1, before)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_a_filter_that_fails_is_heard(
    client: celper.Celper, async_client: celper.AsyncCelper, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    candidate = sandbox.create_candidate().id
    reported: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        state = await async_client.get_candidate_status(candidate, job_position_id=POSITION)
        assert state.status == "new"

    logger = logging.getLogger("celper")
    logger.addFilter(fails)
    try:
        with caplog.at_level(logging.DEBUG, logger="celper"):
            with pytest.raises(ZeroDivisionError):
                client.get_candidate_status(candidate, job_position_id=POSITION)
            asyncio.run(main())
    finally:
        logger.removeFilter(fails)
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


def test_nothing_is_made_when_nobody_listens(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from celper import _logs

    made: list[object] = []
    monkeypatch.setattr(_logs, "emit", lambda *record: made.append(record))
    monkeypatch.setattr(_logs, "_LOGGER", None)  # what has the function already fails
    invite("sync", sandbox, sandbox.create_candidate().id)
    invite("async", sandbox, sandbox.create_candidate().id)
    assert made == []


def test_a_signal_that_comes_while_the_logger_is_asked_is_not_lost(
    client: celper.Celper, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = sandbox.create_candidate().id
    client.get_candidate_status(candidate, job_position_id=POSITION)

    class Interrupted(dict[int, bool]):
        def __getitem__(self, level: int) -> bool:
            raise KeyboardInterrupt

    # What `isEnabledFor` looks into first.
    monkeypatch.setattr(logging.getLogger("celper"), "_cache", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        client.get_candidate_status(candidate, job_position_id=POSITION)


def test_logging_set_up_after_the_first_call(sandbox: Sandbox) -> None:
    program = """
import sys, celper
client = celper.Celper(rate_limits=None)
client.get_candidate_status(sys.argv[1], job_position_id="pos_1")
assert "logging" not in sys.modules
import logging
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
client.get_candidate_status(sys.argv[1], job_position_id="pos_1")
"""
    command = [sys.executable, "-I", "-c", program, sandbox.create_candidate().id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("celper DEBUG answered operation=status attempt=1 status=200 ")
    assert done.stdout.count("\n") == 1
