"""What a run is about to do: shown before it starts, and by ``--dry-run``."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass

from celper._cli import UsageError
from celper._cli.text import count, duration, fit, safe
from celper._cli.words import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from celper import RateLimits
    from celper._cli.rows import Columns, Task
    from celper._cli.text import Terminal

_FIRST = 5
_LABEL = 12


@dataclass
class Plan:
    """Everything that decides what a run does."""

    command: str
    source: str
    tasks: list[Task]
    limits: RateLimits | None
    base_url: str | None = None
    columns: Columns | None = None
    undecided: int = 0
    results: Path | None = None
    journal: Path | None = None
    batch_id: str | None = None
    removes_journal: bool = False
    """Whether the journal is removed at the end, so that the next run reads every status anew."""

    @property
    def has_actions(self) -> bool:
        """Whether it changes anything."""
        return self.command != "status"

    def what(self) -> str:
        """What it does, in the imperative: ``select 12 and reject 30 candidates``."""
        numbers = Counter(task.operation for task in self.tasks)
        parts = [f"{WORDS[operation][0]} {number:,}" for operation, number in sorted(numbers.items(), reverse=True)]
        return " and ".join(parts) + (" candidate" if len(self.tasks) == 1 else " candidates")


def estimate(tasks: Iterable[Task], limits: RateLimits) -> float:
    """The seconds that the rate limits make the requests take, if nothing else uses them."""
    numbers = Counter("reads" if task.operation == "status" else "actions" for task in tasks)
    needed = [
        (numbers["reads"], limits.reads),
        (numbers["actions"], limits.actions),
        (numbers.total(), limits.total),
    ]
    windows = max((number - 1) // limit for number, limit in needed if number)
    return windows * limits.window


def show(plan: Plan, terminal: Terminal) -> None:
    """Shows what the run is about to do."""
    columns = terminal.columns

    def entry(label: str, text: str) -> None:
        terminal.line(f"  {terminal.style(label.ljust(_LABEL), '2')}{fit(text, columns - _LABEL - 3)}")

    what = plan.what()
    terminal.line(f"{terminal.style(what[0].upper() + what[1:], '1')} from {safe(plan.source)}")
    if plan.columns is not None:
        renamed = [f"{name} from {safe(header)!r}" for name, header in plan.columns.understood() if header != name]
        same = [name for name, header in plan.columns.understood() if header == name]
        entry("columns", ", ".join([*same, *renamed]))
        if plan.columns.ignored:
            entry("ignored", ", ".join(map(safe, plan.columns.ignored)))
    if plan.undecided:
        entry("skipped", f"{count(plan.undecided, 'row')} without a decision")
    entry("candidates", _first([task.candidate_id for task in plan.tasks]))
    positions = Counter(task.job_position_id for task in plan.tasks)
    entry("position" if len(positions) == 1 else "positions", _several(positions))
    if plan.command == "invite":
        subjects = Counter(task.email_subject for task in plan.tasks)
        entry("subject", _several(subjects, "the service's default"))
        bodies = Counter(task.email_body for task in plan.tasks)
        entry("e-mail", _several(bodies, "the service's default"))
        without = sum(task.email_body is not None and "{interviewLink}" not in task.email_body for task in plan.tasks)
        if without:
            entry(
                "warning",
                terminal.style(
                    f"{count(without, 'e-mail')} without {{interviewLink}}, the link to the interview", "33"
                ),
            )
    if plan.base_url:
        entry("service", safe(plan.base_url))
    if plan.limits is None:
        entry("speed", "no rate limits")
    else:
        seconds = estimate(plan.tasks, plan.limits)
        per = plan.limits.reads if plan.command == "status" else plan.limits.actions
        pace = f"at most {per:,} in {duration(plan.limits.window)}"
        entry("speed", f"{pace}: {'at least ' + duration(seconds) if seconds else 'at once'}")
    if plan.results is not None:
        entry("results", safe(str(plan.results)))
    if plan.journal is not None:
        if os.path.exists(plan.journal):
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(plan.journal.stat().st_mtime))
            entry("journal", f"{safe(str(plan.journal))}, continues the run of {when}")
        else:
            entry("journal", safe(str(plan.journal)))


def show_rows(plan: Plan, terminal: Terminal) -> None:
    """Shows the first rows, for a dry run."""
    terminal.line()
    for task in plan.tasks[:_FIRST]:
        line = f"line {task.line:<6}" if task.line else ""
        ids = f"{safe(task.candidate_id)}  {safe(task.job_position_id)}"
        terminal.line(fit(f"  {line}{task.operation:<8}{ids}", terminal.columns - 1))
    if len(plan.tasks) > _FIRST:
        terminal.line(f"  and {len(plan.tasks) - _FIRST:,} more")


def confirm(plan: Plan, terminal: Terminal) -> bool:
    """Asks whether to go on.

    Raises:
        UsageError: There is nobody to ask.
    """
    if not (terminal.stream.isatty() and sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError(
            f"this would {plan.what()}, and there is no terminal to ask at; pass --yes to do it, or --dry-run"
        )
    what = plan.what()
    terminal.write(f"\n{what[0].upper() + what[1:]}? [y/N] ")
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):
        terminal.line()
    return answer.strip().casefold() in ("y", "yes")


def _first(values: list[str]) -> str:
    shown = ", ".join(map(safe, values[:_FIRST]))
    return shown if len(values) <= _FIRST else f"{shown} … and {len(values) - _FIRST:,} more"


def _several(values: Counter[str] | Counter[str | None], missing: str = "") -> str:
    if len(values) == 1:
        (value,) = values
        return missing if value is None else safe(value.replace("\n", " ").strip())
    shown = [
        f"{missing if value is None else safe(fit(value.strip(), 40))} ({number:,})"
        for value, number in values.most_common(3)
    ]
    return ", ".join(shown) + (f" and {len(values) - 3:,} others" if len(values) > 3 else "")
