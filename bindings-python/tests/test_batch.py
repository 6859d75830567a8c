"""Batches: how Python code feeds them, takes their items and leaves them. The core's tests show what a batch does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

import celper
from celper import InviteRequest, RejectRequest, SelectRequest, StatusRequest
from celper_sandbox import Sandbox
from support import POSITION, connections, open_files, wait_for_requests, wait_until, wait_until_closed

PROGRAMS = Path(__file__).parent / "programs"
KINDS = pytest.mark.parametrize("kind", ["sync", "async", "async iterable"])


def status(candidate: str) -> StatusRequest:
    return StatusRequest(candidate, job_position_id=POSITION)


def statuses(sandbox: Sandbox, number: int) -> list[StatusRequest]:
    return [status(sandbox.create_candidate().id) for _ in range(number)]


async def asynchronous(rows: Any) -> AsyncIterator[Any]:
    for row in rows:
        await asyncio.sleep(0)
        yield row


def run(kind: str, options: dict[str, Any], rows: Any, **more: Any) -> tuple[list[Any], celper.BatchProgress, Any]:
    """The items of a batch, its progress at the end, and the exception that it raised."""
    items: list[Any] = []

    def sync() -> tuple[celper.BatchProgress, Any]:
        with celper.Celper(**options).batch(rows, **more) as batch:
            try:
                items.extend(batch)
            except Exception as error:
                return batch.progress, error
            return batch.progress, None

    async def main() -> tuple[celper.BatchProgress, Any]:
        source = asynchronous(rows) if kind == "async iterable" else rows
        async with celper.AsyncCelper(**options).batch(source, **more) as batch:
            try:
                async for item in batch:
                    items.append(item)
            except Exception as error:
                return batch.progress, error
            finally:
                # The task that reads the rows ends with them.
                await asyncio.sleep(0)
                assert len(asyncio.all_tasks()) == 1
            return batch.progress, None

    progress, error = sync() if kind == "sync" else asyncio.run(main())
    return sorted(items, key=lambda item: item.index), progress, error


@KINDS
def test_each_request_gives_an_item(kind: str, sandbox: Sandbox) -> None:
    invited = sandbox.create_candidate().id
    interviewed = [sandbox.create_candidate(status="interviewed", analysis_viewed=True).id for _ in range(2)]
    rows: list[Any] = [
        InviteRequest(invited, job_position_id=POSITION, email_subject="Welcome", timeout=30, max_retries=1),
        SelectRequest(interviewed[0], job_position_id=POSITION),
        RejectRequest(interviewed[1], job_position_id=POSITION, idempotency_key="mine"),
        status(interviewed[0]),
        status("nobody"),
        {"candidate_id": invited},
        InviteRequest(None, job_position_id=POSITION, idempotency_key="k"),  # type: ignore[arg-type]
    ]
    items, progress, error = run(kind, sandbox.client_options, rows, batch_id="spring")
    assert error is None
    assert [item.request for item in items] == rows
    assert [type(item.result or item.error) for item in items] == [
        celper.Invitation,
        celper.Decision,
        celper.Decision,
        celper.CandidateState,
        celper.NotFoundError,
        celper.InvalidArgumentError,
        celper.InvalidArgumentError,
    ]
    assert all((item.result is None) != (item.error is None) for item in items)
    assert str(items[5].error).startswith("batch: a row must be an InviteRequest, ")
    assert "candidate_id must be a str, not None" in str(items[6].error)
    assert (items[6].error.operation, items[6].error.idempotency_key) == ("invite", "k")
    keys = [item.idempotency_key for item in items]
    assert keys[2:5] == ["mine", None, None]
    (sent,) = sandbox.requests(invited)
    assert sent.headers["idempotency-key"] == keys[0]
    total = 7 if kind != "async iterable" else None
    assert (progress.done, progress.succeeded, progress.failed, progress.total) == (7, 4, 3, total or 7)
    assert not any((item.resumed, item.not_attempted, item.already_done) != (False, False, False) for item in items)


def test_requests_and_items_are_data() -> None:
    request = InviteRequest("c", job_position_id="p", email_body="a body that is not shown", timeout=2.5)
    assert (
        repr(request) == "InviteRequest(candidate_id='c', job_position_id='p', email_body=<24 characters>, timeout=2.5)"
    )
    item = celper.BatchItem(index=3, request=request, error=celper.NotFoundError("gone", {"status": 404}))
    copy = pickle.loads(pickle.dumps(item))
    assert (copy.request, copy.error.status, copy.to_dict()) == (request, 404, item.to_dict())
    assert item.to_dict()["request"]["email_body"] == "a body that is not shown"
    assert item.to_dict()["error"]["kind"] == "not_found"
    assert {request, pickle.loads(pickle.dumps(request))} == {request}
    assert SelectRequest("c", job_position_id="p") != RejectRequest("c", job_position_id="p")
    # What evaluates annotations needs them at run time.
    assert str(celper.Batch[InviteRequest]) == "celper.Batch[celper.InviteRequest]"
    assert str(celper.BatchItem[InviteRequest]) == "celper.BatchItem[celper.InviteRequest]"


@KINDS
def test_what_the_iterable_raises_comes_after_the_items(kind: str, sandbox: Sandbox) -> None:
    rows = statuses(sandbox, 3)

    def fails() -> Iterator[StatusRequest]:
        yield from rows
        raise LookupError("the table is locked")

    items, progress, error = run(kind, sandbox.client_options, fails())
    assert isinstance(error, LookupError)
    assert [item.request for item in items] == rows
    assert progress.done == 3


@KINDS
def test_leaving_early_starts_nothing_more_and_waits(kind: str, sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=1, act="after")
    pulled = []

    def endless() -> Iterator[Any]:
        yield status("quick")
        yield InviteRequest(slow, job_position_id=POSITION)
        for nth in range(10**9):
            pulled.append(nth)
            yield status(f"c{nth}")

    def leave() -> None:
        with celper.Celper(**sandbox.client_options).batch(endless()) as batch:
            for _ in batch:
                if sandbox.requests(slow):
                    break

    async def leave_async() -> None:
        source = asynchronous(endless()) if kind == "async iterable" else endless()
        async with celper.AsyncCelper(**sandbox.client_options).batch(source) as batch:
            async for _ in batch:
                if await asyncio.to_thread(sandbox.requests, slow):
                    break
        assert len(asyncio.all_tasks()) == 1

    leave() if kind == "sync" else asyncio.run(leave_async())
    (request,) = sandbox.requests(slow)
    assert request.acted
    assert not request.client_closed
    # No more than the batch holds: the rows are read only as they are needed.
    assert len(pulled) < 400


def test_cancelling_the_task_cancels_the_batch(sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    closed = []

    async def rows() -> AsyncIterator[StatusRequest]:
        try:
            yield status(slow)
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def main() -> None:
        async def consume() -> None:
            async for _ in celper.AsyncCelper(**sandbox.client_options).batch(rows()):
                raise AssertionError("not reached")

        task = asyncio.ensure_future(consume())
        await asyncio.to_thread(wait_for_requests, sandbox, slow)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until_closed, sandbox, slow)
        assert closed

    asyncio.run(main())


def test_a_timeout_of_the_wait_for_an_item_loses_none(sandbox: Sandbox) -> None:
    rows = statuses(sandbox, 6)
    limits = celper.RateLimits(reads=3, window=0.5)

    async def main() -> tuple[list[int], int]:
        indexes, timeouts = list[int](), 0
        options = {**sandbox.client_options, "rate_limits": limits, "rate_limit_store": "process"}
        async with celper.AsyncCelper(**options).batch(rows) as batch:
            while len(indexes) < len(rows):
                try:
                    indexes.append((await asyncio.wait_for(anext(batch), 0.05)).index)
                except asyncio.TimeoutError:
                    timeouts += 1
        return sorted(indexes), timeouts

    indexes, timeouts = asyncio.run(main())
    assert indexes == list(range(6))
    assert timeouts > 0


@pytest.mark.parametrize("is_closed", [True, False], ids=["loop closed", "task cancelled"])
def test_a_batch_whose_loop_has_ended_says_so(sandbox: Sandbox, is_closed: bool) -> None:
    rows = statuses(sandbox, 200)
    batch = celper.AsyncCelper(**{**sandbox.client_options, "rate_limits": None}).batch(rows)

    async def one() -> None:
        await anext(batch)

    async def others() -> None:
        async for _ in batch:
            pass

    if is_closed:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(one())
        loop.close()
    else:
        asyncio.run(one())
    with pytest.raises(RuntimeError, match="closed" if is_closed else "cancelled"):
        asyncio.run(others())


@KINDS
def test_the_end_of_the_block_frees_the_source(kind: str, sandbox: Sandbox) -> None:
    rows = statuses(sandbox, 2)
    closed = []

    def generator() -> Iterator[StatusRequest]:
        try:
            while True:
                yield from rows
        finally:
            closed.append(True)

    async def main() -> None:
        source = asynchronous(generator()) if kind == "async iterable" else generator()
        batch = celper.AsyncCelper(**sandbox.client_options).batch(source)
        del source
        async with batch:
            await anext(batch)
        for _ in range(10):
            await asyncio.sleep(0)
        assert closed

    if kind == "sync":
        with celper.Celper(**sandbox.client_options).batch(generator()) as batch:
            next(batch)
        assert closed
    else:
        asyncio.run(main())


def test_several_tasks_and_threads_can_take_items(sandbox: Sandbox) -> None:
    rows = statuses(sandbox, 40)

    async def main() -> list[int]:
        indexes: list[int] = []
        async with celper.AsyncCelper(**sandbox.client_options).batch(asynchronous(rows)) as batch:

            async def work() -> None:
                async for item in batch:
                    indexes.append(item.index)

            await asyncio.gather(*(work() for _ in range(4)))
        return indexes

    assert sorted(asyncio.run(main())) == list(range(40))
    indexes: list[int] = []
    with celper.Celper(**sandbox.client_options).batch(iter(rows)) as batch:
        threads = [threading.Thread(target=lambda: indexes.extend(item.index for item in batch)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(indexes) == list(range(40))


@pytest.mark.parametrize("kind", ["sync", "async", "async function"])
def test_each_request_asks_for_the_key_and_is_logged(
    kind: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The core sends the requests of a batch in tasks of its own."""
    tenant: ContextVar[str] = ContextVar("tenant", default="none")
    tenants: list[str] = []

    def key() -> str:
        tenants.append(tenant.get())
        return sandbox.api_key

    async def async_key() -> str:
        await asyncio.sleep(0)
        return key()

    tenant.set("acme")
    options = {**sandbox.client_options, "api_key": async_key if kind == "async function" else key}
    with caplog.at_level(logging.DEBUG, logger="celper"):
        items, _, error = run("sync" if kind == "sync" else "async", options, statuses(sandbox, 30))
    assert error is None
    assert [item.error for item in items] == [None] * 30
    assert tenants == ["acme"] * 30
    texts = [record.getMessage() for record in caplog.records if record.name == "celper"]
    assert sum(text.startswith("response received operation=status") for text in texts) == 30


