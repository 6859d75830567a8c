"""AsyncCelper with asyncio's tasks, task groups, timeouts and event loops, in one thread and in many."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio

import celper
from celper import _bridge
from celper_sandbox import Limits, Sandbox
from loops import LoopWithoutAddReader
from support import POSITION, wait_for_requests, wait_until, wait_until_closed


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, _uvloop, LoopWithoutAddReader]


@pytest.fixture(params=LOOPS, ids=["selector", "uvloop", "no add_reader"])
def run(request: pytest.FixtureRequest) -> Any:
    """`asyncio.run` on each kind of loop."""

    def run(main: Any) -> Any:
        loop = request.param()
        loop.set_debug(True)
        try:
            return loop.run_until_complete(main)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


async def wait_for_requests_async(sandbox: Sandbox, candidate: str, number: int = 1) -> None:
    """Like `wait_for_requests`, while the loop keeps running."""
    await asyncio.to_thread(wait_for_requests, sandbox, candidate, number)


def test_gather_and_task_groups(run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    candidates = [
        sandbox.create_candidate(status=status).id for status in ("new", "invited", "expired") for _ in range(20)
    ]

    async def main() -> None:
        calls = [async_client.get_candidate_status(candidate, job_position_id=POSITION) for candidate in candidates]
        states = await asyncio.gather(*calls)
        assert [state.status for state in states] == ["new"] * 20 + ["invited"] * 20 + ["expired"] * 20
        results = await asyncio.gather(
            async_client.get_candidate_status("nobody", job_position_id=POSITION),
            async_client.get_candidate_status(candidates[0], job_position_id=POSITION),
            return_exceptions=True,
        )
        assert isinstance(results[0], celper.NotFoundError)
        assert isinstance(results[1], celper.CandidateState)

    run(main())


@pytest.mark.parametrize("event_loop", ["trio", "anyio"])
def test_another_event_loop_says_what_to_do(event_loop: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id

    async def main() -> None:
        client = celper.AsyncCelper(**sandbox.client_options)
        with pytest.raises(RuntimeError, match=r"anyio\.to_thread\.run_sync"):
            await client.get_candidate_status(candidate, job_position_id=POSITION)
        blocking = celper.Celper(**sandbox.client_options)
        state = await anyio.to_thread.run_sync(
            lambda: blocking.get_candidate_status(candidate, job_position_id=POSITION)
        )
        assert state.status == "new"

    if event_loop == "trio":
        trio.run(main)
    else:
        anyio.run(main, backend="trio")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with Python 3.11")
def test_a_failing_task_group_cancels_its_other_calls(
    run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox
) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)

    async def main() -> None:
        with pytest.raises(BaseExceptionGroup) as caught:  # noqa: F821 # pyright: ignore
            async with asyncio.TaskGroup() as group:
                group.create_task(async_client.invite_candidate(slow, job_position_id=POSITION))
                await wait_for_requests_async(sandbox, slow)
                group.create_task(async_client.get_candidate_status("nobody", job_position_id=POSITION))
        assert [type(error) for error in caught.value.exceptions] == [celper.NotFoundError]
        await asyncio.to_thread(wait_until_closed, sandbox, slow)

    run(main())
    (request,) = sandbox.requests(slow)
    assert not request.acted


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with Python 3.11")
def test_asyncio_timeout_closes_the_connection(run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await async_client.get_candidate_status(slow, job_position_id=POSITION)
        assert not isinstance(caught.value, celper.CelperError)
        await asyncio.to_thread(wait_until_closed, sandbox, slow)

    run(main())
    assert len(sandbox.requests(slow)) == 1


def test_a_cancelled_call_is_not_retried(run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    reading, waiting = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(reading, "drip", bytes_per_second=1)
    sandbox.queue_fault(waiting, "status", status=503, times=None, headers={"Retry-After": 60})

    async def main() -> None:
        tasks = [
            asyncio.ensure_future(async_client.invite_candidate(candidate, job_position_id=POSITION))
            for candidate in (reading, waiting)
        ]
        await wait_for_requests_async(sandbox, reading)
        await wait_for_requests_async(sandbox, waiting)
        for task in tasks:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.to_thread(wait_until_closed, sandbox, reading)

    run(main())
    assert (len(sandbox.requests(reading)), len(sandbox.requests(waiting))) == (1, 1)


def test_a_call_cancelled_before_it_starts_sends_nothing(
    run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox
) -> None:
    candidate = sandbox.create_candidate().id

    async def main() -> None:
        task = asyncio.ensure_future(async_client.invite_candidate(candidate, job_position_id=POSITION))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        never_awaited = async_client.invite_candidate(candidate, job_position_id=POSITION)
        never_awaited.close()

    run(main())
    assert sandbox.requests(candidate) == []


def test_a_call_that_waits_for_a_slot_can_be_cancelled(run: Any) -> None:
    with Sandbox(limits=Limits(reads=1)) as sandbox:
        candidate = sandbox.create_candidate().id
        client = celper.AsyncCelper(**{**sandbox.client_options, "rate_limits": celper.RateLimits(reads=1)})

        async def main() -> None:
            await client.get_candidate_status(candidate, job_position_id=POSITION)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.get_candidate_status(candidate, job_position_id=POSITION), 0.1)

        run(main())
        assert len(sandbox.requests(candidate)) == 1


def test_cancelling_in_the_iteration_in_which_the_call_failed(
    run: Any, async_client: celper.AsyncCelper, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio must not log the error as "never retrieved"."""

    async def main() -> None:
        for _ in range(50):
            task = asyncio.ensure_future(async_client.get_candidate_status("nobody", job_position_id=POSITION))
            await asyncio.sleep(0)
            bridge = _bridge.bridge_to(asyncio.get_running_loop())
            before = len(bridge)
            assert before == 1
            while len(bridge) == before:
                bridge.collect()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        gc.collect()

    run(main())
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelname == "ERROR"]


