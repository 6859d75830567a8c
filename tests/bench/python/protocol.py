"""Lines from and to the runner, and what a process has spent so far."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def write(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def ready(load_us: float) -> None:
    """After the first call."""
    write({"load_us": load_us, "first_us": (time.time() - float(os.environ["BENCH_STARTED"])) * 1e6})


def request() -> dict[str, Any] | None:
    """What to do next, or None at the end."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float
    main: float

    @staticmethod
    def now() -> Spent:
        return Spent(time.perf_counter(), time.process_time(), time.thread_time())

    def answer(self, calls: int) -> dict[str, Any]:
        """What has been spent since this, for each of so many calls."""
        now = Spent.now()
        spent = {"wall_us": now.wall - self.wall, "cpu_us": now.cpu - self.cpu, "main_cpu_us": now.main - self.main}
        return {"calls": calls, "peak_kb": peak_kb()} | {name: value * 1e6 / calls for name, value in spent.items()}


def forget_peak() -> None:
    """Lets the system's record of this process's largest size begin again."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
