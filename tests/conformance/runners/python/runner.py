"""The Python runner: makes the calls that the harness requests, through the package's public API.

`runner.py sync` uses `celper.Celper`, `runner.py async` uses `celper.AsyncCelper`.
"""

from __future__ import annotations

import sys

import async_runner
import sync_runner
from protocol import write

MODES = {"sync": sync_runner.run, "async": async_runner.run}


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in MODES:
        sys.exit("usage: runner.py sync|async")
    write({"ready": f"python-{arguments[0]}"})
    MODES[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
