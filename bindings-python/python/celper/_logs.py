"""Passes the core's log records to the logger ``celper``."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("celper")


def emit(level: int, message: str, created: float, fields: dict[str, object]) -> None:
    """Logs one record. ``record.celper`` has its fields, for structured logs."""
    record = _LOGGER.makeRecord("celper", level, "celper", 0, message, (), None, extra={"celper": fields})
    # The event is older than this call: a call's thread or loop collects its records from time to time.
    record.created, record.msecs = created, created % 1 * 1000
    _LOGGER.handle(record)
