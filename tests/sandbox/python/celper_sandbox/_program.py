"""Finds the program that pip installed with this package."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_NAME = "celper-sandbox.exe" if sys.platform == "win32" else "celper-sandbox"


def find_program() -> str:
    """The path of ``celper-sandbox``: ``CELPER_SANDBOX`` if set, else the program of this package.

    Raises:
        FileNotFoundError: if the program of this package is missing.
    """
    if named := os.environ.get("CELPER_SANDBOX"):
        return named
    tried = list(dict.fromkeys(_places()))
    for place in tried:
        if place.is_file():
            return str(place)
    paths = "".join(f"\n  {place}" for place in tried)
    raise FileNotFoundError(
        f"the program {_NAME} is missing. Looked for it at:{paths}\n"
        "Reinstall celper-sandbox, or set CELPER_SANDBOX to the path of the program."
    )


def _places() -> Iterator[Path]:
    # The path that pip recorded, which is right with `--user`, `--prefix` and `--target` too.
    distribution = importlib.metadata.distribution("celper-sandbox")
    for file in distribution.files or ():
        if file.name == _NAME:
            yield Path(str(distribution.locate_file(file))).resolve()
    yield Path(sysconfig.get_path("scripts")) / _NAME
