"""The lines of all languages in one file, where a language's newer ones take the place of its older ones."""

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
    # Of each language, the commit that it was measured at.
    commits: dict[str, str]
    lines: list[Line]


def machine() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGESIZE")
    # What the firmware and the kernel keep for themselves is not counted in pages.
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
    """Writes the language's lines into the file, and gives all of it."""
    results = load()
    if results["machine"] != machine():
        # Figures of two machines do not stand side by side.
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
