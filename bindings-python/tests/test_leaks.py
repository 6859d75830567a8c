"""Thousands of calls do not leak memory, file descriptors, threads, objects or references."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

import psutil
import pytest

import celper
from celper_sandbox import Sandbox
from support import POSITION, connections, open_files, wait_until

CALLS = 5_000


class Footprint:
    """The resources of this process."""

    def __init__(self, *watched: object) -> None:
        gc.collect()
        process = psutil.Process()
        self.memory = process.memory_info().rss
        self.files = open_files()
        self.threads = process.num_threads()
        self.objects = len(gc.get_objects())
        self.references = [sys.getrefcount(value) for value in watched]


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="this system has no file descriptors to count")
@pytest.mark.parametrize(
    ("kind", "load"),
    # `test_process.py` tests that Ctrl-C drops a synchronous call.
    [("sync", "good"), ("sync", "failing"), ("async", "good"), ("async", "failing"), ("async", "cancelled")],
)
def test_calls_do_not_leak(kind: str, load: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id if load != "failing" else "nobody"
    connected = connections()
    client = celper.Celper(**sandbox.client_options)
    async_client = celper.AsyncCelper(**sandbox.client_options)
    if load == "cancelled":
        sandbox.queue_fault(candidate, "delay", seconds=600, act="after", times=None)
    watched = (None, True, client._native, async_client._native, celper.CandidateStatus.NEW, celper.NotFoundError)

    def sync_calls(number: int) -> None:
        for _ in range(number):
            try:
                client.get_candidate_status(candidate, job_position_id=POSITION)
            except celper.NotFoundError:
                assert load == "failing"

    async def call(number: int) -> None:
        for _ in range(number):
            if load == "cancelled":
                task = asyncio.ensure_future(async_client.get_candidate_status(candidate, job_position_id=POSITION))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                continue
            try:
                await async_client.get_candidate_status(candidate, job_position_id=POSITION)
            except celper.NotFoundError:
                assert load == "failing"

    async def async_calls(number: int) -> None:
        await asyncio.gather(*(call(number // 32) for _ in range(32)))

    def run(number: int) -> None:
        if kind == "sync":
            sync_calls(number)
        else:
            loop.run_until_complete(async_calls(number))

    loop = asyncio.new_event_loop()
    try:
        run(CALLS)  # fills pools and caches
        before = Footprint(*watched)
        run(CALLS)
        between = Footprint(*watched)
        run(CALLS)
        wait_until(lambda: Footprint(*watched).files <= before.files + 1)
        after = Footprint(*watched)
    finally:
        client.close()
        loop.run_until_complete(async_client.aclose())
        loop.close()
    wait_until(lambda: connections() <= connected)
    # A leak of 100 bytes per call would be 0.5 MB each time. The allocator takes as much from the system now and then.
    assert min(between.memory - before.memory, after.memory - between.memory) < 500_000
    assert after.threads <= before.threads
    assert after.objects - before.objects < 200
    for one, other in zip(before.references[1:], after.references[1:], strict=True):
        assert abs(other - one) < 50, watched


@pytest.mark.timeout(600)
def test_clients_and_loops_do_not_leak(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id

    def sync() -> None:
        with celper.Celper(**sandbox.client_options) as client:
            client.get_candidate_status(candidate, job_position_id=POSITION)

    async def main() -> None:
        async with celper.AsyncCelper(**sandbox.client_options) as client:
            await client.get_candidate_status(candidate, job_position_id=POSITION)

    def asynchronous() -> None:
        asyncio.run(main())

    connected = connections()
    for work in (sync, asynchronous):
        repeat(work, 100)
        before = Footprint()
        repeat(work, 300)
        wait_until(lambda start=before: Footprint().files <= start.files + 1)  # type: ignore[misc]
        wait_until(lambda: connections() <= connected)
        after = Footprint()
        # A client takes some 300 kB with its trust store.
        assert after.memory - before.memory < 15_000_000
        assert after.objects - before.objects < 200


def repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()
