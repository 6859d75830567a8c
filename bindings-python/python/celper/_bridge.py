"""Which event loop has which bridge to the core."""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary, ref

from celper._celper import Bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

# Weak at both ends: the loop itself has its bridge, as what watches the pipe, so that both go together.
_bridges: WeakKeyDictionary[AbstractEventLoop, ref[Bridge]] = WeakKeyDictionary()


def bridge_to(loop: AbstractEventLoop) -> Bridge:
    """The loop's bridge, made if there is none yet in this process."""
    found = _bridges.get(loop)
    bridge = found() if found else None
    if bridge is None or not bridge.leads_to(loop):
        bridge = Bridge(loop)
        try:
            loop.add_reader(bridge.fileno(), bridge.collect)
        except NotImplementedError:
            # Windows' proactor, and other loops that wait for more than file descriptors.
            bridge.schedule_by(partial(loop.call_soon_threadsafe, bridge.collect))
        _bridges[loop] = ref(bridge)
    return bridge
