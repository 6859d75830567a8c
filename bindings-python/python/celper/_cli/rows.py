"""What a file's rows ask for: which column is which, and a task for each row. All problems are reported together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from celper import InviteRequest, RejectRequest, SelectRequest, StatusRequest
from celper._celper import refusal
from celper._cli import UsageError
from celper._cli.text import fit, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from celper import CandidateRequest
    from celper._cli.table import Table

# The spellings of each column without case, spaces and punctuation, the most specific one first.
SPELLINGS = {
    "candidate_id": ("candidateid", "candidate", "id"),
    "job_position_id": ("jobpositionid", "positionid", "jobposition", "position"),
    "email_subject": ("emailsubject", "subject"),
    "email_body": ("emailbody", "body"),
    "idempotency_key": ("idempotencykey",),
    "decision": ("decision",),
}
_IDS = ("candidate_id", "job_position_id")
FIELDS = {
    "invite": (*_IDS, "email_subject", "email_body", "idempotency_key"),
    "select": (*_IDS, "idempotency_key"),
    "reject": (*_IDS, "idempotency_key"),
    "decide": (*_IDS, "decision", "idempotency_key"),
    "status": _IDS,
}
_DECISIONS = {"select": "select", "selected": "select", "reject": "reject", "rejected": "reject"}
_MAX_SHOWN = 20
_MAX_LISTED = 500


@dataclass(frozen=True)
class Task:
    """One row: what to do with one candidate."""

    operation: str
    candidate_id: str
    job_position_id: str
    email_subject: str | None = None
    email_body: str | None = None
    idempotency_key: str | None = None
    line: int | None = None
    """The row's line in the file; ``None`` for a candidate that the command line names."""


@dataclass
class Columns:
    """Which column of a file is which."""

    places: dict[str, int]
    ignored: list[str]
    headers: list[str]

    def understood(self) -> list[tuple[str, str]]:
        """The columns that are used: each with its header."""
        return [(name, self.headers[place]) for name, place in self.places.items()]


@dataclass
class Tasks:
    """The tasks of a file, and what to say about them."""

    tasks: list[Task]
    columns: Columns
    undecided: int = 0


@dataclass
class _Problems:
    """The problems of a file by line."""

    found: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, line: int, text: str) -> None:
        self.found.append((line, text))

    def raise_any(self, name: str) -> None:
        if not self.found:
            return
        shown = [f"  line {line}: {text}" for line, text in sorted(self.found)[:_MAX_SHOWN]]
        hidden = len(self.found) - len(shown)
        if hidden:
            shown.append(f"  and {hidden:,} more")
        number = "1 problem" if len(self.found) == 1 else f"{len(self.found):,} problems"
        raise UsageError(f"{name} has {number}; nothing was sent\n" + "\n".join(shown))


def request(task: Task) -> CandidateRequest:
    """The request of a task."""
    position, key = task.job_position_id, task.idempotency_key
    if task.operation == "invite":
        return InviteRequest(
            task.candidate_id,
            job_position_id=position,
            email_subject=task.email_subject,
            email_body=task.email_body,
            idempotency_key=key,
        )
    if task.operation == "status":
        return StatusRequest(task.candidate_id, job_position_id=position)
    kind = SelectRequest if task.operation == "select" else RejectRequest
    return kind(task.candidate_id, job_position_id=position, idempotency_key=key)


def recognizes(header: str) -> bool:
    """Whether a column of this name means something to the command."""
    return any(_plain(header) in spellings for spellings in SPELLINGS.values())


def _plain(header: str) -> str:
    return "".join(character for character in header.casefold() if character.isalnum())


def _list(headers: Iterable[str]) -> str:
    return fit(", ".join(safe(header) for header in headers if header), _MAX_LISTED) or "none"


