"""Event loops that differ from the usual one."""

from __future__ import annotations

import asyncio
from typing import Any


class WatchesNothing(asyncio.SelectorEventLoop):
    """Stands for Windows' proactor, which has no `add_reader`."""

    _watches = False

    def __init__(self) -> None:
        super().__init__()
        # Its own wake-up pipe was watched in time.
        self._watches = True

    def add_reader(self, *arguments: Any) -> Any:  # type: ignore[override]
        if self._watches:
            raise NotImplementedError
        return super().add_reader(*arguments)