def test_the_key_is_given_while_no_item_is_taken(sandbox: Sandbox) -> None:
    """A caller may take long with an item; the requests under way must not time out meanwhile."""
    rows = statuses(sandbox, 2)
    # The first row: when an item of the second is there, the first one's request is under way.
    retried = rows[0].candidate_id
    sandbox.queue_fault(retried, "status", status=503, headers={"Retry-After": "0.5"})
    client = celper.Celper(**{**sandbox.client_options, "api_key": lambda: sandbox.api_key})
    with client.batch(rows) as batch:
        items = [next(batch)]
        wait_for_requests(sandbox, retried, 2)
        items += batch
    assert {item.index: item.result and item.result.attempts for item in items} == {0: 2, 1: 1}


def test_options_are_checked(client: celper.Celper, async_client: celper.AsyncCelper, tmp_path: Path) -> None:
    refused: list[tuple[str, dict[str, Any]]] = [
        ("batch_id must be a str, not int", {"batch_id": 5}),
        ("batch_id must be 1 to 255 bytes", {"batch_id": ""}),
        ("journal must be a str or an os.PathLike, not int", {"journal": 5}),
        ("total must be an int, not str", {"total": "5"}),
        ("total must be a whole number from 0 on", {"total": -1}),
    ]
    for message, options in refused:
        with pytest.raises(celper.InvalidArgumentError, match=f"^batch: {message}"):
            client.batch([], **options)

        async def main(options: dict[str, Any] = options) -> None:
            async with async_client.batch([], **options):
                pass

        with pytest.raises(celper.InvalidArgumentError, match=message):
            asyncio.run(main())
    one: Any = status("c")
    with pytest.raises(celper.InvalidArgumentError, match="an iterable of requests, not StatusRequest"):
        client.batch(one)
    source: Any = asynchronous([])
    with pytest.raises(celper.InvalidArgumentError, match="not async_generator, which AsyncCelper takes"):
        client.batch(source)

    async def iterate() -> None:
        async for _ in async_client.batch([]):
            pass

    with pytest.raises(RuntimeError, match="running asyncio event loop"):
        anyio.run(iterate, backend="trio")
    client.close()
    with pytest.raises(celper.InvalidArgumentError, match="closed"):
        client.batch([], journal=tmp_path / "journal")