def map_columns(table: Table, name: str, command: str, chosen: dict[str, str]) -> Columns:
    """Finds the columns of a file by their headers. ``chosen`` has the headers that the command line names.

    Raises:
        UsageError: A column is missing, or two columns could be meant.
    """
    headers = table.header
    listed = _list(headers)
    places: dict[str, int] = {}
    for column in FIELDS[command]:
        if column in chosen:
            found = [place for place, header in enumerate(headers) if header == chosen[column].strip()]
            if not found:
                raise UsageError(f"{name} has no column {chosen[column]!r} (--column {column}=…); it has: {listed}")
        else:
            spellings = [
                [place for place, header in enumerate(headers) if _plain(header) == spelling]
                for spelling in SPELLINGS[column]
            ]
            found = next((spelled for spelled in spellings if spelled), list[int]())
        if len(found) > 1:
            twice = " and ".join(f"{safe(headers[place])!r} (column {place + 1})" for place in found)
            raise UsageError(f"{name} has two columns for {column}: {twice}; remove or rename one of them")
        if found:
            places[column] = found[0]
    for column in ("candidate_id", "decision"):
        if column in FIELDS[command] and column not in places:
            raise UsageError(
                f"{name} has no column {column}; it has: {listed}. Rename one of them in the first line, "
                f"or say which it is: --column {column}=HEADER"
            )
    decision = [header for header in headers if _plain(header) == "decision"]
    if command in ("invite", "select", "reject") and decision:
        raise UsageError(
            f"{name} has a column {safe(decision[0])!r}, which `celper {command}` would ignore; to select and reject "
            "as it says, use `celper decide`; otherwise remove it"
        )
    if {"line", "outcome", "requestid"} <= {_plain(header) for header in headers}:
        # A results file: its keys belong to the actions that were sent.
        places.pop("idempotency_key", None)
    used = set(places.values())
    ignored = [header for place, header in enumerate(headers) if header and place not in used]
    return Columns(places, ignored, headers)


def read_tasks(
    table: Table,
    name: str,
    command: str,
    columns: Columns,
    defaults: Task,
) -> Tasks:
    """The task of each row.

    ``defaults`` has the position and e-mail for rows that do not have their own.

    Raises:
        UsageError: Rows have problems: all of them, with their lines.
    """
    problems = _Problems()
    has_positions = "job_position_id" in columns.places
    if not has_positions and not defaults.job_position_id:
        raise UsageError(
            f"there is no job position: pass --position ID, or add a column job_position_id to {name}; it has: "
            f"{_list(columns.headers)}"
        )
    tasks: list[Task] = []
    undecided = 0
    for record in table.records:
        cells = record.cells

        def cell(column: str, cells: list[str] = cells) -> str:
            place = columns.places.get(column, len(cells))
            return cells[place] if place < len(cells) else ""

        line = record.line
        if any(extra.strip() for extra in cells[len(table.header) :]):
            wanted = len(table.header)
            problems.add(line, f"{len(cells)} cells instead of {wanted}; quote cells that contain {table.delimiter!r}")
            continue
        operation = command
        if command == "decide":
            decision = cell("decision").strip()
            if not decision:
                undecided += 1
                continue
            if decision.casefold() not in _DECISIONS:
                problems.add(line, f"the decision is {safe(decision)!r}; write select or reject, or leave it empty")
                continue
            operation = _DECISIONS[decision.casefold()]
        candidate_id, position = cell("candidate_id").strip(), cell("job_position_id").strip()
        if not candidate_id:
            problems.add(line, f"{columns.headers[columns.places['candidate_id']]} is empty")
            continue
        if position and defaults.job_position_id and position != defaults.job_position_id:
            problems.add(
                line, f"the position is {safe(position)}, but --position says {safe(defaults.job_position_id)}"
            )
            continue
        if not (position or defaults.job_position_id):
            header = columns.headers[columns.places["job_position_id"]]
            problems.add(line, f"{header} is empty, and there is no --position")
            continue
        subject, body = cell("email_subject").strip(), cell("email_body")
        task = replace(
            defaults,
            operation=operation,
            candidate_id=candidate_id,
            job_position_id=position or defaults.job_position_id,
            email_subject=subject or defaults.email_subject,
            email_body=body if body.strip() else defaults.email_body,
            idempotency_key=cell("idempotency_key").strip() or None,
            line=line,
        )
        problem = refusal(request(task))
        if problem:
            problems.add(line, problem)
        tasks.append(task)
    _find_repeated(tasks, problems)
    problems.raise_any(name)
    if not tasks:
        nothing = f"{undecided} rows, none of them with a decision" if undecided else "no rows below its header"
        raise UsageError(f"{name} has {nothing}; nothing to do")
    return Tasks(tasks, columns, undecided)


def _find_repeated(tasks: Iterable[Task], problems: _Problems) -> None:
    """The same candidate twice is a mistake: the second action would be refused, or contradict the first."""
    first: dict[tuple[str, str], Task] = {}
    keys: dict[str, Task] = {}
    for task in tasks:
        line = task.line or 0
        earlier = first.setdefault((task.candidate_id, task.job_position_id), task)
        if earlier is not task:
            problems.add(line, f"{safe(task.candidate_id)} is on line {earlier.line} already; remove one of the two")
            continue
        if task.idempotency_key:
            earlier = keys.setdefault(task.idempotency_key, task)
            if earlier is not task:
                problems.add(
                    line, f"the idempotency_key is the same as on line {earlier.line}; each action needs its own"
                )
