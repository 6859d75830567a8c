"""The load "fleet": 1 to 8 processes that share one company's limits. Writes `results/fleet.md`.

`--windows` shortens it: a trial on a busy machine says whether it works, not how well.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "fleet"))

from fleet.processes import COMMANDS, READS, Fleet, Request  # noqa: E402
from fleet.valkey import Valkey  # noqa: E402

RESULTS = HERE.parent / "results"
PYTHON = str(HERE.parent / "python/.venv/bin/python")
SCRIPTS = ("eval", "evalsha", "script|load")
# Enough of them for 10,000 requests of the shared stores.
WINDOWS = {"machine": 32, "redis": 32}
COST_CALLS = 400
COST_ROUNDS = 15


@dataclass(frozen=True)
class Contender:
    """One way to share the limits, and how its processes are started."""

    name: str
    store: str
    commands: tuple[str, ...]
    window: int = 3


for library in ("limits", "pyrate-limiter"):
    COMMANDS[library] = [PYTHON, str(HERE / "limiters.py"), library]
for library in ("bottleneck", "rate-limiter-flexible"):
    COMMANDS[library] = ["node", str(HERE / "limiters.mjs"), library]

CONTENDERS = [
    *(Contender(f"celper, {store}", store, ("python", "node")) for store in ("machine", "redis", "process")),
    Contender("limits (Python)", "redis", ("limits",)),
    Contender("pyrate-limiter (Python)", "redis", ("pyrate-limiter",)),
    # Its interval must be a multiple of 5 s in a cluster.
    Contender("bottleneck (Node)", "redis", ("bottleneck",), window=5),
    Contender("rate-limiter-flexible (Node)", "redis", ("rate-limiter-flexible",)),
]


@dataclass(frozen=True)
class Line:
    """What some processes did."""

    contender: str
    processes: int
    share: float
    requests: int
    refused: int
    jain: float
    steps: float | None


def jain(counts: list[int]) -> float:
    """1 if all have the same, 1 ÷ their number if one has everything."""
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts) or 1)


def steps(valkey: Valkey) -> int:
    """How often scripts were called or loaded."""
    lines = valkey.command("INFO commandstats").splitlines()
    return sum(
        int(line.split("calls=")[1].split(",")[0])
        for line in lines
        if any(line.startswith(f"cmdstat_{script}:") for script in SCRIPTS)
    )


def measure(contender: Contender, processes: int, windows: int) -> Line:
    """Let processes make calls as fast as they may, until they have had this many windows after the first."""
    wanted = READS * (windows + 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        Valkey() as valkey,
        Fleet(Path(folder), window=contender.window, in_flight=8) as fleet,
    ):
        store = valkey.url if contender.store == "redis" else contender.store
        for number in range(processes):
            fleet.start(contender.commands[number % len(contender.commands)], store)
        deadline = time.monotonic() + 20 + 3 * contender.window * windows
        accepted: list[Request] = []
        while len(accepted) < wanted and time.monotonic() < deadline:
            time.sleep(0.5)
            for worker in fleet.workers:
                assert worker.process.poll() is None, worker.output
            requests = fleet.requests()
            accepted = [request for request in requests if request.status == 200]
        steps_made = steps(valkey) if contender.store == "redis" else None
        names = [worker.name for worker in fleet.workers]
    accepted = accepted[:wanted]
    last = accepted[-1].at
    made = [request for request in requests if request.at <= last]
    # The first window's requests need not wait.
    used = (len(accepted) - READS) / READS * contender.window / (last - accepted[0].at)
    # Without the start, when not all of them are there.
    counts = Counter(request.worker for request in accepted[2 * READS :])
    return Line(
        contender.name,
        processes,
        used,
        len(made),
        sum(request.status == 429 for request in made),
        jain([counts[name] for name in names]),
        steps_made and steps_made / len(requests),
    )


def grant_costs() -> dict[str, float]:
    """The µs that a call which need not wait takes longer with a store than without pacing; and a round trip to the server."""
    from celper_sandbox import Sandbox

    import celper

    # Short windows: as many slots in the log as there are with the service's, and always a free one.
    limits = celper.RateLimits(reads=200, actions=200, total=200, window=0.01)
    with Sandbox() as sandbox, Valkey() as valkey:
        sandbox.create_candidate("cand")
        os.environ.update(sandbox.environment)
        clients: dict[str, celper.Celper] = {}
        for name, store in {"none": "process", "process": "process", "machine": "machine", "redis": valkey.url}.items():
            os.environ["CELPER_RATE_LIMIT_STORE"] = store
            clients[name] = celper.Celper(rate_limits=None if name == "none" else limits)
        times: dict[str, list[float]] = {name: [] for name in [*clients, "round trip"]}
        connection = socket.create_connection(("127.0.0.1", valkey.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(COST_ROUNDS):
            for name, client in clients.items():
                begin = time.perf_counter()
                for _ in range(COST_CALLS):
                    client.get_candidate_status("cand", job_position_id="pos_1")
                times[name].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            for _ in range(COST_CALLS):
                connection.sendall(b"PING\r\n")
                connection.recv(100)
            times["round trip"].append(time.perf_counter() - begin)
        connection.close()
    us = {name: statistics.median(of) / COST_CALLS * 1e6 for name, of in times.items()}
    return {name: us[name] - us["none"] for name in ("process", "machine", "redis")} | {"round trip": us["round trip"]}


def targets(lines: list[Line], costs: dict[str, float]) -> list[tuple[bool, str]]:
    """Which targets are met."""
    shared = [line for line in lines if line.contender in ("celper, machine", "celper, redis")]
    requests, refused = sum(line.requests for line in shared), sum(line.refused for line in shared)
    verdicts = [
        (refused == 0 and requests >= 10_000, f"0 of at least 10,000 requests refused: {refused} of {requests:,}")
    ]
    for line in shared:
        least = {1: 0.99, 8: 0.98}.get(line.processes)
        name = f"{line.contender}, {line.processes} processes"
        if least:
            verdicts.append((line.share >= least, f"{name}: at least {least:.0%} of the rate: {line.share:.2%}"))
        verdicts.append((line.jain >= 0.98, f"{name}: Jain's index at least 0.98: {line.jain:.3f}"))
        if line.steps:
            verdicts.append((line.steps <= 2.5, f"{name}: at most 2.5 steps per grant: {line.steps:.2f}"))
    # A call makes two steps: one for its slot, and one when it has its response.
    step = costs["machine"] / 2
    verdicts.append((step <= 30, f"at most 30 µs for a step by file: {step:.0f} µs"))
    return verdicts


def markdown(lines: list[Line], costs: dict[str, float]) -> str:
    """The page of results."""
    text = [
        "# Processes that share the rate limits",
        "",
        f"Measured by `make bench-fleet` on {os.cpu_count()} cores. The [README](../README.md#fleet) explains it.",
        "",
        *(f"- {'met' if met else '**MISSED**'}: {what}" for met, what in targets(lines, costs)),
        "",
        "| | processes | share of the rate | 429s | requests | Jain | store steps per request |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        per_request = "–" if line.steps is None else f"{line.steps:.2f}"
        text.append(
            f"| {line.contender} | {line.processes} | {line.share:.1%} | {line.refused} | {line.requests:,} "
            f"| {line.jain:.3f} | {per_request} |"
        )
    text += [
        "",
        "| a call that need not wait | µs more than without pacing |",
        "|---|---|",
        *(f"| `{store}` | {costs[store]:.0f} |" for store in ("process", "machine", "redis")),
        f"| for comparison: one `PING` to the server | {costs['round trip']:.0f} |",
        "",
    ]
    return "\n".join(text)


def main() -> None:
    """Measure everything, or what the options name."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--windows", type=int, help="windows in each configuration after the first, at least 2")
    options.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4, 8])
    options.add_argument("--only", default="", help="a part of the name of the ways to measure")
    options.add_argument("--dry", action="store_true", help="print the results, and leave the committed ones")
    chosen = options.parse_args()
    lines = []
    for contender in CONTENDERS:
        if chosen.only not in contender.name:
            continue
        default = WINDOWS.get(contender.store, 10) if contender.name.startswith("celper") else 10
        for processes in chosen.processes:
            lines.append(measure(contender, processes, chosen.windows or default))
            print(json.dumps(asdict(lines[-1])), file=sys.stderr, flush=True)
    text = markdown(lines, grant_costs())
    print(text)
    if not chosen.dry:
        (RESULTS / "fleet.md").write_text(text)


if __name__ == "__main__":
    main()
