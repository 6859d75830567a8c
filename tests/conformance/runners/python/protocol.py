"""Reads commands from standard input and writes responses to standard output, one JSON object per line."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

Command = dict[str, Any]
Response = dict[str, Any]

_write_lock = threading.Lock()


def write(response: Response) -> None:
    """Writes one line. Any thread can call this."""
    line = json.dumps(response) + "\n"
    with _write_lock:
        sys.stdout.write(line)
        sys.stdout.flush()


def read_commands(handle: Callable[[Command], object]) -> None:
    """Starts a thread that passes each command to `handle`, and exits the process when the input ends."""

    def read() -> None:
        try:
            for line in sys.stdin.buffer:
                handle(json.loads(line))
        except Exception:
            traceback.print_exc()
            os._exit(1)
        # Do not wait for calls in progress: they can take minutes, and nobody reads their responses.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
