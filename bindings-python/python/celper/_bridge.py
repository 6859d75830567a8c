"""The bridges of the event loops to the core."""

from __future__ import annotations

from contextvars import Context
from functools import partial
from weakref import WeakKeyDictionary, ref

from celper._celper import Bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Awaitable, Callable

# Keys and values are weak: the loop owns its bridge through the reader callback, so both are freed together.
_bridges: WeakKeyDictionary[AbstractEventLoop, ref[Bridge]] = WeakKeyDictionary()


def bridge_to(loop: AbstractEventLoop) -> Bridge:
    """The loop's bridge, created on first use in this process."""
    reference = _bridges.get(loop)
    bridge = reference() if reference else None
    if bridge is None or not bridge.serves(loop):
        bridge = Bridge(loop)
        try:
            # In an empty context: the loop would keep this call's alive. Each call's events run in the call's own.
            Context().run(loop.add_reader, bridge.fileno(), bridge.collect)
        except NotImplementedError:
            # Windows' proactor loop cannot watch file descriptors.
            bridge.set_scheduler(partial(loop.call_soon_threadsafe, bridge.collect, context=Context()))
        _bridges[loop] = ref(bridge)
    return bridge


def await_key(
    loop: AbstractEventLoop, key: Awaitable[object], context: Context, done: Callable[[Task[object]], object]
) -> Task[object]:
    """Awaits what an async key function returned, in a task in the caller's context."""

    async def wait() -> object:
        return await key

    task = context.run(loop.create_task, wait())
    task.add_done_callback(done)
    return task
