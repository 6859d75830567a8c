"""The results: a record for each task, as JSON and as a CSV file that survives the end of the process at any moment."""

from __future__ import annotations

import csv
import errno
import io
import os
from contextlib import suppress

from celper._cli import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, BinaryIO

    from celper import BatchItem, CandidateRequest
    from celper._cli.rows import Task

OK, FAILED, NOT_ATTEMPTED, UNKNOWN = "ok", "failed", "not attempted", "unknown"
COLUMNS = (
    "line",
    "candidate_id",
    "job_position_id",
    "operation",
    "outcome",
    "status",
    "analysis_viewed",
    "interview_score",
    "session_id",
    "email_delivery",
    "expires_at",
    "error_kind",
    "error_code",
    "error_message",
    "outcome_unknown",
    "request_id",
    "idempotency_key",
    "resumed",
)

# Also the full-width forms, which some spreadsheets take for the same.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

Record = dict[str, "Any"]


def _of(task: Task, outcome: str) -> Record:
    return {
        "line": task.line,
        "candidate_id": task.candidate_id,
        "job_position_id": task.job_position_id,
        "operation": task.operation,
        "outcome": outcome,
        "result": None,
        "error": None,
        "idempotency_key": None,
        "resumed": False,
        "already_done": False,
    }


def of_item(task: Task, item: BatchItem[CandidateRequest]) -> Record:
    """The record of a task that a batch has an item for."""
    record = _of(task, NOT_ATTEMPTED if item.not_attempted else OK if item.error is None else FAILED)
    record["result"] = None if item.result is None else item.result.to_dict()
    record["error"] = None if item.error is None else item.error.to_dict()
    record["idempotency_key"] = item.idempotency_key
    record["resumed"] = item.resumed
    record["already_done"] = item.already_done
    return record


def not_started(task: Task, *, known: bool) -> Record:
    """The record of a task without an item, because the run was stopped. ``known``: it was certainly not sent."""
    return _of(task, NOT_ATTEMPTED if known else UNKNOWN)


def _row(record: Mapping[str, Any]) -> list[str]:
    result: dict[str, Any] = record["result"] or {}
    error: dict[str, Any] = record["error"] or {}
    values: dict[str, object] = {
        **{name: record[name] for name in ("line", "candidate_id", "job_position_id", "operation", "outcome")},
        **{name: result.get(name) for name in COLUMNS[5:11]},
        **{f"error_{name}": error.get(name) for name in ("kind", "code", "message")},
        "outcome_unknown": error.get("outcome_unknown") or record["outcome"] == UNKNOWN or None,
        "request_id": result.get("request_id") or error.get("request_id"),
        "idempotency_key": record["idempotency_key"],
        "resumed": record["resumed"] or None,
    }
    return [_cell(values[name]) for name in COLUMNS]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        # A spreadsheet would take it as a formula.
        return "'" + value
    return str(value)


class ResultsFile:
    """A CSV file with a row for each task.

    Each row is appended as its task ends. At the end the file is replaced by one in the order of the input, with a row
    for every task.
    """

    def __init__(self, path: Path, *, delimiter: str, newline: str, has_bom: bool) -> None:
        self.path = path
        self._delimiter, self._newline = delimiter, newline
        self._encoding = "utf-8-sig" if has_bom else "utf-8"
        self._file: BinaryIO | None = None

    def check(self) -> None:
        """Looks whether the file may be replaced.

        Raises:
            UsageError: It is something else.
        """
        _earlier_operations(self.path)

    def begin(self, operations: set[str]) -> Path | None:
        """Replaces the file by one with the header alone.

        Returns:
            Where an existing file with other operations' results is now.

        Raises:
            UsageError: It cannot be written, or is something else.
        """
        aside = _keep_others(self.path, operations)
        try:
            self._replace([])
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written ({error.strerror or error}); close it if another "
                "program has it open, or pass --results FILE"
            ) from None
        return aside

    def add(self, record: Record) -> None:
        """Appends a row: one write, so that no end of the process leaves a part of it."""
        if self._file is not None:
            row = self._lines([_row(record)]).encode()
            written = self._file.write(row)
            if written < len(row):
                self._file.truncate(self._file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def finish(self, records: list[Record]) -> None:
        """Replaces the file by the final one. If another run has replaced it meanwhile, the final one is beside it."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                if not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
                    self.path = _aside(self.path, {record["operation"] for record in records})
            self._file.close()
            self._file = None
        self._replace(records)

    def _replace(self, records: list[Record]) -> None:
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(self._lines([list(COLUMNS), *map(_row, records)]).encode(self._encoding))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _lines(self, rows: list[list[str]]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator=self._newline).writerows(rows)
        return text.getvalue()


def _earlier_operations(path: Path) -> set[str]:
    """The operations whose results a file has; none if there is no file.

    Raises:
        UsageError: The file is something else.
    """
    try:
        if path.exists() and not path.is_file():
            # A pipe would block, and a device would be replaced.
            raise UsageError(f"{path} is not a regular file; pass --results FILE")
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = first.removeprefix("line")[:1]
            rows = csv.reader(file, delimiter=delimiter or ",")
            if first.rstrip("\r\n").split(delimiter or ",") != list(COLUMNS):
                raise UsageError(f"{path} exists and is not a results file of this command; pass --results FILE")
            earlier = {row[3] for row in rows if len(row) == len(COLUMNS)}
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} exists and cannot be read ({error}); pass --results FILE") from None
    return earlier


def _aside(path: Path, operations: set[str]) -> Path:
    """Where the results of these operations are, if others have the file."""
    stem = path.name.removesuffix(".csv").removesuffix(".results")
    return path.with_name(f"{stem}.{'-'.join(sorted(operations))}.results.csv")


def _keep_others(path: Path, operations: set[str]) -> Path | None:
    earlier = _earlier_operations(path)
    if not earlier or earlier & operations:
        return None
    aside = _aside(path, earlier)
    try:
        path.replace(aside)
    except OSError as error:
        raise UsageError(f"{path} cannot be moved to {aside} ({error.strerror}); pass --results FILE") from None
    return aside
