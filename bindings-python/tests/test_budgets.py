"""The time that importing takes."""

from __future__ import annotations

import subprocess
import sys

# Of the time that importing asyncio takes: an absolute time would depend on the machine and its load.
BUDGET = 1 / 3


def test_import_time_and_imported_modules() -> None:
    def run(module: str) -> list[str]:
        program = f"""
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import {module}
took = time.perf_counter() - start
print(took * 1e3, *sorted(set(sys.modules) - before))
"""
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
        return done.stdout.split()

    runs, of_asyncio = [], []
    for _ in range(15):
        took, *modules = run("celper")
        runs.append(float(took))
        of_asyncio.append(float(run("asyncio")[0]))
    assert not {"asyncio", "logging", "typing", "dataclasses", "inspect", "ssl", "socket"} & set(modules), modules
    # The fastest run is the closest to the import alone: other processes slow the others down.
    print(f"import celper: {min(runs):.1f} ms at best, asyncio {min(of_asyncio):.1f} ms")
    assert min(runs) < BUDGET * min(of_asyncio)
