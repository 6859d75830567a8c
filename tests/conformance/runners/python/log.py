"""What the package logs, to be searched for secrets."""

from __future__ import annotations

import logging

# By id, for a list has no hash.
_open: dict[int, list[str]] = {}


def begin() -> list[str]:
    """The lines that come from now on, those of other calls among them: a record does not say which call it is of."""
    lines: list[str] = []
    _open[id(lines)] = lines
    return lines


def end(lines: list[str]) -> None:
    """Adds no more lines to these."""
    del _open[id(lines)]


class _Handler(logging.Handler):
    def createLock(self) -> None:  # noqa: N802 - logging's own name
        # Ctrl-C may come while a record is handled, and would leave a lock behind.
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        for lines in tuple(_open.values()):
            lines.append(line)


_handler = _Handler()
_handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(celper)s"))
_logger = logging.getLogger("celper")
_logger.setLevel(logging.DEBUG)
_logger.addHandler(_handler)
