"""Shows how far a batch is: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from importlib.util import find_spec

from celper._cli import OutputError
from celper._cli.text import Terminal, duration, fit, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from celper import BatchProgress

_TICK = 0.2
_BETWEEN_LINES = 30.0
_RATE_OVER = 60.0
_MAX_BAR = 40


class Rate:
    """How many requests of this run end in a minute, over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def per_minute(self, ended: int) -> float | None:
        """The rate now; ``None`` as long as it says nothing."""
        now = time.monotonic()
        self._samples.append((now, ended))
        while now - self._samples[0][0] > _RATE_OVER:
            self._samples.popleft()
        seconds, number = now - self._samples[0][0], ended - self._samples[0][1]
        return number * 60 / seconds if seconds >= 3 and number else None


def parts(progress: BatchProgress, rate: Rate) -> list[str]:
    """What there is to say besides the bar."""
    said = [f"{progress.done:,}/{progress.total:,}" if progress.total is not None else f"{progress.done:,}"]
    if progress.failed:
        said.append(f"{progress.failed:,} failed")
    per_minute = rate.per_minute(progress.done - progress.resumed - progress.not_attempted)
    if per_minute is not None:
        said.append(f"{per_minute:,.0f}/min")
    if progress.eta is not None and progress.done != progress.total:
        said.append(f"{duration(progress.eta)} left")
    if progress.rate_limit_wait is not None:
        said.append(f"rate limit: next in {duration(max(progress.rate_limit_wait, 0.1))}")
    elif progress.in_flight:
        said.append(f"{progress.in_flight:,} under way")
    elif progress.eta and progress.done:
        # Other processes use it: how long is not known here.
        said.append("waiting for the rate limit")
    return said


class Display:
    """Draws the progress in a thread of its own, since nothing else happens while the batch waits.

    The stream may go away at any moment, when what it is piped to ends: ``lost`` is then called once, with the error,
    and nothing is drawn any more.
    """

    def __init__(self, terminal: Terminal, label: str, lost: Callable[[Exception], None]) -> None:
        self._terminal = terminal
        self._label = label
        self._lost = lost
        self._rate = Rate()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_broken = False
        self._thread: threading.Thread | None = None
        self._pending: deque[str] = deque()

    def start(self, progress: Callable[[], BatchProgress]) -> None:
        """Begins to draw."""
        self._guarded(self._begin)

        def run() -> None:
            while not self._ended.is_set():
                self._print_pending()
                self._guarded(partial(self._draw, progress()))
                self._ended.wait(_TICK)

        self._thread = threading.Thread(target=run, name="celper-progress", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        self._guarded(lambda: self._print(text))

    def note_soon(self, text: str) -> None:
        """Prints a line a moment later, for signal handlers: what they interrupt may be printing."""
        self._pending.append(text)

    def _print_pending(self) -> None:
        while self._pending:
            self.note(self._pending.popleft())

    def close(self) -> None:
        """Stops drawing, and removes the bar."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._print_pending()
        self._guarded(self._clear)

    def _guarded(self, draw: Callable[[], None]) -> None:
        with self._lock:
            if self._is_broken:
                return
            try:
                draw()
                return
            except (OSError, OutputError, ValueError) as error:
                self._is_broken = True
                lost = error
        self._lost(lost)

    def _begin(self) -> None: ...

    def _draw(self, progress: BatchProgress) -> None: ...

    def _print(self, text: str) -> None:
        self._terminal.line(text)

    def _clear(self) -> None: ...


class Bar(Display):
    """A bar on one line, redrawn in place. It needs no escape sequences but those for colors."""

    _drawn = 0

    def _draw(self, progress: BatchProgress) -> None:
        columns = self._terminal.columns - 1
        said = " · ".join(parts(progress, self._rate))
        room = min(columns - width(self._label) - width(said) - 3, _MAX_BAR)
        bar, plain = "", 0
        if room >= 10:
            done = room if not progress.total else room * progress.done // progress.total
            head = "╸" if 0 < done < room else ""
            filled, rest = "━" * (done - len(head)) + head, "─" if self._terminal.has_color else "."
            bar = self._terminal.style(filled, "32") + self._terminal.style(rest * (room - done), "2") + " "
            plain = room + 1
        text = fit(f"{self._label} ", columns) + bar + fit(said, columns - width(self._label) - 1 - plain)
        now = min(width(self._label) + 1 + plain + width(said), columns)
        self._terminal.write(f"\r{text}{' ' * max(self._drawn - now, 0)}")
        self._drawn = now

    def _print(self, text: str) -> None:
        self._clear()
        self._terminal.line(text)

    def _clear(self) -> None:
        if self._drawn:
            self._terminal.write(f"\r{' ' * self._drawn}\r")
            self._drawn = 0


class Lines(Display):
    """A line now and then, for logs."""

    _next = 0.0

    def _draw(self, progress: BatchProgress) -> None:
        said = ", ".join(parts(progress, self._rate))
        now = time.monotonic()
        if not self._next:
            self._next = now + 5
        elif now >= self._next:
            self._next = now + _BETWEEN_LINES
            self._terminal.line(f"{self._label}: {said}")


class RichBar(Display):
    """A bar drawn by rich, if that is installed."""

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._console = Console(file=self._terminal.stream, highlight=False)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}", markup=True),
            BarColumn(bar_width=_MAX_BAR, complete_style="green", finished_style="green"),
            TextColumn("{task.fields[said]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task: Any = self._progress.add_task(self._label, total=None, said="")
        self._progress.start()

    def _draw(self, progress: BatchProgress) -> None:
        said = " · ".join(parts(progress, self._rate))
        self._progress.update(self._task, completed=progress.done, total=progress.total, said=said)

    def _print(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text.from_ansi(text))

    def _clear(self) -> None:
        self._progress.stop()


def display(terminal: Terminal, label: str, lost: Callable[[Exception], None]) -> Display:
    """The display for a stream."""
    if not terminal.is_live:
        return Lines(terminal, label, lost)
    # `pip install celper[cli]` has rich, whose spinner needs Unicode.
    return (RichBar if terminal.is_unicode and find_spec("rich") else Bar)(terminal, label, lost)
