"""Waits for a status and watches: how Python code waits for them and leaves them. The core's tests show when they poll."""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

import celper
from celper_sandbox import Sandbox
from support import POSITION, wait_for_requests, wait_until_closed

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


def wait(kind: str, options: dict[str, Any], candidate: str, **more: Any) -> celper.CandidateState:
    arguments = {"job_position_id": POSITION, "until": "interviewed", **more}
    if kind == "sync":
        return celper.Celper(**options).wait_for_status(candidate, **arguments)
    return asyncio.run(celper.AsyncCelper(**options).wait_for_status(candidate, **arguments))


def take(kind: str, options: dict[str, Any], ids: Any, number: int) -> list[Any]:
    """So many items of a watch, or all of one that ends before."""
    items: list[Any] = []

    async def main() -> None:
        async with celper.AsyncCelper(**options).watch_candidates(ids, job_position_id=POSITION) as watch:
            async for item in watch:
                items.append(item)
                if len(items) == number:
                    break
        assert [item async for item in watch] == []

    if kind == "async":
        asyncio.run(main())
        return items
    with celper.Celper(**options).watch_candidates(ids, job_position_id=POSITION) as watch:
        for item in watch:
            items.append(item)
            if len(items) == number:
                break
    assert list(watch) == []
    return items


def test_a_change_is_seen(sandbox: Sandbox) -> None:
    """It takes 15 s, so all that see one do so at the same time."""
    ids = [sandbox.create_candidate(status="invited").id for _ in range(2)]
    work: list[Callable[[str], Any]] = [
        lambda kind: wait(kind, sandbox.client_options, ids[0], until={"interviewed", "expired"}),
        lambda kind: take(kind, sandbox.client_options, ids, 3),
    ]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(each, kind) for each in work for kind in ("sync", "async")]
        for candidate in ids:
            wait_for_requests(sandbox, candidate, 4 if candidate == ids[0] else 2)
        sandbox.change_candidate(ids[0], status="interviewed", interview_score=85)
        states, watches = [future.result() for future in running[:2]], [future.result() for future in running[2:]]
    assert [(state.status, state.attempts) for state in states] == [("interviewed", 2)] * 2
    for items in watches:
        assert {(item.candidate_id, item.state.status, item.previous_status) for item in items} == {
            (ids[0], "invited", None),
            (ids[1], "invited", None),
            (ids[0], "interviewed", celper.CandidateStatus.INVITED),
        }
        assert items[2].state.interview_score == 85


@KINDS
@pytest.mark.parametrize("timeout", [2, timedelta(seconds=2)])
def test_a_wait_that_times_out_has_the_last_state(kind: str, timeout: Any, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate(status="invited").id
    with pytest.raises(TimeoutError) as raised:
        wait(kind, sandbox.client_options, candidate, timeout=timeout)
    error: Any = raised.value
    assert type(error) is celper.RequestTimeoutError
    assert str(error).startswith('status: the candidate\'s status is still "invited" after 2 s (timeout), not "interv')
    state: Any = error.last_state
    assert state.status is celper.CandidateStatus.INVITED
    for copy in (pickle.loads(pickle.dumps(error)), type(error)(*error.args)):
        assert copy.last_state == error.last_state
        assert copy.to_dict() == error.to_dict()
    assert error.to_dict()["last_state"]["status"] == "invited"


@KINDS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"until": []}, "until is empty"),
        ({"until": 7}, "until must be a status, or an iterable of statuses, not int"),
        ({"until": b"new"}, "until must be a status, or an iterable of statuses, not bytes"),
        ({"until": ["new", None]}, "until[1] must be a str, not NoneType"),
        ({"timeout": None}, "timeout must be a number of seconds or a timedelta, not None"),
        ({"timeout": 0}, "timeout must be a number of seconds greater than 0"),
        ({"job_position_id": ""}, "job_position_id is empty"),
    ],
)
def test_arguments_are_checked(kind: str, arguments: Any, message: str, sandbox: Sandbox) -> None:
    with pytest.raises(celper.InvalidArgumentError) as raised:
        wait(kind, sandbox.client_options, "c", **arguments)
    assert raised.value.message.startswith(message.replace("NoneType", "None"))
    assert raised.value.operation == "status"
    assert not sandbox.requests()


