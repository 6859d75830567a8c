"""SHA256SUMS, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write(folder: Path) -> None:
    """Write the sums of all files in a folder."""
    lines = [f"{digest}  {name}\n" for name, digest in _sums(folder).items()]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def faults(folder: Path) -> list[str]:
    """What is there and not as the sums have it, or the other way around."""
    lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    said = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    real = _sums(folder)
    wrong = [name for name in said.keys() | real.keys() if said.get(name) != real.get(name)]
    return [f"{NAME} is not right about {name}" for name in sorted(wrong)]
