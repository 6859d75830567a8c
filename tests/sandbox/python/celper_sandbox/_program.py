"""Where the program is that pip installed beside this package."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_NAME = "celper-sandbox.exe" if sys.platform == "win32" else "celper-sandbox"


def find_program() -> str:
    """The path of ``celper-sandbox``: what ``CELPER_SANDBOX`` says, or the program that came with this package.

    Raises:
        FileNotFoundError: if there is neither.
    """
    if named := os.environ.get("CELPER_SANDBOX"):
        return named
    tried = list(dict.fromkeys(_places()))
    for place in tried:
        if place.is_file():
            return str(place)
    looked = "".join(f"\n  {place}" for place in tried)
    raise FileNotFoundError(
        f"the program {_NAME} is not where pip puts it:{looked}\n"
        "Install celper-sandbox again, or set CELPER_SANDBOX to the program's path."
    )


def _places() -> Iterator[Path]:
    # What pip wrote down: right for `--user`, `--prefix` and `--target` as well.
    distribution = importlib.metadata.distribution("celper-sandbox")
    for file in distribution.files or ():
        if file.name == _NAME:
            yield Path(str(distribution.locate_file(file))).resolve()
    yield Path(sysconfig.get_path("scripts")) / _NAME