def test_one_client_on_one_loop_after_another(async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    for make in LOOPS * 3:
        loop = make()
        state = loop.run_until_complete(async_client.get_candidate_status(candidate, job_position_id=POSITION))
        assert state.status == "new"
        loop.close()


def test_one_client_on_loops_in_many_threads(async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    start = threading.Barrier(12)

    def work(make: Callable[[], asyncio.AbstractEventLoop]) -> int:
        async def main() -> int:
            calls = [async_client.get_candidate_status(candidate, job_position_id=POSITION) for _ in range(30)]
            return sum(state.status == "new" for state in await asyncio.gather(*calls))

        start.wait()
        loop = make()
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, LOOPS * 4)) == [30] * 12


@pytest.mark.parametrize("make", LOOPS, ids=["selector", "uvloop", "no add_reader"])
def test_a_loop_closed_with_a_call_in_flight(make: Any, async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    loop = make()
    call = async_client.invite_candidate(slow, job_position_id=POSITION)
    task: Any = loop.create_task(call)
    loop.run_until_complete(wait_for_requests_async(sandbox, slow))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert not task.done()
    task._log_destroy_pending = False  # otherwise asyncio warns about this test
    call.close()
    wait_until_closed(sandbox, slow)
    assert len(sandbox.requests(slow)) == 1


def test_loops_and_clients_are_freed(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    references: list[weakref.ref[Any]] = []
    for make in LOOPS:
        client, loop = celper.AsyncCelper(**sandbox.client_options), make()
        loop.run_until_complete(client.get_candidate_status(candidate, job_position_id=POSITION))
        # A call in flight makes client, bridge, call, future, task and loop one reference cycle.
        task: Any = loop.create_task(client.get_candidate_status(slow, job_position_id=POSITION))
        loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        references += [weakref.ref(client), weakref.ref(loop)]
        del client, loop, task
    gc.collect()

    def all_freed() -> bool:
        gc.collect()
        return all(reference() is None for reference in references)

    wait_until(all_freed)


def test_a_call_without_a_loop_raises() -> None:
    call = celper.AsyncCelper("celp_0").get_candidate_status("a", job_position_id="b")
    with pytest.raises(RuntimeError, match="needs a running asyncio event loop"):
        call.send(None)


def test_a_busy_loop_costs_one_wake_up(async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    """Outcomes that arrive while the loop is busy are collected together."""
    candidate = sandbox.create_candidate().id
    collected = 0

    async def main() -> None:
        nonlocal collected
        loop = asyncio.get_running_loop()
        bridge = _bridge.bridge_to(loop)

        def collect() -> None:
            nonlocal collected
            collected += 1
            bridge.collect()

        loop.add_reader(bridge.fileno(), collect)
        calls = [
            asyncio.ensure_future(async_client.get_candidate_status(candidate, job_position_id=POSITION))
            for _ in range(40)
        ]
        await asyncio.sleep(0)
        # Blocks the loop until the server has responded to all requests.
        wait_until(lambda: all(request.answered for request in wait_for_requests(sandbox, candidate, 40)))
        await asyncio.gather(*calls)

    asyncio.run(main())
    assert 1 <= collected <= 20


def test_other_threads_run_while_a_sync_call_waits(client: celper.Celper, sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            client.get_candidate_status(slow, job_position_id=POSITION, timeout=1, max_retries=0)
        except celper.RequestTimeoutError as error:
            caught.append(error)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    # Fails if a waiting call holds the GIL.
    wait_for_requests(sandbox, slow, 8)
    for thread in threads:
        thread.join()
    assert len(caught) == 8
