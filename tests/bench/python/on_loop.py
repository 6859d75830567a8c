"""Runs rounds of asynchronous calls, sequential or concurrent, on asyncio's or uvloop's event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from typing import Any

import clients_async
import expected
import protocol

EMAIL_BODY = "x" * 1_000


async def call(client: Any, operation: str) -> None:
    """Make one call and check its result."""
    if operation == "invite":
        expected.check_invitation(await client.invite("cand_xyz789", EMAIL_BODY))
    elif operation == "missing":
        try:
            await client.status("unknown")
        except client.error as error:
            expected.check_error(error)
        else:
            raise AssertionError("an unknown candidate has a status")
    else:
        expected.check_state(await client.status("held" if operation == "held" else "cand_xyz789"))


class BusyThread:
    """A thread that computes in Python and so competes for the GIL."""

    def __enter__(self) -> None:
        self.stop = False
        self.thread = threading.Thread(target=self.compute)
        self.thread.start()

    def compute(self) -> None:
        number = 0
        while not self.stop:
            number = (number * 31 + 7) % 1_000_003

    def __exit__(self, *_: object) -> None:
        self.stop = True
        self.thread.join()


async def in_flight(client: Any, operation: str, calls: int, callers: int) -> None:
    async def caller() -> None:
        for _ in range(calls // callers):
            await call(client, operation)

    await asyncio.gather(*(caller() for _ in range(callers)))


async def held(client: Any, calls: int) -> None:
    """Measure the memory of each of a number of calls for which the server withholds its responses."""
    loop = asyncio.get_running_loop()
    before = protocol.resident_bytes()
    all_calls = asyncio.ensure_future(in_flight(client, "held", calls, calls))
    # The runner writes a line when all calls have arrived, and releases them later.
    await loop.run_in_executor(None, protocol.request)
    protocol.write({"calls": calls, "bytes": (protocol.resident_bytes() - before) / calls})
    await all_calls
    protocol.write({"done": True})


async def rounds(name: str, base_url: str, load_us: float) -> None:
    client = clients_async.CLIENTS[name](base_url)
    await call(client, "status")
    protocol.ready(load_us)
    expected.check_decisions(await client.select("cand_xyz789"), await client.reject("cand_xyz789"))
    paced = clients_async.Celper(base_url, paced=True) if name == "celper" else None
    loop = asyncio.get_running_loop()
    while request := await loop.run_in_executor(None, protocol.request):
        calls = request["calls"]
        if request["operation"] == "held":
            await held(client, calls)
            continue
        with BusyThread() if request["busy"] else nullcontext():
            protocol.reset_peak()
            start = protocol.Usage.now()
            await in_flight(paced if request["paced"] else client, request["operation"], calls, request["in_flight"])
            protocol.write(start.per_call(calls))


def run(name: str, base_url: str, load_us: float, with_uvloop: bool) -> None:
    if with_uvloop:
        import uvloop

        uvloop.run(rounds(name, base_url, load_us))
    else:
        asyncio.run(rounds(name, base_url, load_us))
