"""Reads a CSV file as spreadsheets write it: any of their encodings and delimiters, with the line of each record."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from celper._cli import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SAVE_AS = 'in Excel: File → Save As → "CSV UTF-8"; in LibreOffice and Google Sheets, CSV in UTF-8 is the default'
_BINARY = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True)
class Record:
    """The cells of one record, and the file's line on which it begins, from 1."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """A file's header and records, and how it was written."""

    header: list[str]
    records: list[Record]
    delimiter: str
    newline: str
    has_bom: bool


def read(data: bytes, name: str, *, encoding: str | None, recognizes: Callable[[str], bool]) -> Table:
    """Reads a file. The delimiter is the one with which the most column names are recognized.

    Raises:
        UsageError: It is not a CSV file that can be understood.
    """
    text = _decode(data, name, encoding)
    csv.field_size_limit(2**31 - 1)
    declared, text = _declared_delimiter(text)
    header, delimiter = _header(text, name, declared, recognizes)
    # A line that declares the delimiter is cut off, and counts.
    offset = 1 if declared else 0
    records = [
        Record(record.line + offset, record.cells)
        for record in _records(text, delimiter, name, offset)
        if record.line > header.line and any(cell.strip() for cell in record.cells)
    ]
    has_bom = data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    return Table(
        header=[cell.strip() for cell in header.cells],
        records=records,
        delimiter=delimiter,
        newline="\r\n" if "\r\n" in text else "\n",
        has_bom=has_bom,
    )


def _decode(data: bytes, name: str, encoding: str | None) -> str:
    for start, what in _BINARY.items():
        if data.startswith(start):
            raise UsageError(f"{name} is {what}; save the sheet as CSV ({_SAVE_AS})")
    if encoding is None:
        encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UsageError(f"--encoding: there is no encoding {encoding!r}; try utf-8 or cp1252") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"{name} line {line}: byte 0x{data[error.start]:02X} is not {error.encoding.upper()}"
        raise UsageError(
            f"{where}; save the file as UTF-8 ({_SAVE_AS}), or name its encoding: --encoding cp1252"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UsageError(
            f"{name} line {line} has a NUL character: this is no text in UTF-8; save it as CSV ({_SAVE_AS})"
        )
    if not text.strip():
        raise _is_empty(name)
    return text.removeprefix("\ufeff")


def _is_empty(name: str) -> UsageError:
    return UsageError(f"{name} is empty; its first line must have the names of the columns, such as candidate_id")


def _declared_delimiter(text: str) -> tuple[str | None, str]:
    """Excel's ``sep=;`` on the first line, and the text after it."""
    first, newline, rest = text.partition("\n")
    first = first.rstrip("\r")
    if newline and len(first) == 5 and first.lower().startswith("sep="):
        return first[4], rest
    return None, text


def _header(text: str, name: str, declared: str | None, recognizes: Callable[[str], bool]) -> tuple[Record, str]:
    best: tuple[tuple[int, int], Record, str] | None = None
    problem: UsageError | None = None
    for delimiter in [declared] if declared else [",", ";", "\t"]:
        try:
            records = _records(text, delimiter, name, 0)
            header = next((record for record in records if any(map(str.strip, record.cells))), None)
        except UsageError as error:
            problem = problem or error
            continue
        if header is None:
            raise _is_empty(name)
        score = (sum(recognizes(cell) for cell in header.cells), len(header.cells))
        if best is None or score > best[0]:
            best = (score, header, delimiter)
    if best is None:
        assert problem is not None
        raise problem
    return best[1], best[2]


def _records(text: str, delimiter: str, name: str, offset: int) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield Record(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        problem = "a quoted cell has no closing quote"
        if "expected after" in str(error):
            problem = 'a quoted cell has text after its closing quote (write a quote inside a cell as "")'
        raise UsageError(f"{name} line {line + offset}: {problem}") from None
