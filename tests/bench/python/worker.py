"""Measures one client in its own process: the time to load it, then rounds of calls that the runner requests.

`worker.py LANGUAGE CLIENT BASE_URL` reads requests as JSON lines from standard input and writes one line for each. The README of the
benchmarks describes them. Other modules are imported later, so that only the client's imports are timed.
"""

import importlib
import sys
import time

LIBRARIES = {"http.client": "http.client"}


def main(language: str, client: str, base_url: str) -> None:
    """Load the client, and run the rounds."""
    if language != "python-sync":
        # Asynchronous programs have imported it already.
        importlib.import_module("asyncio")
    start = time.perf_counter()
    importlib.import_module(LIBRARIES.get(client, client))
    load_us = (time.perf_counter() - start) * 1e6
    rounds = importlib.import_module("on_threads" if language == "python-sync" else "on_loop")
    rounds.run(client, base_url, load_us, language == "python-uvloop")


if __name__ == "__main__":
    main(*sys.argv[1:])
