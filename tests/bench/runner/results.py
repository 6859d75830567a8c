"""Stores the lines of all languages in one file; new lines replace the language's old ones."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from typing import Any, TypedDict

from languages import BENCH, ROOT
from measure import Line

FOLDER = BENCH / "results"
LATEST = FOLDER / "latest.json"


class Results(TypedDict):
    machine: str
    # The commit at which each language was measured.
    commits: dict[str, str]
    lines: list[Line]


def machine() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGESIZE")
    # Rounded, because the page count excludes memory reserved by the firmware and the kernel.
    return f"{os.cpu_count()} cores, {round(pages * size / 2**30)} GiB, {platform.system()} {platform.machine()}"


def commit() -> str:
    try:
        return subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load() -> Results:
    if not LATEST.exists():
        return {"machine": machine(), "commits": {}, "lines": []}
    results: Results = json.loads(LATEST.read_text())
    return results


def merge(language: str, lines: list[Line]) -> Results:
    """Write the language's lines to the file, and return all results."""
    results = load()
    if results["machine"] != machine():
        # Results of different machines cannot be compared.
        results = {"machine": machine(), "commits": {}, "lines": []}
    results["commits"][language] = commit()
    results["lines"] = [line for line in results["lines"] if line["language"] != language] + lines
    write(results)
    return results


def write(results: Results) -> None:
    FOLDER.mkdir(exist_ok=True)
    rows = ",\n".join("    " + json.dumps(rounded(line)) for line in results["lines"])
    head = json.dumps({"machine": results["machine"], "commits": results["commits"]}, indent=2)
    LATEST.write_text(f'{head[:-2]},\n  "lines": [\n{rows}\n  ]\n}}\n')


def rounded(line: Line) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in line.items()}
