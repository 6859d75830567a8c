"""What several test modules use: the sandbox's default job position, and waiting for what happens in other threads."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

from celper_sandbox import Request, Sandbox

POSITION = "pos_1"

T = TypeVar("T")


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(condition: Callable[[], T], timeout: float = 30.0) -> T:
    """Polls `condition` and returns its first true value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
    return value


def connections() -> int:
    """How many connections this process has, those that wait in a pool for the next call among them.

    A pool keeps as many as there were calls at the same time, so a test of leaks counts them when the client is closed.
    """
    return len(psutil.Process().net_connections("tcp"))


def open_files() -> int:
    """How many file descriptors this process has, those of connections not among them."""
    return int(psutil.Process().num_fds()) - connections()


def wait_for_requests(sandbox: Sandbox, candidate_id: str, number: int = 1) -> list[Request]:
    wait_until(lambda: len(sandbox.requests(candidate_id)) >= number)
    return sandbox.requests(candidate_id)


def wait_until_closed(sandbox: Sandbox, candidate_id: str) -> None:
    """Waits until the client of the candidate's latest request has closed the connection."""
    wait_until(lambda: sandbox.requests(candidate_id)[-1].client_closed)
