"""The Python runner: carries out the calls that it is told, through the package's public API.

`runner.py sync` speaks for `celper.Celper`, `runner.py async` for `celper.AsyncCelper`.
"""

from __future__ import annotations

import sys

import on_loop
import on_threads
from lines import write

MODES = {"sync": on_threads.run, "async": on_loop.run}


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in MODES:
        sys.exit("usage: runner.py sync|async")
    write({"ready": f"python-{arguments[0]}"})
    MODES[arguments[0]]()


if __name__ == "__main__":
    main(sys.argv[1:])
