"""Where things are, and how a command is run."""

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
"""What `make dist` leaves: the packages, as they are uploaded."""
WORK = TARGET / "dist-work"
BUILD = TARGET / "dist-build"
"""Cargo's own folder for these builds: they are linked in another way than those of the tree."""
TOOLS = TARGET / "dist-tools"
LICENSES = "THIRD-PARTY-LICENSES.txt"


def version() -> str:
    """The workspace's version, which all packages share."""
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    assert found
    return found[1]


def run(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Run a command, and give what it printed. What it says on standard error goes through.

    Raises:
        SystemExit: if it fails.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(words, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}")
    return done.stdout
