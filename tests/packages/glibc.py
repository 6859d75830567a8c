"""Reads the glibc version that a file needs, and the one that its package declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import cast

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Version = tuple[int, ...]

LEGACY = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}


def parse(text: str) -> Version:
    """`"2.17"` as numbers."""
    return tuple(int(part) for part in re.split(r"[._]", text))


def needed(file: bytes) -> dict[str, Version]:
    """The glibc symbol versions that an ELF file needs, with their numbers; empty for other files."""
    try:
        elf = ELFFile(BytesIO(file))
    except ELFError:
        return {}
    names = (name for name in _versions(elf) if name.startswith("GLIBC_") and name != "GLIBC_PRIVATE")
    return {name: parse(name.removeprefix("GLIBC_")) for name in names}


def _versions(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, auxiliaries in section.iter_versions():
                yield from (cast("str", auxiliary.name) for auxiliary in auxiliaries)


def declared(wheel: str) -> Version:
    """The glibc version in a wheel's name; the lowest of several tags, because an installer accepts any of them.

    Raises:
        ValueError: if the name has no tag for glibc.
    """
    tags = wheel.removesuffix(".whl").rsplit("-", 1)[1].split(".")
    found = [LEGACY[name] for tag in tags if (name := tag.split("_", 1)[0]) in LEGACY]
    found += [f"{tag[1]}.{tag[2]}" for tag in (re.match(r"manylinux_(\d+)_(\d+)_", tag) for tag in tags) if tag]
    if not found:
        raise ValueError(f"{wheel} has no tag for glibc")
    return min(map(parse, found))


def errors(name: str, file: bytes, floor: Version) -> list[str]:
    """The glibc symbols that `file` needs and `floor` does not have."""
    return [
        f"{name} needs {symbol}, but its package declares glibc {'.'.join(map(str, floor))}"
        for symbol, version in sorted(needed(file).items())
        if version > floor
    ]
