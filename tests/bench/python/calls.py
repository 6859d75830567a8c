"""The Python client beside what its users would pick instead, on one loopback server, alternating, in one run.

`make bench-python` runs it. Figures are microseconds a call; ratios are of medians over the rounds. Every client does the same
work: an idempotent GET, its JSON read and checked into a typed value.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import niquests
import pyreqwest.client
import requests
import urllib3
import uvloop

import celper

KEY = "celp_0123456789abcdef0123456789abcdef"
ROUNDS = 9
IN_FLIGHT = 64
# Slow clients make fewer calls, so that a round of each takes about as long.
CALLS = {"celper": 6_000, "pyreqwest": 4_000, "aiohttp": 3_000, "http.client": 3_000, "urllib3": 1_500}
FEW_CALLS = 600


@dataclass(frozen=True)
class State:
    status: str
    analysis_viewed: bool
    interview_score: float | None
    request_id: str


def read(status: int, body: bytes) -> State:
    if status != 200:
        raise ValueError(status)
    envelope = json.loads(body)
    if envelope["success"] is not True:
        raise ValueError(body)
    data = envelope["data"]
    return State(data["status"], data["analysisViewed"], data["interviewScore"], envelope["requestId"])


class Server:
    def __init__(self, binary: str) -> None:
        self.process = subprocess.Popen([binary, "serve"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.base_url = self.process.stdout.readline().strip()
        self.url = f"{self.base_url}/v1/candidates/cand_xyz789/status?jobPositionId=pos_abc123"


AsyncCall = Callable[[], Awaitable[Any]]


async def async_clients(server: Server, stack: AsyncExitStack) -> dict[str, AsyncCall]:
    headers = {"X-API-Key": KEY}
    ours = await stack.enter_async_context(celper.AsyncCelper(KEY, base_url=server.base_url, rate_limits=None))

    async def by_celper() -> celper.CandidateState:
        return await ours.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

    aio = await stack.enter_async_context(
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=IN_FLIGHT))
    )

    async def by_aiohttp() -> State:
        async with aio.get(server.url) as answer:
            return read(answer.status, await answer.read())

    py = await stack.enter_async_context(pyreqwest.client.ClientBuilder().default_headers(headers).build())

    async def by_pyreqwest() -> State:
        answer = await py.get(server.url).build().send()
        return read(answer.status, bytes(await answer.bytes()))

    hx = await stack.enter_async_context(
        httpx.AsyncClient(headers=headers, limits=httpx.Limits(max_connections=IN_FLIGHT), trust_env=False)
    )

    async def by_httpx() -> State:
        answer = await hx.get(server.url)
        return read(answer.status_code, answer.content)

    ni = await stack.enter_async_context(niquests.AsyncSession(pool_maxsize=IN_FLIGHT))

    async def by_niquests() -> State:
        answer = await ni.get(server.url, headers=headers)
        return read(answer.status_code or 0, answer.content or b"")

    return {
        "celper": by_celper,
        "pyreqwest": by_pyreqwest,
        "aiohttp": by_aiohttp,
        "niquests": by_niquests,
        "httpx": by_httpx,
    }


def sync_clients(server: Server) -> dict[str, Callable[[], object]]:
    headers = {"X-API-Key": KEY}
    ours = celper.Celper(KEY, base_url=server.base_url, rate_limits=None)
    host = server.base_url.removeprefix("http://")
    path = server.url.removeprefix(server.base_url)
    plain = http.client.HTTPConnection(host)
    pool = urllib3.HTTPConnectionPool(*host.split(":"), headers=headers)  # type: ignore[arg-type]
    session = requests.Session()
    session.headers.update(headers)
    session.trust_env = False
    hx = httpx.Client(headers=headers, trust_env=False)
    ni = niquests.Session()
    py = pyreqwest.client.SyncClientBuilder().default_headers(headers).build()

    def by_celper() -> object:
        return ours.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

    def by_http_client() -> object:
        plain.request("GET", path, headers=headers)
        answer = plain.getresponse()
        return read(answer.status, answer.read())

    def by_urllib3() -> object:
        answer = pool.request("GET", path)
        return read(answer.status, answer.data)

    def by_requests() -> object:
        answer = session.get(server.url)
        return read(answer.status_code, answer.content)

    def by_httpx() -> object:
        answer = hx.get(server.url)
        return read(answer.status_code, answer.content)

    def by_niquests() -> object:
        answer = ni.get(server.url, headers=headers)
        return read(answer.status_code or 0, answer.content or b"")

    def by_pyreqwest() -> object:
        answer = py.get(server.url).build().send()
        return read(answer.status, bytes(answer.bytes()))

    return {
        "celper": by_celper,
        "pyreqwest": by_pyreqwest,
        "http.client": by_http_client,
        "urllib3": by_urllib3,
        "httpx": by_httpx,
        "niquests": by_niquests,
        "requests": by_requests,
    }


class Busy:
    """A thread that computes in Python, and so wants the GIL all the time."""

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


@dataclass
class Cost:
    wall: float
    cpu: float
    own_thread: float

    @staticmethod
    def now() -> Cost:
        """What has been spent so far."""
        return Cost(time.perf_counter(), time.process_time(), time.thread_time())

    def per_call(self, calls: int) -> Cost:
        """What has been spent since this, for each of so many calls."""
        now = Cost.now()
        spent = (now.wall - self.wall, now.cpu - self.cpu, now.own_thread - self.own_thread)
        return Cost(*(seconds * 1e6 / calls for seconds in spent))


def medians(rounds: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, name) for cost in rounds) for name in ("wall", "cpu", "own_thread")))


def table(title: str, costs: dict[str, list[Cost]]) -> dict[str, float]:
    ours = medians(costs["celper"])
    print(f"\n{title}\n  {'':12} {'wall':>9} {'cpu':>9} {'own thread':>11} {'wall × celper':>14}")
    for name, rounds in costs.items():
        cost = medians(rounds)
        print(
            f"  {name:12} {cost.wall:9.1f} {cost.cpu:9.1f} {cost.own_thread:11.1f} {cost.wall / ours.wall:14.2f}",
            flush=True,
        )
    return {name: medians(rounds).wall for name, rounds in costs.items()}


def asynchronous(
    title: str, server: Server, new_loop: Callable[[], asyncio.AbstractEventLoop], in_flight: int
) -> dict[str, float]:
    async def main() -> dict[str, list[Cost]]:
        costs: dict[str, list[Cost]] = {}
        async with AsyncExitStack() as stack:
            clients = await async_clients(server, stack)
            for turn in range(ROUNDS + 1):
                for name, call in clients.items():
                    calls = CALLS.get(name, FEW_CALLS) // in_flight * in_flight

                    async def caller(call: AsyncCall = call, number: int = calls // in_flight) -> None:
                        for _ in range(number):
                            await call()

                    start = Cost.now()
                    await asyncio.gather(*(caller() for _ in range(in_flight)))
                    cost = start.per_call(calls)
                    # The first round fills connection pools and caches.
                    if turn:
                        costs.setdefault(name, []).append(cost)
        return costs

    loop = new_loop()
    try:
        return table(title, loop.run_until_complete(main()))
    finally:
        loop.close()


def beside_a_busy_thread(server: Server) -> float:
    """How many times slower calls are beside a thread that computes; with and without alternate."""

    async def main() -> tuple[list[float], list[float]]:
        alone: list[float] = []
        beside: list[float] = []
        async with celper.AsyncCelper(KEY, base_url=server.base_url, rate_limits=None) as client:

            async def caller(number: int) -> None:
                for _ in range(number):
                    await client.get_candidate_status("cand_xyz789", job_position_id="pos_abc123")

            async def load() -> float:
                start = time.perf_counter()
                await asyncio.gather(*(caller(60) for _ in range(IN_FLIGHT)))
                return (time.perf_counter() - start) * 1e6 / (60 * IN_FLIGHT)

            await load()
            for _ in range(ROUNDS):
                alone.append(await load())
                with Busy():
                    beside.append(await load())
        return alone, beside

    alone, beside = map(statistics.median, asyncio.run(main()))
    print(
        f"\n{IN_FLIGHT} in flight: {alone:.1f} µs a call alone, {beside:.1f} beside a busy Python thread: × {beside / alone:.2f}"
    )
    return beside / alone


def one_after_another(server: Server) -> dict[str, float]:
    costs: dict[str, list[Cost]] = {}
    clients = sync_clients(server)
    for turn in range(ROUNDS + 1):
        for name, call in clients.items():
            calls = CALLS.get(name, FEW_CALLS)
            start = Cost.now()
            for _ in range(calls):
                call()
            cost = start.per_call(calls)
            if turn:
                costs.setdefault(name, []).append(cost)
    return table("synchronous, one after another", costs)


def main(binary: str) -> None:
    server = Server(binary)
    lines: list[tuple[str, float, float]] = []
    try:
        for name, new_loop in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
            wall = asynchronous(f"{name}, {IN_FLIGHT} in flight", server, new_loop, IN_FLIGHT)
            lines.append((f"{name}: aiohttp's time a call by celper's, at least", wall["aiohttp"] / wall["celper"], 3))
            lines.append(
                (f"{name}: pyreqwest's time a call by celper's, at least", wall["pyreqwest"] / wall["celper"], 2)
            )
        asynchronous("asyncio, one after another", server, asyncio.new_event_loop, 1)
        wall = one_after_another(server)
        lines.append(("sync: pyreqwest's time a call by celper's, at least", wall["pyreqwest"] / wall["celper"], 1))
        lines.append(("sync: httpx's time a call by celper's, at least", wall["httpx"] / wall["celper"], 3))
        slower = beside_a_busy_thread(server)
    finally:
        server.process.kill()
    print("\ntargets")
    for what, figure, target in lines:
        print(f"  {'ok  ' if figure >= target else 'MISS'} {what} {target}: {figure:.2f}")
    print(f"  {'ok  ' if slower <= 3 else 'MISS'} beside a busy thread, at most 3 times slower: {slower:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
