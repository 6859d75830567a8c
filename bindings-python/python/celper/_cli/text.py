"""Text for a terminal: what is safe to print, how wide it is, and how times and counts are written."""

from __future__ import annotations

import os
import sys
import unicodedata

from celper._cli import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def safe(text: str) -> str:
    """The text on one line, with everything escaped that a terminal could take as a command."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def fit(text: str, columns: int, ellipsis: str = "…") -> str:
    """The text, cut off if it takes more columns than that."""
    if width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width(kept + character + ellipsis) > columns:
            break
        kept += character
    return kept + ellipsis if columns > 0 else ""


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 candidate``, ``500 candidates``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A time in its two largest units: ``48 s``, ``16 min 4 s``, ``2 h 5 min``."""
    if seconds < 10 and round(seconds, 1) % 1:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (value, _) in enumerate(units) if value), 3)
    return " ".join(f"{value} {unit}" for value, unit in units[first : first + 2] if value) or "0 s"


class Terminal:
    """An output stream, and what it can show."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_live = stream.isatty() and os.environ.get("TERM") != "dumb"
        # Older consoles of Windows show escape sequences as they are.
        understands = os.name != "nt" or "WT_SESSION" in os.environ
        self.has_color = self.is_live and understands and not os.environ.get("NO_COLOR")
        try:
            "━╸…×→".encode(stream.encoding or "ascii")
            self.is_unicode = True
        except (LookupError, UnicodeEncodeError):
            self.is_unicode = False

    @property
    def stream(self) -> TextIO:
        """The stream itself."""
        return self._stream

    @property
    def columns(self) -> int:
        """The width of the terminal, 80 if it does not say; without limit if this is none."""
        if not self._stream.isatty():
            return 1_000_000
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def style(self, text: str, code: str) -> str:
        """The text in bold (1), dim (2), red (31), green (32) or yellow (33), where the terminal has colors."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_color and text else text

    def write(self, text: str) -> None:
        """Writes text as it is, at once.

        Raises:
            BrokenPipeError: Nobody reads the output any more.
            OutputError: It cannot be written.
        """
        if not self.is_unicode:
            text = text.translate(_ASCII)
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard error" if self._stream is sys.stderr else "standard output"
            raise OutputError(f"{name} cannot be written: {error.strerror or error}") from None

    def line(self, text: str = "") -> None:
        """Writes a line."""
        self.write(text + "\n")


_ASCII = str.maketrans({"━": "#", "─": ".", "╸": ">", "…": "...", "×": "x", "→": "->", "·": "|", "—": "-"})
