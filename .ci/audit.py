"""Checks the dependencies of the packages and their build tools for known vulnerabilities (RustSec, PyPI, npm).

audit.py TOOLS [--all]     TOOLS is the folder with cargo-deny and pip-audit

A source that cannot be reached is reported; with --all it is also an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class UnreachableError(Exception):
    """A source of advisories could not be reached."""


def run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def last_line(text: str) -> str:
    """The last line of a program's output."""
    return (text.strip() or "no error message").splitlines()[-1]


def parse_output(result: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a program printed."""
    try:
        return json.loads(result.stdout)
    except ValueError:
        raise UnreachableError(last_line(result.stderr)) from None


def rust(tools: Path) -> list[str]:
    """Check Cargo.lock against the RustSec database."""
    deny = tools / "cargo-deny"
    fetched = run(deny, "--locked", "fetch", "db")
    if fetched.returncode:
        raise UnreachableError(last_line(fetched.stderr))
    result = run(deny, "--workspace", "--locked", "check", "--hide-inclusion-graph", "advisories")
    return [result.stderr.strip()] if result.returncode else []


def python(tools: Path, requirements: str) -> list[str]:
    """Check a file of pinned Python packages against PyPI's advisories."""
    quiet = ["--format", "json", "--progress-spinner", "off"]
    as_pinned = ["--disable-pip", "--no-deps", "--requirement", requirements]
    packages = parse_output(run(tools / "pip-audit", *quiet, *as_pinned))["dependencies"]
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if skipped:
        raise UnreachableError(f"{len(skipped)} of {len(packages)} packages: {skipped[0]}")
    return [f"{package['name']}: {found['id']}" for package in packages for found in package["vulns"]]


def node(folder: str) -> list[str]:
    """Check a package-lock.json against npm's advisories."""
    report = parse_output(run("npm", "audit", "--json", "--package-lock-only", folder=ROOT / folder))
    if "vulnerabilities" not in report:
        raise UnreachableError(str(report.get("message", report)))
    return [f"{name}: {found['severity']}, {found['range']}" for name, found in report["vulnerabilities"].items()]


def lock_files(pattern: str) -> list[Path]:
    """The repository's lock files that match a pattern."""
    listed = run("git", "ls-files", "--", pattern).stdout.split()
    return [Path(name) for name in listed]


def main(arguments: list[str]) -> int:
    """Run every check, print the results, and return the exit code."""
    tools = Path(arguments[0]).resolve()
    checks: dict[str, Callable[[], list[str]]] = {"Cargo.lock": partial(rust, tools)}
    checks |= {str(name): partial(python, tools, str(name)) for name in lock_files("*requirements*.txt")}
    checks |= {str(name): partial(node, str(name.parent)) for name in lock_files("*package-lock.json")}
    findings = unreachable = 0
    for name, check in checks.items():
        try:
            found = check()
        except UnreachableError as error:
            unreachable += 1
            print(f"{name}: not audited: {error}")
            continue
        findings += len(found)
        print(f"{name}:", *(found or ["no known vulnerabilities"]), sep="\n  ")
    print(f"{len(checks) - unreachable} of {len(checks)} audited, {findings} findings")
    return 1 if findings or (unreachable and "--all" in arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
