"""The repository's paths and version, and a helper to run commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
DIST = TARGET / "dist"
"""The output of `make dist`: the packages as they are uploaded."""
WORK = TARGET / "dist-work"
BUILD = TARGET / "dist-build"
"""A separate target folder, because these builds are linked differently."""
TOOLS = TARGET / "dist-tools"
LICENSES = "THIRD-PARTY-LICENSES.txt"


def version() -> str:
    """The workspace's version, which all packages share."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    assert found
    return found[1]


def run(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output. Its standard error is passed through.

    Raises:
        SystemExit: if it fails.
    """
    arguments = [str(part) for part in command]
    environment = {**os.environ, **(env or {})}
    result = subprocess.run(arguments, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        print(result.stdout, file=sys.stderr)
        raise SystemExit(f"{' '.join(arguments)}: exit code {result.returncode}")
    return result.stdout
