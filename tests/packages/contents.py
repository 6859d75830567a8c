"""Compares the files of each package with its list in `expected/`.

A line of a list is a path. `{version}` and the platform's names are filled in; `*` matches generated names. Each file
of the package must match a line, and each line must match at least one file.
"""

from __future__ import annotations

import fnmatch
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from platforms import NAMES
from tree import ROOT, version

EXPECTED = ROOT / "tests/packages/expected"


def read(package: Path) -> dict[str, bytes]:
    """The files of an archive or a folder.

    Raises:
        ValueError: if an entry is not a regular file, or its path leads out of the archive.
    """
    if package.is_dir():
        return {
            path.relative_to(package).as_posix(): path.read_bytes() for path in package.rglob("*") if path.is_file()
        }
    files: dict[str, bytes] = {}
    if zipfile.is_zipfile(package):
        with zipfile.ZipFile(package) as archive:
            files = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
    else:
        with tarfile.open(package) as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise ValueError(f"{package.name}: {entry.name} is not a regular file")
                files[entry.name] = content.read()
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{package.name}: {name} leads out of the archive")
    return files


def expected(name: str) -> list[str]:
    """The lines of a list, with the names filled in."""
    text = (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.format(version=version(), **NAMES) for line in lines]


def errors(name: str, files: Iterable[str], lines: list[str]) -> list[str]:
    """The files that match no line, and the lines that match no file."""
    patterns = {line: re.compile(fnmatch.translate(line)) for line in lines}
    files = sorted(files)
    unexpected = [path for path in files if not any(pattern.match(path) for pattern in patterns.values())]
    missing = [line for line, pattern in patterns.items() if not any(pattern.match(path) for path in files)]
    return [f"{name}: unexpected {path}" for path in unexpected] + [f"{name}: missing {line}" for line in missing]


def containing(name: str, files: dict[str, bytes], forbidden: Iterable[str]) -> list[str]:
    """The files that contain a forbidden text, such as a path of the build machine."""
    return [
        f"{name}: {path} contains {text!r}"
        for path, content in sorted(files.items())
        for text in forbidden
        if text.encode() in content
    ]
