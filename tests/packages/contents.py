"""What is in each package, against the list of what should be: `expected/`.

A line of a list is a path, with `{version}` and the platform's words for what changes, and `*` where a build decides on
the names. Each file of the package must be on the list, and each line stand for at least one file.
"""

from __future__ import annotations

import fnmatch
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from platforms import WORDS
from tree import ROOT, version

EXPECTED = ROOT / "tests/packages/expected"


def read(package: Path) -> dict[str, bytes]:
    """The files of a package; of a folder, those below it.

    Raises:
        ValueError: if it has something else than files, or a path that leads elsewhere.
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
                    raise ValueError(f"{package.name}: {entry.name} is no ordinary file")
                files[entry.name] = content.read()
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{package.name}: {name} leads elsewhere")
    return files


def expected(name: str) -> list[str]:
    """The lines of a list."""
    text = (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.format(version=version(), **WORDS) for line in lines]


def faults(name: str, there: Iterable[str], lines: list[str]) -> list[str]:
    """What is there and on no line, and lines for which nothing is there."""
    patterns = {line: re.compile(fnmatch.translate(line)) for line in lines}
    there = sorted(there)
    stray = [path for path in there if not any(pattern.match(path) for pattern in patterns.values())]
    missing = [line for line, pattern in patterns.items() if not any(pattern.match(path) for path in there)]
    return [f"{name}: stray {path}" for path in stray] + [f"{name}: missing {line}" for line in missing]


def words(name: str, files: dict[str, bytes], forbidden: Iterable[str]) -> list[str]:
    """The files that have a word in them that should be in none, such as a folder of the machine that built them."""
    return [
        f"{name}: {path} has {word!r} in it"
        for path, content in sorted(files.items())
        for word in forbidden
        if word.encode() in content
    ]
