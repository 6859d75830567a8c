"""Carries out the tasks as a batch: feeds it, shows its progress, writes the results, and handles Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import contextmanager, suppress

from celper._cli import OutputError, results, rows
from celper._cli.progress import Display, display
from celper._cli.summary import RunResult
from celper._cli.text import Terminal, safe
from celper._cli.words import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from celper import Batch, CandidateRequest, Celper
    from celper._cli.plan import Plan
    from celper._cli.results import Record, ResultsFile

_MAX_ERRORS_SHOWN = 10


class Run:
    """One run of a plan."""

    def __init__(self, plan: Plan, client: Celper, terminal: Terminal, *, as_json: bool) -> None:
        self._plan = plan
        self._client = client
        self._as_json = as_json
        self._records: list[Record | None] = [None] * len(plan.tasks)
        self._fed = 0
        self._errors_shown = 0
        self._interrupts = 0
        self.output_error: Exception | None = None
        self._json = Terminal(sys.stdout)
        self._batch: Batch[CandidateRequest] | None = None
        label = WORDS[plan.command][1].capitalize()
        self._display: Display = display(terminal, label, self._lose_output)

    def execute(self, file: ResultsFile | None) -> RunResult:
        """Runs to the end, or until it is stopped.

        Raises:
            CelperError: The batch cannot be started, for example because its journal is in use.
            UsageError: The results file cannot be written.
        """
        plan, started = self._plan, time.monotonic()
        results_error: str | None = None
        with self._interruptible():
            with self._client.batch(
                self._feed(), batch_id=plan.batch_id, journal=plan.journal, total=len(plan.tasks)
            ) as batch:
                if file is not None:
                    aside = file.begin({task.operation for task in plan.tasks})
                    if aside is not None:
                        self._display.note(f"The results of the earlier command are in {safe(str(aside))} now.")
                self._batch = batch
                if self._interrupts:
                    batch.stop()
                self._display.start(lambda: batch.progress)
                try:
                    for item in batch:
                        self._take(item.index, results.of_item(plan.tasks[item.index], item), file)
                finally:
                    self._display.close()
            rest = [index for index, record in enumerate(self._records) if record is None]
            for index in rest:
                # What was fed when the run was cancelled may have been sent.
                known = self._interrupts < 2 or index >= self._fed
                self._take(index, results.not_started(plan.tasks[index], known=known), None)
            records = [record for record in self._records if record is not None]
            if file is not None:
                try:
                    file.finish(records)
                except OSError as error:
                    results_error = error.strerror or str(error)
        was_stopped = self._interrupts > 0 and any(
            record["outcome"] in (results.NOT_ATTEMPTED, results.UNKNOWN) for record in records
        )
        return RunResult(records, time.monotonic() - started, was_stopped, results_error)

    def _feed(self) -> Iterator[CandidateRequest]:
        for task in self._plan.tasks:
            self._fed += 1
            yield rows.request(task)

    def _take(self, index: int, record: Record, file: ResultsFile | None) -> None:
        self._records[index] = record
        if file is not None:
            # If this fails, writing the whole file at the end fails as well, and says so.
            with suppress(OSError):
                file.add(record)
        if self._as_json and self.output_error is None:
            try:
                self._json.line(json.dumps(record))
            except (OSError, OutputError) as lost:
                self._lose_output(lost)
        error = record["error"]
        if error is not None and record["outcome"] == results.FAILED and len(self._plan.tasks) > 1:
            self._errors_shown += 1
            if self._errors_shown <= _MAX_ERRORS_SHOWN:
                self._display.note(f"line {record['line']}: {safe(record['candidate_id'])}: {safe(error['message'])}")
            elif self._errors_shown == _MAX_ERRORS_SHOWN + 1:
                self._display.note("Further errors are not shown here; see the summary and the results file.")

    def _lose_output(self, error: Exception) -> None:
        """Nobody reads the output any more, or the disk is full: nothing more is started."""
        if not isinstance(error, BrokenPipeError):
            error = OutputError(
                f"{error}; nothing more was started. The same command again goes on where this one stopped"
            )
        self.output_error = self.output_error or error
        if self._batch is not None:
            self._batch.stop()

    @contextmanager
    def _interruptible(self) -> Generator[None, None, None]:
        """Ctrl-C, SIGTERM and SIGHUP stop the batch; the second one cancels it."""

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self._interrupts and number == hangup:
                # A terminal that closes may send several.
                return
            self._interrupts += 1
            if self._batch is None:
                return
            if self._interrupts == 1:
                self._batch.stop()
                self._display.note_soon(
                    "Stopping: what is under way finishes, and nothing more is started. Ctrl-C again cancels it."
                )
            else:
                self._batch.cancel()
                self._display.note_soon("Cancelled: the outcome of what was under way is unknown.")
                restore()

        def restore() -> None:
            for number, handler in earlier.items():
                signal.signal(number, handler)

        hangup = getattr(signal, "SIGHUP", None)  # Not on Windows.
        stopping = [signal.SIGINT, signal.SIGTERM, *([hangup] if hangup else [])]
        # What the parent lets this process ignore, `nohup` for example, it ignores.
        earlier = {number: signal.getsignal(number) for number in stopping}
        earlier = {number: handler for number, handler in earlier.items() if handler != signal.SIG_IGN}
        for number in earlier:
            signal.signal(number, interrupt)
        try:
            yield
        finally:
            restore()
