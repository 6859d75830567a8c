"""API keys that a function gives, before each attempt."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

import celper
from celper_sandbox import Sandbox
from support import POSITION, wait_until


def options(sandbox: Sandbox, key: Callable[[], Any]) -> dict[str, Any]:
    return {**sandbox.client_options, "api_key": key}


def status(kind: str, sandbox: Sandbox, key: Callable[[], Any]) -> celper.CandidateState:
    candidate = sandbox.create_candidate().id
    if kind == "sync":
        return celper.Celper(**options(sandbox, key)).get_candidate_status(candidate, job_position_id=POSITION)
    client = celper.AsyncCelper(**options(sandbox, key))
    return asyncio.run(client.get_candidate_status(candidate, job_position_id=POSITION))


@pytest.mark.parametrize("kind", ["sync", "async", "async function"])
def test_each_attempt_asks_for_the_key(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    sandbox.queue_fault(candidate, "status", status=503, headers={"Retry-After": "0"})
    rotated = sandbox.add_key("celp_11111111111111111111111111111111")
    keys = [sandbox.api_key, rotated]
    key: Callable[[], Any] = lambda: keys.pop(0)  # noqa: E731
    if kind == "async function":

        async def key() -> str:
            await asyncio.sleep(0)
            return keys.pop(0)

    if kind == "sync":
        state = celper.Celper(**options(sandbox, key)).get_candidate_status(candidate, job_position_id=POSITION)
    else:
        client = celper.AsyncCelper(**options(sandbox, key))
        state = asyncio.run(client.get_candidate_status(candidate, job_position_id=POSITION))
    assert state.attempts == 2
    assert keys == []
    sent = [request.headers["x-api-key"] for request in sandbox.requests(candidate)]
    assert sent == [sandbox.api_key, rotated]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_a_key_function_raises_is_the_cause(kind: str, sandbox: Sandbox) -> None:
    def fails() -> str:
        raise LookupError("the vault is sealed")

    with pytest.raises(celper.AuthenticationError, match="LookupError: the vault is sealed") as caught:
        status(kind, sandbox, fails)
    assert isinstance(caught.value.__cause__, LookupError)
    with pytest.raises(celper.AuthenticationError, match="must return a str, not bytes"):
        status(kind, sandbox, lambda: b"celp_0")
    for not_an_exception in (KeyboardInterrupt, SystemExit):

        def interrupted(kind: type[BaseException] = not_an_exception) -> str:
            raise kind

        with pytest.raises(not_an_exception):
            status(kind, sandbox, interrupted)
    assert sandbox.requests() == []


def test_an_async_function_needs_the_async_client(sandbox: Sandbox) -> None:
    async def key() -> str:
        return sandbox.api_key

    with pytest.raises(celper.AuthenticationError, match="AsyncCelper"):
        status("sync", sandbox, key)


def test_an_async_key_function_runs_in_the_callers_context_and_ends_with_the_call(sandbox: Sandbox) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    asked: list[str] = []
    cancelled: list[str] = []
    both_asked, both_cancelled = asyncio.Event(), asyncio.Event()

    async def key() -> str:
        asked.append(name.get())
        if len(asked) == 2:
            both_asked.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.append(name.get())
            if len(cancelled) == 2:
                both_cancelled.set()
            raise
        return sandbox.api_key

    async def call(client: celper.AsyncCelper, caller: str) -> None:
        name.set(caller)
        await client.get_candidate_status("c", job_position_id=POSITION)

    async def main() -> None:
        client = celper.AsyncCelper(**options(sandbox, key))
        calls = [asyncio.create_task(call(client, caller)) for caller in ("ada", "grace")]
        await both_asked.wait()
        for task in calls:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*calls, return_exceptions=True)
        )
        await both_cancelled.wait()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert sorted(asked) == sorted(cancelled) == ["ada", "grace"]


def test_a_key_function_may_make_calls_itself(sandbox: Sandbox) -> None:
    inner = celper.Celper(**sandbox.client_options)
    candidate = sandbox.create_candidate().id

    def key() -> str:
        assert inner.get_candidate_status(candidate, job_position_id=POSITION).status == "new"
        return sandbox.api_key

    assert status("sync", sandbox, key).status == "new"


def test_a_program_ends_while_a_thread_is_in_a_key_function(sandbox: Sandbox) -> None:
    program = """
import threading, celper
asked = threading.Event()
def key():
    asked.set()
    threading.Event().wait()
client = celper.Celper(key)
threading.Thread(target=client.get_candidate_status, args=("c",), kwargs={"job_position_id": "p"}, daemon=True).start()
asked.wait()
print("end", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
    assert wait_until(lambda: sandbox.requests() == [])
