"""The records of the logger `celper`, which never contain a secret."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import time
import weakref
from collections import Counter
from contextvars import ContextVar
from typing import Any

import pytest

import celper
from celper_sandbox import Sandbox
from support import POSITION

SUBJECT, BODY = "a subject that is not logged", "a body that is not logged"


def invite(kind: str, sandbox: Sandbox, candidate: str, **options: Any) -> None:
    arguments: dict[str, Any] = {"job_position_id": POSITION, "email_subject": SUBJECT, "email_body": BODY}
    options = {**sandbox.client_options, **options}
    if kind == "sync":
        celper.Celper(**options).invite_candidate(candidate, **arguments)
    else:
        asyncio.run(celper.AsyncCelper(**options).invite_candidate(candidate, **arguments))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_attempts_and_waits_are_logged(kind: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, headers={"Retry-After": "0"})
    with caplog.at_level(logging.DEBUG, logger="celper"):
        invite(kind, sandbox, candidate)
    records = [record for record in caplog.records if record.name == "celper"]
    failed, waits, succeeded = [record.celper for record in records if "celper" in vars(record)]  # type: ignore[attr-defined]
    assert (failed["operation"], failed["attempt"], failed["status"], failed["kind"]) == ("invite", 1, 503, "server")
    assert waits["wait_ms"] >= 0
    assert waits["reason"]
    assert (succeeded["attempt"], succeeded["status"]) == (2, 200)
    assert succeeded["request_id"]
    texts = [record.getMessage() for record in records]
    assert texts[0].startswith("attempt failed operation=invite attempt=1 status=503 ")
    assert [record.levelno for record in records] == [logging.DEBUG, logging.INFO, logging.DEBUG]
    assert [record.created for record in records] == sorted(record.created for record in records)
    everything = repr([vars(record) for record in records])
    assert all(secret not in everything for secret in (sandbox.api_key, SUBJECT, BODY))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_long_wait_for_the_rate_limit_is_visible_at_info_when_it_begins(
    kind: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that pauses for a minute must say why before the minute is over."""
    limits = celper.RateLimits(actions=1, window=1.3)
    emitted_at: list[float] = []

    def note(_: logging.LogRecord) -> bool:
        emitted_at.append(time.monotonic())
        return True

    caplog.handler.addFilter(note)
    with caplog.at_level(logging.INFO, logger="celper"):
        for candidate in [sandbox.create_candidate().id for _ in range(2)]:
            invite(kind, sandbox, candidate, rate_limits=limits)
    (record,) = [record for record in caplog.records if record.name == "celper"]
    assert record.getMessage().startswith("waiting for the rate limit operation=invite wait_ms=")
    assert record.celper["wait_ms"] > 1000  # type: ignore[attr-defined]
    assert time.monotonic() - emitted_at[0] > 1


def test_records_are_emitted_in_the_context_of_their_call(async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    request: ContextVar[object] = ContextVar("request")
    candidate = sandbox.create_candidate().id
    seen: Counter[object] = Counter()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen[request.get("none")] += 1

    class Value:
        pass

    async def handle(name: str) -> weakref.ref[Value]:
        value = Value()
        request.set(name)
        kept.set(value)
        for _ in range(3):
            await async_client.get_candidate_status(candidate, job_position_id=POSITION)
        return weakref.ref(value)

    async def main() -> None:
        first, *_ = await asyncio.gather(*(asyncio.create_task(handle(f"request {n}")) for n in range(3)))
        # Nothing keeps the context of the first call on this loop.
        await asyncio.sleep(0)
        gc.collect()
        assert first() is None

    kept: ContextVar[Value] = ContextVar("kept")
    logger, handler = logging.getLogger("celper"), Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        asyncio.run(main())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert seen == {"request 0": 3, "request 1": 3, "request 2": 3}


def test_a_level_above_debug_leaves_debug_records_out(
    client: celper.Celper, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="celper"):
        client.get_candidate_status(sandbox.create_candidate().id, job_position_id=POSITION)
    assert caplog.records == []


def test_records_are_emitted_during_the_call(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, headers={"Retry-After": 600})

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "wait_ms" in record.celper:  # type: ignore[attr-defined]
                signal.raise_signal(signal.SIGUSR1)

    logger, handler = logging.getLogger("celper"), Handler()
    before = signal.signal(signal.SIGUSR1, interrupt)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        # The wait takes ten minutes. The handler of its record raises the signal that ends it.
        with pytest.raises(Interrupted):
            celper.Celper(**{**sandbox.client_options, "timeout": 3600}).get_candidate_status(
                candidate, job_position_id=POSITION
            )
    finally:
        signal.signal(signal.SIGUSR1, before)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_exceptions_of_log_filters_are_not_lost(
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


def test_no_records_are_created_when_the_logger_is_disabled(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from celper import _logs

    emitted: list[object] = []
    monkeypatch.setattr(_logs, "emit", lambda *record: emitted.append(record))
    monkeypatch.setattr(_logs, "_LOGGER", None)  # the original function fails as well
    invite("sync", sandbox, sandbox.create_candidate().id)
    invite("async", sandbox, sandbox.create_candidate().id)
    assert emitted == []


def test_exceptions_of_signal_handlers_in_is_enabled_for_are_not_lost(
    client: celper.Celper, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = sandbox.create_candidate().id
    client.get_candidate_status(candidate, job_position_id=POSITION)

    class Interrupted(dict[int, bool]):
        def __getitem__(self, level: int) -> bool:
            raise KeyboardInterrupt

    # `isEnabledFor` reads this cache first.
    monkeypatch.setattr(logging.getLogger("celper"), "_cache", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        client.get_candidate_status(candidate, job_position_id=POSITION)


def test_logging_configured_after_the_first_call(sandbox: Sandbox) -> None:
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
    assert done.stdout.startswith("celper DEBUG response received operation=status attempt=1 status=200 ")
    assert done.stdout.count("\n") == 1
