"""A program that exits in the given way: `exits.py WAY CANDIDATE SLOW_CANDIDATE`.

It runs thousands of times, so each way imports only what it needs: asyncio takes four times as long as everything else.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

# Exit handlers run in reverse order of registration: these run after celper's.
late_exit_handlers: list[Callable[[], object]] = []
atexit.register(lambda: [work() for work in late_exit_handlers])

import celper  # noqa: E402

way, candidate, slow = sys.argv[1:]


def call(client: celper.Celper, candidate_id: str) -> None:
    client.get_candidate_status(candidate_id, job_position_id="pos_1")


def run(work: Coroutine[Any, Any, object]) -> None:
    import asyncio

    asyncio.run(work)


async def return_with_calls_in_flight(client: celper.AsyncCelper) -> None:
    """Returns with calls in flight, which `asyncio.run` cancels."""
    import asyncio

    for _ in range(8):
        asyncio.ensure_future(client.get_candidate_status(slow, job_position_id="pos_1"))
    await asyncio.gather(*(client.get_candidate_status(candidate, job_position_id="pos_1") for _ in range(8)))


def abandon_loop_with_calls_in_flight(client: celper.AsyncCelper) -> None:
    """Stops the loop, so that the interpreter shuts down with the calls in flight."""
    import asyncio

    loop = asyncio.new_event_loop()
    for _ in range(8):
        task: Any = loop.create_task(client.get_candidate_status(candidate, job_position_id="pos_1"))
        task._log_destroy_pending = False
    loop.run_until_complete(asyncio.sleep(0))
    keep.append(loop)


def call_forever(client: celper.Celper) -> None:
    while True:
        call(client, candidate)


async def call_forever_async(client: celper.AsyncCelper) -> None:
    import asyncio

    while True:
        await asyncio.gather(*(client.get_candidate_status(candidate, job_position_id="pos_1") for _ in range(4)))


def requests() -> Iterator[celper.StatusRequest]:
    yield celper.StatusRequest(slow, job_position_id="pos_1")
    for nth in range(10**9):
        yield celper.StatusRequest(f"c{nth}", job_position_id="pos_1")


class SlowFinalizer:
    """Delays the shutdown after the interpreter has taken the GIL from all other threads, so that they ask for it."""

    def __del__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        sleep(0.05)


keep: list[object] = [SlowFinalizer()]
if way == "sync":
    call(celper.Celper(rate_limits=None), candidate)
elif way == "async":
    client = celper.AsyncCelper(rate_limits=None)
    run(client.get_candidate_status(candidate, job_position_id="pos_1"))
elif way == "async-in-flight":
    run(return_with_calls_in_flight(celper.AsyncCelper(rate_limits=None)))
elif way == "loop-abandoned":
    abandon_loop_with_calls_in_flight(celper.AsyncCelper(rate_limits=None))
elif way == "daemons":
    thread_client = celper.Celper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=call_forever, args=(thread_client,), daemon=True).start()
    call(thread_client, candidate)
elif way == "daemon-loops":
    # Imported here, because otherwise the threads would still be importing it at exit.
    import asyncio

    async_client = celper.AsyncCelper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=asyncio.run, args=(call_forever_async(async_client),), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
elif way == "no-add-reader":
    # With this loop the runtime's pool threads ask for the GIL, also after the loops' threads are gone.
    from loops import LoopWithoutAddReader

    def run_forever(client: celper.AsyncCelper) -> None:
        LoopWithoutAddReader().run_until_complete(call_forever_async(client))

    async_client = celper.AsyncCelper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=run_forever, args=(async_client,), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
elif way == "atexit":
    exit_client = celper.Celper(rate_limits=None)
    atexit.register(
        lambda: print(exit_client.get_candidate_status(candidate, job_position_id="pos_1").status, flush=True)
    )
elif way == "joined-by-a-later-handler":
    # A work queue: an exit handler waits for the thread that empties it.
    from queue import SimpleQueue

    queue: SimpleQueue[str | None] = SimpleQueue()
    queue_client = celper.Celper(rate_limits=None)

    def process_queue() -> None:
        while (item := queue.get()) is not None:
            print(queue_client.get_candidate_status(item, job_position_id="pos_1").status, flush=True)

    worker = threading.Thread(target=process_queue, daemon=True)
    worker.start()
    late_exit_handlers.extend([lambda: queue.put(candidate), lambda: queue.put(None), worker.join])
elif way == "daemons-without-calls":
    # Their native code calls Python code: an enum's repr, and an exception's __init__.

    def use_results() -> None:
        state = celper.CandidateState(status="new", analysis_viewed=True)
        while True:
            repr(state), hash(state), state == state

    def use_invalid_options() -> None:
        while True:
            with contextlib.suppress(celper.InvalidArgumentError):
                celper.RateLimits(reads=0)
            with contextlib.suppress(celper.InvalidArgumentError):
                celper.Celper("")

    for target in (use_results, use_invalid_options):
        threading.Thread(target=target, daemon=True).start()
    time.sleep(0.02)
elif way == "batch-abandoned":
    # Threads of the runtime's pool call the function while no item is taken, also when the interpreter exits.
    batch = celper.Celper(lambda: os.environ["CELPER_API_KEY"], rate_limits=None).batch(requests())
    keep.append((next(batch), batch))
elif way == "daemon-batches":
    batch_client = celper.Celper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=lambda: [None for _ in batch_client.batch(requests())], daemon=True).start()
    call(batch_client, candidate)
elif way == "async-batch-abandoned":
    import asyncio

    async_batch = celper.AsyncCelper(rate_limits=None).batch(requests())
    batch_loop = asyncio.new_event_loop()
    keep.append((batch_loop.run_until_complete(anext(async_batch)), async_batch, batch_loop))
    for task in asyncio.all_tasks(batch_loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
elif way == "exception":
    call(celper.Celper(rate_limits=None), candidate)
    sys.exit(3)
elif way == "os._exit":
    threading.Thread(target=call_forever, args=(celper.Celper(rate_limits=None),), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
    os._exit(0)
else:
    raise SystemExit(f"unknown way {way}")
