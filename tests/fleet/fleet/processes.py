"""Starts a fleet of processes against a sandbox, and counts their requests there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from celper_sandbox import Limits, Sandbox

WORKERS = Path(__file__).parents[1] / "workers"
COMMANDS = {"python": [sys.executable, str(WORKERS / "worker.py")], "node": ["node", str(WORKERS / "worker.mjs")]}
READS = 40


@dataclass
class Worker:
    """One process, which asks for the status of the candidate with its name."""

    name: str
    language: str
    process: subprocess.Popen[bytes]
    output_file: Path

    @property
    def output(self) -> str:
        """What it has printed, its log included."""
        return self.output_file.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@dataclass(frozen=True)
class Request:
    """A request at the service."""

    worker: str
    at: float
    status: int | None


class Fleet:
    """Processes of one company, and the service.

    Args:
        folder: Where they have their temporary files.
        window: The length of the rate windows in seconds.
        attempt_timeout: How long one of their requests may take.
        in_flight: How many calls each makes at once.
        limits: The limits that each knows; the service's by default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window: float = 1.0,
        attempt_timeout: float = 10.0,
        in_flight: int = 6,
        limits: dict[str, int] | None = None,
    ) -> None:
        self.folder = folder
        self.window = window
        self.options = {
            "window": window,
            "attempt_timeout": attempt_timeout,
            "in_flight": in_flight,
            "limits": limits or {},
        }
        self.variables: dict[str, str] = {}
        """Further environment variables of the processes."""
        self.sandbox = Sandbox(limits=Limits(reads=READS, window=window))
        self.workers: list[Worker] = []

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            if worker.process.stdin:
                worker.process.stdin.close()
            if error:
                print(f"── {worker.name} ({worker.language}) ──\n{worker.output[-2_000:]}")
        self.sandbox.close()

    def environment(self, candidate: str, store: str) -> dict[str, str]:
        """The environment of a process, without the developer's own settings for Celper."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CELPER_")}
        own = {"FLEET": json.dumps({**self.options, "candidate": candidate}), "CELPER_RATE_LIMIT_STORE": store}
        return ours | self.sandbox.environment | own | {"TMPDIR": str(self.folder)} | self.variables

    def start(self, language: str, store: str) -> Worker:
        """Start one more process."""
        name = f"{language}_{len(self.workers)}"
        self.sandbox.create_candidate(name)
        output = self.folder / f"{name}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                COMMANDS[language],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment(name, store),
            )
        worker = Worker(name, language, process, output)
        self.workers.append(worker)
        return worker

    def start_all(self, store: str, count: int = 8) -> None:
        """Start processes in both languages, and wait until all of them make calls."""
        for number in range(count):
            self.start(("python", "node")[number % 2], store)
        self.wait_for_each(1)

    def requests(self, since: float = 0) -> list[Request]:
        """The requests that the service got, in order."""
        shown: list[dict[str, Any]] = self.sandbox.control("requests")
        requests = [Request(one["candidateId"], one["receivedAt"], one["answered"]) for one in shown]
        return [request for request in requests if request.at >= since]

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition that comes true on a machine of any speed."""
        deadline = time.monotonic() + 45
        while not condition():
            for worker in self.workers:
                ended = worker.process.poll()
                assert ended in (None, -signal.SIGKILL), f"{worker.name} ended with {ended}: {worker.output[-2_000:]}"
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)

    def wait_for_each(self, calls: int, since: float = 0, workers: Iterable[Worker] | None = None) -> None:
        """Wait until each process has made this many calls."""
        names = [worker.name for worker in (self.workers if workers is None else workers)]

        def done() -> bool:
            counts = Counter(request.worker for request in self.requests(since))
            return all(counts[name] >= calls for name in names)

        self.wait_until(done, f"{calls} calls of each of {names}")

    def wait_for_all(self, calls: int, since: float) -> Counter[str]:
        """Wait for the next calls of all processes, and return how many each made."""
        self.wait_until(lambda: len(self.requests(since)) >= calls, f"{calls} calls")
        return Counter(request.worker for request in self.requests(since)[:calls])

    def most_in_a_window(self, since: float, workers: Iterable[Worker]) -> int:
        """The most requests of some processes in any window's length."""
        names = {worker.name for worker in workers}
        times = [request.at for request in self.requests(since) if request.worker in names]
        return max((sum(at <= other < at + self.window for other in times) for at in times), default=0)

    def wait_for_full_windows(self, since: float, workers: Iterable[Worker]) -> None:
        """Wait until processes use all slots of a window, except two that may be late."""
        workers = list(workers)
        self.wait_until(lambda: self.most_in_a_window(since, workers) >= READS - 2, "a full window")

    def check(self, *excused: Worker) -> None:
        """End the processes, and check that no request was refused and no call failed, but for the excused."""
        for worker in self.workers:
            if worker.process.stdin:
                worker.process.stdin.close()
        for worker in self.workers:
            assert worker.process.wait(20) in (0, -signal.SIGKILL), worker.output
            errors = [line for line in worker.output.splitlines() if line.startswith("error ")]
            assert not errors or worker in excused, errors[:5]
        refused = [request for request in self.requests() if request.status == 429]
        assert (refused, self.sandbox.control("windows")["refused"]) == ([], 0)