@pytest.mark.parametrize(
    "until", ["new", celper.CandidateStatus.NEW, {"new", "invited"}, (status for status in ["new"])]
)
def test_until_is_a_status_or_an_iterable(until: Any, client: celper.Celper, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    state = client.wait_for_status(candidate, job_position_id=POSITION, until=until, timeout=math.inf)
    assert state.status == "new"


@KINDS
def test_a_candidate_that_cannot_be_read_is_an_item(kind: str, sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    items = take(kind, sandbox.client_options, (each for each in ["nobody", candidate, "nobody"]), 2)
    by_id = {item.candidate_id: item for item in items}
    assert by_id[candidate].state.status == "new"
    assert by_id[candidate].error is None
    assert type(by_id["nobody"].error) is celper.NotFoundError
    assert by_id["nobody"].state is None
    copy = pickle.loads(pickle.dumps(by_id[candidate]))
    assert (copy, copy.to_dict()) == (by_id[candidate], by_id[candidate].to_dict())
    # No candidate is left, so that a watch of this one alone ends.
    assert len(take(kind, sandbox.client_options, ["nobody"], 7)) == 1


@KINDS
def test_what_concerns_all_candidates_is_raised(kind: str, sandbox: Sandbox) -> None:
    options = {**sandbox.client_options, "api_key": "celp_" + "0" * 32}
    with pytest.raises(celper.AuthenticationError):
        take(kind, options, [sandbox.create_candidate().id], 1)
    with pytest.raises(celper.InvalidArgumentError, match=r"candidate_ids must be an iterable of candidate ids"):
        take(kind, options, "cand_1", 1)
    with pytest.raises(celper.InvalidArgumentError, match="candidate_id is empty"):
        take(kind, options, ["c", ""], 1)


def test_ctrl_c_ends_a_wait_and_not_a_watch(client: celper.Celper, sandbox: Sandbox) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after")
    # Its item is not there before the wait for it is cancelled.
    sandbox.queue_fault(candidate, "delay", seconds=2)

    def interrupt(after: str) -> None:
        wait_for_requests(sandbox, after)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, args=(slow,)).start()
    with pytest.raises(KeyboardInterrupt):
        client.wait_for_status(slow, job_position_id=POSITION, until="interviewed")
    wait_until_closed(sandbox, slow)
    with client.watch_candidates([candidate], job_position_id=POSITION) as watch:
        first = next(watch)
        threading.Thread(target=interrupt, args=(candidate,)).start()
        with pytest.raises(KeyboardInterrupt):
            next(watch)
        # Another thread ends it.
        threading.Timer(0.1, watch.close).start()
        assert (first.candidate_id, list(watch)) == (candidate, [])


def test_cancelling_a_task(async_client: celper.AsyncCelper, sandbox: Sandbox) -> None:
    candidate, slow = sandbox.create_candidate().id, sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after")

    async def main() -> None:
        task = asyncio.create_task(async_client.wait_for_status(slow, job_position_id=POSITION, until="interviewed"))
        await asyncio.to_thread(wait_for_requests, sandbox, slow)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until_closed, sandbox, slow)
        async with async_client.watch_candidates([candidate], job_position_id=POSITION) as watch:
            waiting = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            # The item is not lost.
            assert (await anext(watch)).candidate_id == candidate

    asyncio.run(main())


def test_closing_the_client_ends_waits_and_watches(client: celper.Celper, sandbox: Sandbox) -> None:
    ids = [sandbox.create_candidate(status="invited").id for _ in range(2)]
    errors: list[celper.CelperError] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except celper.CelperError as error:
            errors.append(error)

    watch = client.watch_candidates(ids[:1], job_position_id=POSITION)
    work: list[Callable[[], object]] = [
        lambda: list(watch),
        lambda: client.wait_for_status(ids[1], job_position_id=POSITION, until="new"),
    ]
    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for candidate in ids:
        wait_for_requests(sandbox, candidate)
    client.close()
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [celper.InvalidArgumentError] * 2
    assert all("the client is closed" in str(error) for error in errors)


@KINDS
def test_the_key_function_is_called_and_a_wait_is_logged(
    kind: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    candidate = sandbox.create_candidate().id
    asked: list[str] = []

    def key() -> str:
        asked.append(threading.current_thread().name)
        return sandbox.api_key

    options = {**sandbox.client_options, "api_key": key}
    with caplog.at_level(logging.INFO, logger="celper"):
        with pytest.raises(celper.RequestTimeoutError):
            wait(kind, options, candidate, timeout=2)
        (record,) = caplog.records
    assert record.getMessage().startswith("waiting for the candidate's status operation=status wait_ms=")
    fields = record.celper  # type: ignore[attr-defined]
    assert fields["reason"] == "status"
    # Until the timeout, which comes before the next read.
    assert int(fields["wait_ms"]) <= 2_000
    assert asked == [threading.current_thread().name]
    assert take(kind, options, [candidate], 1)[0].state
    assert len(asked) == 2


def test_a_watch_whose_items_nobody_takes_gets_its_keys(sandbox: Sandbox) -> None:
    candidate = sandbox.create_candidate().id
    client = celper.Celper(**{**sandbox.client_options, "api_key": lambda: sandbox.api_key})
    with client.watch_candidates([candidate], job_position_id=POSITION):
        wait_for_requests(sandbox, candidate)


def test_a_watch_that_is_dropped_ends(client: celper.Celper, sandbox: Sandbox) -> None:
    slow = sandbox.create_candidate().id
    sandbox.queue_fault(slow, "delay", seconds=600, act="after")
    watch = client.watch_candidates([slow], job_position_id=POSITION)
    wait_for_requests(sandbox, slow)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(watch)
    del watch
    wait_until_closed(sandbox, slow)
