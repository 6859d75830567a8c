"""Measures the clients of a language in turns, so that other load on the machine affects all of them."""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from languages import CELPER, HELD, HELD_REQUEST, Language, Load
from process import ClientError, Server, Worker

ROUNDS = 7
ROUND_SECONDS = 0.3
STARTS = 7
HELD_STARTS = 3
FIELDS = ["wall_us", "cpu_us", "main_cpu_us", "peak_kb"]

Line = dict[str, Any]


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(language: Language, server: Server) -> list[Line]:
    """Measure all clients of a language; return lines with medians."""
    log(f"{language.title}: starting each of {', '.join(language.clients)} {STARTS} times")
    workers, lines = start_up(language, server)
    for load in language.loads:
        log(f"{language.title}: {load.name}")
        names = [name for name in language.clients if name == CELPER or not load.only_celper]
        lines += rounds(language, load, {name: workers[name] for name in names}, server)
    for worker in workers.values():
        worker.close()
    if language.held_command:
        log(f"{language.title}: memory of {HELD} calls in flight")
        lines += [held(language, name, server) for name in language.clients]
    return lines


def start_up(language: Language, server: Server) -> tuple[dict[str, Worker], list[Line]]:
    """Start every client several times; keep the last process of each."""
    ready: dict[str, list[Line]] = {name: [] for name in language.clients}
    workers: dict[str, Worker] = {}
    # The first start of each fills the file system's caches and is not counted.
    for start in range(STARTS + 1):
        for name in language.clients:
            worker = Worker(language.command(name), language.launcher, server.base_url)
            if start > 0:
                ready[name].append(worker.ready)
            if start == STARTS:
                workers[name] = worker
            else:
                worker.close()
    sizes = language.sizes()
    lines = [
        {"language": language.name, "load": "start-up", "client": name}
        | {field: statistics.median(one[field] for one in ready[name]) for field in ("load_us", "first_us")}
        | sizes.get(name, {})
        for name in language.clients
    ]
    return workers, lines


def rounds(language: Language, load: Load, workers: dict[str, Worker], server: Server) -> list[Line]:
    first = language.first_warm_up if load == language.loads[0] else 0
    seconds = max(language.warm_up, first)
    calls = {name: calls_per_round(load, worker, seconds) for name, worker in workers.items()}
    costs: dict[str, list[Line]] = {name: [] for name in workers}
    names = list(workers)
    for turn in range(ROUNDS):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before = server.cpu_us()
            cost = workers[name].run(load.request(calls[name]))
            costs[name].append(cost | {"server_cpu_us": (server.cpu_us() - before) / cost["calls"]})
    return [summary(language, load, name, costs[name]) for name in workers]


def calls_per_round(load: Load, worker: Worker, seconds: float) -> int:
    """Warm up the client, and return the number of calls in a round."""
    unit = load.in_flight * load.threads
    calls, spent = unit, 0.0
    while True:
        per_call: float = worker.run(load.request(calls))["wall_us"] / 1e6
        spent += per_call * calls
        calls = unit * max(1, round(ROUND_SECONDS / per_call / unit))
        if spent >= seconds:
            return calls


def summary(language: Language, load: Load, client: str, costs: list[Line]) -> Line:
    return (
        {"language": language.name, "load": load.name, "client": client, "calls": costs[0]["calls"]}
        | {field: statistics.median(cost[field] for cost in costs) for field in FIELDS}
        | {
            "wall_us_least": min(cost["wall_us"] for cost in costs),
            "wall_us_most": max(cost["wall_us"] for cost in costs),
            # The mean, because the kernel counts this time in hundredths of a second.
            "server_cpu_us": statistics.mean(cost["server_cpu_us"] for cost in costs),
        }
    )


def held(language: Language, client: str, server: Server) -> Line:
    """The memory of one call that waits for its response, including its connection, in fresh processes."""
    assert language.held_command
    found: list[float] = []
    for _ in range(HELD_STARTS):
        worker = Worker(language.held_command(client), language.launcher, server.base_url)
        worker.send(HELD_REQUEST)
        deadline = time.monotonic() + 60
        while (waiting := server.get("/waiting")) < HELD:
            if time.monotonic() > deadline:
                raise ClientError(f"{client}: {waiting} of {HELD} calls arrived")
            time.sleep(0.05)
        found.append(worker.run({"measure": True})["bytes"])
        server.get("/release")
        worker.read()
        worker.close()
    return {
        "language": language.name,
        "load": f"{HELD} in flight, held",
        "client": client,
        "bytes_per_call": statistics.median(found),
    }
