"""The core's log records on Python's logger ``celper``."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("celper")


def emit(level: int, message: str, created: float, fields: dict[str, object]) -> None:
    """Hands over one record. ``record.celper`` has its fields for structured logs."""
    record = _LOGGER.makeRecord("celper", level, "celper", 0, message, (), None, extra={"celper": fields})
    # It happened before it came here: a call's records are collected when its thread or loop looks up.
    record.created, record.msecs = created, created % 1 * 1000
    _LOGGER.handle(record)
