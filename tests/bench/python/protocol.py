"""The runner's JSON lines, and this process's CPU time and memory."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def write(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def ready(load_us: float) -> None:
    """Report the start-up times, after the first call."""
    write({"load_us": load_us, "first_us": (time.time() - float(os.environ["BENCH_STARTED"])) * 1e6})


def request() -> dict[str, Any] | None:
    """The next request, or None at the end."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


@dataclass(frozen=True)
class Usage:
    wall: float
    cpu: float
    main: float

    @staticmethod
    def now() -> Usage:
        return Usage(time.perf_counter(), time.process_time(), time.thread_time())

    def per_call(self, calls: int) -> dict[str, Any]:
        """The times since then, divided by a number of calls."""
        now = Usage.now()
        times = {"wall_us": now.wall - self.wall, "cpu_us": now.cpu - self.cpu, "main_cpu_us": now.main - self.main}
        return {"calls": calls, "peak_kb": peak_kb()} | {name: value * 1e6 / calls for name, value in times.items()}


def reset_peak() -> None:
    """Reset the kernel's record of this process's peak size."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