def test_closing_the_client_ends_the_batch(sandbox: Sandbox) -> None:
    # The window has room for two.
    limits = celper.RateLimits(reads=2, window=600)
    options = {**sandbox.client_options, "rate_limits": limits, "rate_limit_store": "process"}
    with celper.Celper(**options) as client, client.batch(statuses(sandbox, 5)) as batch:
        done = [next(batch), next(batch)]
        assert batch.progress.eta is not None
        client.close()
        rest = list(batch)
    assert [item.not_attempted for item in [*done, *rest]] == [False, False, True, True, True]


def test_a_killed_batch_continues_with_its_journal(sandbox: Sandbox, tmp_path: Path) -> None:
    candidates = [sandbox.create_candidate().id for _ in range(12)]
    journal = tmp_path / "journal.jsonl"
    # The fourth of them never gets a response.
    sandbox.queue_fault(candidates[3], "delay", seconds=600, act="before")
    command = [sys.executable, str(PROGRAMS / "batches.py"), "journal", str(journal), *candidates[:6]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        for _ in range(5):
            assert program.stdout.readline() == "item\n"
        wait_for_requests(sandbox, candidates[3])
        program.kill()
    rows = [InviteRequest(candidate, job_position_id=POSITION) for candidate in candidates]
    items, progress, error = run("sync", sandbox.client_options, rows, journal=journal)
    assert error is None
    assert [item.error for item in items] == [None] * 12
    assert [item.resumed for item in items] == [True, True, True, False, True, True, *[False] * 6]
    assert progress.resumed == 5
    for candidate in candidates:
        assert sum(request.acted for request in sandbox.requests(candidate)) == 1


def test_ctrl_c_closes_a_batch_and_a_second_one_cancels_it(sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after", times=None)
    command = [sys.executable, str(PROGRAMS / "batches.py"), "ctrl-c", slow]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        wait_for_requests(sandbox, slow)
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "closing\n"
        assert not sandbox.requests(slow)[0].client_closed
        program.send_signal(signal.SIGINT)
        assert program.stdout.readline() == "interrupted\n"
        # The program runs on: the request was dropped, not the process.
        wait_until_closed(sandbox, slow)
        program.kill()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timer signals")
def test_an_interrupt_loses_no_item(client: celper.Celper, sandbox: Sandbox) -> None:
    """The signal comes before the item, within the 50 ms in which a waiting thread runs no signal handlers."""
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=0.2, times=None)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, interrupt)
    try:
        for start in (0.16, 0.17, 0.18, 0.19):
            with client.batch([status(slow)]) as batch:
                signal.setitimer(signal.ITIMER_REAL, start)
                items: list[Any] = []
                with contextlib.suppress(KeyboardInterrupt):
                    for item in batch:
                        items.append(item)
                signal.setitimer(signal.ITIMER_REAL, 0)
                items += batch
            assert [item.request.candidate_id for item in items] == [slow]
    finally:
        signal.signal(signal.SIGALRM, earlier)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", ["fork", "fork-async"])
