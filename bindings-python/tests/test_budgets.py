"""The time that importing takes."""

from __future__ import annotations

import subprocess
import sys

BUDGET_MS = 15.0


def test_import_time_and_imported_modules() -> None:
    program = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import celper
took = time.perf_counter() - start
print(took * 1e3, *sorted(set(sys.modules) - before))
"""
    runs = []
    for _ in range(15):
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
        took, *modules = done.stdout.split()
        runs.append(float(took))
    assert not {"asyncio", "logging", "typing", "dataclasses", "inspect", "ssl", "socket"} & set(modules), modules
    # The fastest run is the closest to the import alone: other processes slow the others down.
    print(
        f"import celper: minimum {min(runs):.1f} ms, median {sorted(runs)[len(runs) // 2]:.1f} ms, budget {BUDGET_MS} ms"
    )
    assert min(runs) < BUDGET_MS
