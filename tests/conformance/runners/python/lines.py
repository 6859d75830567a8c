"""Requests from standard input and answers to standard output, a JSON object on a line."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]

_writing = threading.Lock()


def write(answer: Answer) -> None:
    """Writes one line, whole, whoever else writes."""
    line = json.dumps(answer) + "\n"
    with _writing:
        sys.stdout.write(line)
        sys.stdout.flush()


def read_to_the_end(handle: Callable[[Request], object]) -> None:
    """Hands on every request on a thread of its own, and ends the program with its input."""

    def read() -> None:
        try:
            for line in sys.stdin.buffer:
                handle(json.loads(line))
        except Exception:
            traceback.print_exc()
            os._exit(1)
        # Without waiting for calls under way, which may take minutes yet: nobody wants their answers any more.
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