def test_a_forked_child_gets_an_error_and_the_parent_continues(sandbox: Sandbox, way: str) -> None:
    candidates = [sandbox.create_candidate().id for _ in range(4)]
    command = [sys.executable, "-W", "ignore", str(PROGRAMS / "batches.py"), way, *candidates]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="this system has no file descriptors to count")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_abandoned_batches_do_not_leak(kind: str, sandbox: Sandbox) -> None:
    rows = statuses(sandbox, 3)

    def endless() -> Iterator[Any]:
        while True:
            yield from rows

    def sync() -> None:
        next(celper_client.batch(endless()))

    async def one() -> None:
        batch = async_client.batch(endless())
        await anext(batch)
        del batch
        gc.collect()
        # The task that reads the rows ends without the batch.
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    connected = connections()
    celper_client = celper.Celper(**sandbox.client_options)
    async_client = celper.AsyncCelper(**sandbox.client_options)
    work: Callable[[], object] = sync if kind == "sync" else lambda: asyncio.run(one())
    for _ in range(40):
        work()
    gc.collect()
    before = (open_files(), len(gc.get_objects()))
    for _ in range(80):
        work()

    def is_freed() -> bool:
        gc.collect()
        return open_files() <= before[0] + 20 and len(gc.get_objects()) - before[1] < 200

    wait_until(is_freed)
    celper_client.close()
    asyncio.run(async_client.aclose())
    wait_until(lambda: connections() <= connected)


def test_an_iterable_that_takes_items_of_its_own_batch_fails(client: celper.Celper, sandbox: Sandbox) -> None:
    def requests() -> Iterator[celper.StatusRequest]:
        yield celper.StatusRequest(sandbox.create_candidate().id, job_position_id=POSITION)
        while True:
            next(batch)

    batch = client.batch(requests())
    with pytest.raises(RuntimeError, match="its own batch"):
        list(batch)
