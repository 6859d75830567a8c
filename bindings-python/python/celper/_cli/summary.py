"""The end of a run: what was done, what failed and why, and what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from celper._cli.results import FAILED, NOT_ATTEMPTED, OK, UNKNOWN
from celper._cli.text import count, duration, fit, safe
from celper._cli.words import WORDS, advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from celper._cli.results import Record
    from celper._cli.text import Terminal

_MAX_LINES = 8
_NOT_ATTEMPTED = "Remove the cause, and run the same command again; it goes on where this one stopped."


@dataclass
class RunResult:
    """How a run ended."""

    records: list[Record]
    seconds: float
    was_stopped: bool
    results_error: str | None = None
    """Why the results file could not be written."""


def show(result: RunResult, terminal: Terminal) -> None:
    """Shows the summary."""
    records = result.records
    groups = {
        outcome: [record for record in records if record["outcome"] == outcome]
        for outcome in (OK, FAILED, NOT_ATTEMPTED, UNKNOWN)
    }
    done = Counter(record["operation"] for record in groups[OK])
    resumed = sum(record["resumed"] for record in groups[OK])
    parts = [
        terminal.style(f"{number:,} {WORDS[operation][2]}", "32")
        for operation, number in sorted(done.items(), reverse=True)
    ]
    if resumed:
        parts[-1:] = [
            f"{parts[-1]} ({'all' if resumed == len(groups[OK]) else format(resumed, ',')} in an earlier run)"
        ]
    for outcome, color in ((FAILED, "31"), (UNKNOWN, "33"), (NOT_ATTEMPTED, "33")):
        if groups[outcome]:
            number = f"{len(groups[outcome]):,}"
            words = {FAILED: "failed", UNKNOWN: "with an unknown outcome", NOT_ATTEMPTED: "not attempted"}
            parts.append(terminal.style(f"{number} {words[outcome]}", color))
    joined, took = ", ".join(parts), duration(result.seconds)
    terminal.line(f"Stopped after {took}: {joined}." if result.was_stopped else f"{joined}, in {took}.")
    statuses = Counter(str(record["result"]["status"]) for record in groups[OK] if record["operation"] == "status")
    if len(records) > 1 and statuses:
        terminal.line("  " + ", ".join(f"{number:,} {safe(status)}" for status, number in statuses.most_common()))
    # What was not attempted repeats the error that ended the batch.
    _show_errors(groups[FAILED] or [record for record in groups[NOT_ATTEMPTED] if record["error"]], terminal)


def _show_errors(records: list[Record], terminal: Terminal) -> None:
    found: dict[tuple[str, str | None, str, str], list[Record]] = {}
    for record in records:
        error = record["error"]
        found.setdefault((error["kind"], error["code"], record["operation"], error["message"]), []).append(record)
    groups: dict[tuple[str, str | None, str], list[tuple[str, list[Record]]]] = {}
    for (kind, code, operation, message), of_message in found.items():
        groups.setdefault((kind, code, operation), []).append((message, of_message))
    for (kind, code, operation), messages in sorted(
        groups.items(), key=lambda group: -sum(len(m[1]) for m in group[1])
    ):
        number = sum(len(of_message) for _, of_message in messages)
        name = f"{kind} ({safe(code)})" if code else kind
        terminal.line(f"\n  {terminal.style(f'{number:,} × {name}', '31')}")
        for message, of_message in messages[:3]:
            terminal.line(f"    {fit(safe(message), terminal.columns - 5)}")
            terminal.line(f"    {_where(of_message)}")
        if len(messages) > 3:
            terminal.line(f"    and {count(len(messages) - 3, 'other message')}")
        if any(record["error"]["outcome_unknown"] for _, of_message in messages for record in of_message):
            terminal.line("    It may have taken place nevertheless: run the same command again, which finds it out.")
        is_attempted = any(record["outcome"] != NOT_ATTEMPTED for _, of_message in messages for record in of_message)
        hint = advice(kind, code, operation) if is_attempted or kind != "invalid_argument" else _NOT_ATTEMPTED
        if hint:
            terminal.line(f"    {terminal.style('→', '1')} {hint}")
    if found:
        terminal.line()


def _where(records: list[Record]) -> str:
    lines = [record["line"] for record in records]
    if None in lines:
        return ", ".join(safe(record["candidate_id"]) for record in records[:_MAX_LINES])
    shown = ", ".join(str(line) for line in sorted(lines)[:_MAX_LINES])
    return (
        f"line {shown}"
        if len(lines) == 1
        else f"lines {shown}" + (f" and {len(lines) - _MAX_LINES:,} more" if len(lines) > _MAX_LINES else "")
    )
