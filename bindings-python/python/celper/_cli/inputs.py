"""From the command's arguments to a plan: the file or the one candidate, and where its results and journal are."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from celper._celper import refusal
from celper._cli import UsageError, rows, table
from celper._cli.plan import Plan
from celper._cli.results import ResultsFile
from celper._cli.rows import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

_STDIN = "-"
_FILE_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xls", ".ods", ".json", ".jsonl")


def plan_of(options: Namespace) -> tuple[Plan, ResultsFile | None]:
    """What the arguments ask for.

    Raises:
        UsageError: It cannot be done.
    """
    return _file(options) if _is_file(options) else _one(options)


def _is_file(options: Namespace) -> bool:
    target = options.target
    return (
        options.command == "decide"
        or target == _STDIN
        or "/" in target
        or os.sep in target
        or target.casefold().endswith(_FILE_ENDINGS)
        # Not `Path.exists`, which raises for a name that is too long.
        or os.path.exists(target)
    )


def _defaults(options: Namespace) -> Task:
    body_file: Path | None = getattr(options, "body_file", None)
    subject: str | None = getattr(options, "subject", None)
    if subject is not None and not subject.strip():
        raise UsageError("--subject is empty; omit it to send the service's default e-mail")
    return Task(
        operation=options.command,
        candidate_id="",
        job_position_id=(options.position or "").strip(),
        email_subject=subject,
        email_body=None if body_file is None else _read_body(body_file),
        idempotency_key=getattr(options, "idempotency_key", None),
    )


def _read_body(path: Path) -> str:
    try:
        body = path.read_text(encoding="utf-8-sig").rstrip()
    except OSError as error:
        raise UsageError(f"--body-file {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--body-file {path} is not text in UTF-8; save it as UTF-8") from None
    if not body:
        raise UsageError(f"--body-file {path} is empty; omit it to send the service's default e-mail")
    return body


def _one(options: Namespace) -> tuple[Plan, ResultsFile | None]:
    from dataclasses import replace

    candidate_id = options.target.strip()
    defaults = _defaults(options)
    if not candidate_id:
        raise UsageError("the candidate's id is empty")
    if not defaults.job_position_id:
        raise UsageError(
            f"there is no job position: pass --position ID. (If {candidate_id} is a file: there is none of this name.)"
        )
    task = replace(defaults, candidate_id=candidate_id)
    problem = refusal(rows.request(task))
    if problem:
        raise UsageError(f"{problem}; nothing was sent")
    plan = Plan(
        command=options.command,
        source="the command line",
        tasks=[task],
        limits=options.rate_limits,
        results=options.results,
        journal=options.journal,
        batch_id=getattr(options, "batch_id", None),
    )
    file = None if options.results is None else ResultsFile(options.results, delimiter=",", newline="\n", has_bom=False)
    return plan, file


def _file(options: Namespace) -> tuple[Plan, ResultsFile | None]:
    target, command = options.target, options.command
    batch_id: str | None = getattr(options, "batch_id", None)
    if getattr(options, "idempotency_key", None) is not None:
        raise UsageError("--idempotency-key is for one candidate; a file can have a column idempotency_key")
    defaults = _defaults(options)
    if target == _STDIN:
        if command != "status" and not batch_id and not options.dry_run:
            raise UsageError(
                "name the run with --batch-id, so that it can be continued: standard input has no name of its own"
            )
        name, data = "standard input", sys.stdin.buffer.read()
    else:
        name, data = target, _read(Path(target))
    read = table.read(data, name, encoding=options.encoding, recognizes=rows.recognizes)
    columns = rows.map_columns(read, name, command, dict(options.column))
    tasks = rows.read_tasks(read, name, command, columns, defaults)

    # The journal of a status run is removed at its end, so it is a file of its own.
    named = re.sub(r"[^\w.-]+", "-", batch_id or ("status" if command == "status" else ""))
    if target == _STDIN:
        folder, stem = Path(), named or "stdin"
        journal = f"{named}.journal.jsonl" if batch_id else None
    else:
        folder, stem = Path(target).parent, Path(target).stem
        journal = ".".join(filter(None, [stem, named, "journal.jsonl"]))
    results = options.results or folder / f"{stem}.results.csv"
    if target != _STDIN and os.path.exists(results) and results.samefile(target):
        raise UsageError(f"--results {results} is the file itself; name another one")
    plan = Plan(
        command=command,
        source=name,
        tasks=tasks.tasks,
        limits=options.rate_limits,
        columns=columns,
        undecided=tasks.undecided,
        results=results,
        journal=options.journal or (folder / journal if journal else None),
        batch_id=batch_id,
        removes_journal=command == "status" and options.journal is None,
    )
    return plan, ResultsFile(results, delimiter=read.delimiter, newline=read.newline, has_bom=read.has_bom)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
