"""Forks in the given way, with clients that were used before: `forks.py WAY CANDIDATE SLOW_CANDIDATE`."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading

import celper

way, candidate, slow = sys.argv[1:]
client = celper.Celper(rate_limits=None)
async_client = celper.AsyncCelper(rate_limits=None)


def check() -> None:
    assert client.get_candidate_status(candidate, job_position_id="pos_1").status == "new"
    for _ in range(2):
        assert asyncio.run(async_client.get_candidate_status(candidate, job_position_id="pos_1")).status == "new"


def fork_and_check(depth: int = 1) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            check()
            if depth > 1:
                fork_and_check(depth - 1)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"


def busy(stop: threading.Event) -> None:
    while not stop.is_set():
        client.get_candidate_status(candidate, job_position_id="pos_1")


def busy_async(stop: threading.Event) -> None:
    async def main() -> None:
        while not stop.is_set():
            await asyncio.gather(
                *(async_client.get_candidate_status(candidate, job_position_id="pos_1") for _ in range(8))
            )

    asyncio.run(main())


def work(_: int) -> int:
    check()
    return os.getpid()


check()
if way == "fork":
    fork_and_check(depth=3)
elif way == "fork-while-busy":
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for work in (busy, busy, busy_async)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        fork_and_check()
        check()
    stop.set()
    for thread in threads:
        thread.join()
elif way == "fork-inside-a-loop":

    async def main() -> None:
        calls = [
            asyncio.ensure_future(async_client.get_candidate_status(candidate, job_position_id="pos_1"))
            for _ in range(8)
        ]
        await asyncio.sleep(0)
        pid = os.fork()
        if pid == 0:
            # The child must not use its parent's loop, so it runs its own in another thread.
            def check_and_exit() -> None:
                check()
                os._exit(0)

            thread = threading.Thread(target=check_and_exit)
            thread.start()
            thread.join()
            os._exit(1)
        assert [(await call).status for call in calls] == ["new"] * 8
        assert (await asyncio.to_thread(os.waitpid, pid, 0))[1] == 0
        assert (await async_client.get_candidate_status(candidate, job_position_id="pos_1")).status == "new"

    asyncio.run(main())
elif way == "inherited-loop":
    # Old code keeps one loop in a global variable and runs it in both processes.
    loop = asyncio.new_event_loop()

    def check() -> None:
        state = loop.run_until_complete(async_client.get_candidate_status(candidate, job_position_id="pos_1"))
        assert state.status == "new"

    check()
    fork_and_check(depth=3)
elif way == "multiprocessing":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert os.getpid() not in pool.map(work, range(30))
elif way == "client-not-used-before":
    # Created and never used: the child is the first to start the runtime.
    client = celper.Celper(rate_limits=None)
    fork_and_check()
elif way == "signal-handler":

    def handler(*_: object) -> None:
        global child
        child = os.fork()

    child = -1
    signal.signal(signal.SIGUSR1, handler)
    parent = os.getpid()

    def send_signal() -> None:
        # The test writes a line when the request has reached the sandbox.
        sys.stdin.readline()
        os.kill(parent, signal.SIGUSR1)

    threading.Thread(target=send_signal, daemon=True).start()
    try:
        client.invite_candidate(slow, job_position_id="pos_1", timeout=5, max_retries=0)
    except celper.ConnectionFailedError as error:
        # In the child, which cannot finish the parent's call.
        assert child == 0
        assert error.outcome_unknown
        check()
        os._exit(0)
    except celper.RequestTimeoutError:
        assert child > 0
    assert os.waitpid(child, 0)[1] == 0
else:
    raise SystemExit(f"unknown way {way}")
check()
print("done")
