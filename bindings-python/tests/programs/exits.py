"""A program that ends in one of the ways in which programs end. `exits.py WAY CANDIDATE SLOW_CANDIDATE`.

It runs thousands of times, and imports only what its way needs: asyncio takes four times what all the rest does.
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
    from collections.abc import Callable, Coroutine
    from typing import Any

# Exit handlers run last in, first out: these come after celper's.
at_the_very_end: list[Callable[[], object]] = []
atexit.register(lambda: [work() for work in at_the_very_end])

import celper  # noqa: E402

way, candidate, slow = sys.argv[1:]


def call(client: celper.Celper, candidate_id: str) -> None:
    client.get_candidate_status(candidate_id, job_position_id="pos_1")


def run(work: Coroutine[Any, Any, object]) -> None:
    import asyncio

    asyncio.run(work)


async def in_flight(client: celper.AsyncCelper) -> None:
    """Returns while calls are under way; `asyncio.run` cancels them."""
    import asyncio

    for _ in range(8):
        asyncio.ensure_future(client.get_candidate_status(slow, job_position_id="pos_1"))
    await asyncio.gather(*(client.get_candidate_status(candidate, job_position_id="pos_1") for _ in range(8)))


def begun_and_left(client: celper.AsyncCelper) -> None:
    """As above, but the loop just stops, and the interpreter ends with the calls in flight."""
    import asyncio

    loop = asyncio.new_event_loop()
    for _ in range(8):
        task: Any = loop.create_task(client.get_candidate_status(candidate, job_position_id="pos_1"))
        task._log_destroy_pending = False
    loop.run_until_complete(asyncio.sleep(0))
    keep.append(loop)


def forever(client: celper.Celper) -> None:
    while True:
        call(client, candidate)


async def forever_async(client: celper.AsyncCelper) -> None:
    import asyncio

    while True:
        await asyncio.gather(*(client.get_candidate_status(candidate, job_position_id="pos_1") for _ in range(4)))


class SlowToGo:
    """Keeps the interpreter's end waiting after it has taken the GIL from all other threads, so that they run into that."""

    def __del__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        sleep(0.05)


keep: list[object] = [SlowToGo()]
if way == "sync":
    call(celper.Celper(rate_limits=None), candidate)
elif way == "async":
    client = celper.AsyncCelper(rate_limits=None)
    run(client.get_candidate_status(candidate, job_position_id="pos_1"))
elif way == "async-in-flight":
    run(in_flight(celper.AsyncCelper(rate_limits=None)))
elif way == "loop-left":
    begun_and_left(celper.AsyncCelper(rate_limits=None))
elif way == "daemons":
    client_of_threads = celper.Celper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=forever, args=(client_of_threads,), daemon=True).start()
    call(client_of_threads, candidate)
elif way == "daemon-loops":
    # Before the threads, which would else be found importing.
    import asyncio

    async_client = celper.AsyncCelper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=asyncio.run, args=(forever_async(async_client),), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
elif way == "no-add-reader":
    # Here the runtime's own threads come for the GIL, and go on coming after the loops' threads are gone.
    from loops import WatchesNothing

    def run_forever(client: celper.AsyncCelper) -> None:
        WatchesNothing().run_until_complete(forever_async(client))

    async_client = celper.AsyncCelper(rate_limits=None)
    for _ in range(3):
        threading.Thread(target=run_forever, args=(async_client,), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
elif way == "atexit":
    late = celper.Celper(rate_limits=None)
    atexit.register(lambda: print(late.get_candidate_status(candidate, job_position_id="pos_1").status, flush=True))
elif way == "joined-by-a-later-handler":
    # The usual queue that is emptied at the end, by a thread that the handler waits for.
    from queue import SimpleQueue

    queue: SimpleQueue[str | None] = SimpleQueue()
    of_the_queue = celper.Celper(rate_limits=None)

    def work_off() -> None:
        while (item := queue.get()) is not None:
            print(of_the_queue.get_candidate_status(item, job_position_id="pos_1").status, flush=True)

    worker = threading.Thread(target=work_off, daemon=True)
    worker.start()
    at_the_very_end.extend([lambda: queue.put(candidate), lambda: queue.put(None), worker.join])
elif way == "daemons-without-calls":
    # They run Python code from inside native code: an enum's repr, and an exception's __init__.

    def shown() -> None:
        state = celper.CandidateState(status="new", analysis_viewed=True)
        while True:
            repr(state), hash(state), state == state

    def refused() -> None:
        while True:
            with contextlib.suppress(celper.InvalidArgumentError):
                celper.RateLimits(reads=0)
            with contextlib.suppress(celper.InvalidArgumentError):
                celper.Celper("")

    for target in (shown, refused):
        threading.Thread(target=target, daemon=True).start()
    time.sleep(0.02)
elif way == "exception":
    call(celper.Celper(rate_limits=None), candidate)
    sys.exit(3)
elif way == "os._exit":
    threading.Thread(target=forever, args=(celper.Celper(rate_limits=None),), daemon=True).start()
    call(celper.Celper(rate_limits=None), candidate)
    os._exit(0)
else:
    raise SystemExit(f"no way {way}")
