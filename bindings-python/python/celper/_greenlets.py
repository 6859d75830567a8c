"""Synchronous calls under gevent and eventlet, which run many greenlets on one thread.

A call that blocked the thread would stop all of them. Where sockets are monkey-patched, a call runs on the native
runtime instead, and its greenlet waits for a pipe in the hub, as patched sockets do.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from celper._celper import Client, PendingCall, PendingWait


def wait_readable() -> Callable[[int], object] | None:
    """How this thread's greenlets wait for a file descriptor; ``None`` if sockets are not patched."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("socket"):
        wait: Callable[[int], object] = import_module("gevent.socket").wait_read
        return wait
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("socket"):
        return partial(import_module("eventlet.hubs").trampoline, read=True)
    return None


def call(client: Client, arguments: tuple[Any, ...], wait: Callable[[int], object]) -> Any:
    """Makes a call and waits for its result. An exception in the wait, such as a timeout, cancels the request."""
    return wait_for(client.begin(*arguments), wait)


def wait_for(pending: PendingCall | PendingWait, wait: Callable[[int], object]) -> Any:
    """Waits until something is there, and returns it."""
    while (result := pending.collect()) is None:
        wait(pending.fileno())
    return result[0]
