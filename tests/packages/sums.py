"""Writes and checks SHA256SUMS, in the format of `sha256sum --check`."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write(folder: Path) -> None:
    """Write the checksums of all files in a folder."""
    lines = [f"{digest}  {name}\n" for name, digest in _sums(folder).items()]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def errors(folder: Path) -> list[str]:
    """The files that differ from their checksums, and those with no checksum or no file."""
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    actual = _sums(folder)
    differing = [name for name in listed.keys() | actual.keys() if listed.get(name) != actual.get(name)]
    return [f"{NAME} does not match {name}" for name in sorted(differing)]
