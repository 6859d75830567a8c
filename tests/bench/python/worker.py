"""One client in a process of its own: what it costs to load, and then rounds of calls as the runner asks for them.

`worker.py LANGUAGE CLIENT BASE_URL`; requests come as JSON lines on standard input, and each is answered with one. See the README
of the benchmarks for the words. Modules are imported late, so that a client's own imports are what is timed.
"""

import importlib
import sys
import time

LIBRARIES = {"http.client": "http.client"}


def main(language: str, client: str, base_url: str) -> None:
    """Loads the client, makes its first call, and hands over to the rounds."""
    if language != "python-sync":
        # Whoever calls asynchronously has it already.
        importlib.import_module("asyncio")
    start = time.perf_counter()
    importlib.import_module(LIBRARIES.get(client, client))
    load_us = (time.perf_counter() - start) * 1e6
    rounds = importlib.import_module("on_threads" if language == "python-sync" else "on_loop")
    rounds.run(client, base_url, load_us, language == "python-uvloop")


if __name__ == "__main__":
    main(*sys.argv[1:])
