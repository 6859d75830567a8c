"""Runs a batch in the given way: `batches.py WAY ARGUMENT…`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator

import celper

way, *arguments = sys.argv[1:]


def check_child(pid: int) -> None:
    assert os.waitpid(pid, 0)[1] == 0, "the child failed"


def statuses() -> Iterator[celper.StatusRequest]:
    return (celper.StatusRequest(candidate, job_position_id="pos_1") for candidate in arguments)


if way == "journal":
    journal, *candidates = arguments
    requests = [celper.InviteRequest(candidate, job_position_id="pos_1") for candidate in candidates]
    for _ in celper.Celper(rate_limits=None).batch(requests, journal=journal):
        print("item", flush=True)
elif way == "ctrl-c":

    class Announced(celper.Batch[celper.StatusRequest]):
        def stop(self) -> None:
            print("closing", flush=True)
            super().stop()

    # A shell's background jobs ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Announced(celper.Celper(rate_limits=None)._native, statuses(), None, None, None) as announced:
            next(announced)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    time.sleep(600)
elif way == "fork":
    with celper.Celper(rate_limits=None).batch(statuses()) as batch:
        next(batch)
        pid = os.fork()
        if pid == 0:
            for use in (lambda: next(batch), lambda: batch.progress, batch.stop, batch.close):
                try:
                    use()
                except celper.ConnectionFailedError as error:
                    assert "forked during the batch" in str(error)
                else:
                    os._exit(1)
            # The client works, and makes batches of its own.
            assert len(list(celper.Celper(rate_limits=None).batch(statuses()))) == len(arguments)
            # Leaving the block raises nothing else.
            sys.exit(0)
        check_child(pid)
        assert len(list(batch)) == len(arguments) - 1
    print("done")
elif way == "fork-async":

    async def main() -> None:
        async with celper.AsyncCelper(rate_limits=None).batch(statuses()) as batch:
            await anext(batch)
            pid = os.fork()
            if pid == 0:

                async def use() -> None:
                    await anext(batch)

                try:
                    use().send(None)
                except celper.ConnectionFailedError as error:
                    assert "forked during the batch" in str(error)
                    os._exit(0)
                os._exit(1)
            await asyncio.to_thread(check_child, pid)
            assert len([item async for item in batch]) == len(arguments) - 1

    asyncio.run(main())
    print("done")
else:
    raise SystemExit(f"unknown way {way}")
