"""Unusual event loops."""

from __future__ import annotations

import asyncio
from typing import Any


class LoopWithoutAddReader(asyncio.SelectorEventLoop):
    """Has no `add_reader`, like the proactor loop of Windows."""

    _initialized = False

    def __init__(self) -> None:
        # This adds a reader for the loop's own wake-up pipe.
        super().__init__()
        self._initialized = True

    def add_reader(self, *arguments: Any) -> Any:  # type: ignore[override]
        if self._initialized:
            raise NotImplementedError
        return super().add_reader(*arguments)
