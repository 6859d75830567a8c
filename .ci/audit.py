"""Known vulnerabilities in what the packages are made of and built with: RustSec, PyPI's advisories, npm's.

audit.py TOOLS [--all]     TOOLS is the folder of cargo-deny and pip-audit

A source that cannot be reached has told nothing: a line says so, and with --all it is an error too.
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
    """The source gave no answer."""


def run(*command: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The finished command."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def last_line(text: str) -> str:
    """What a program said in the end."""
    return (text.strip() or "no word of why").splitlines()[-1]


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a program printed."""
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise UnreachableError(last_line(done.stderr)) from None


def rust(tools: Path) -> list[str]:
    """Cargo.lock against the RustSec database."""
    deny = tools / "cargo-deny"
    fetched = run(deny, "--locked", "fetch", "db")
    if fetched.returncode:
        raise UnreachableError(last_line(fetched.stderr))
    done = run(deny, "--workspace", "--locked", "check", "--hide-inclusion-graph", "advisories")
    return [done.stderr.strip()] if done.returncode else []


def python(tools: Path, requirements: str) -> list[str]:
    """A list of pinned Python packages against PyPI's advisories."""
    quiet = ["--format", "json", "--progress-spinner", "off"]
    as_pinned = ["--disable-pip", "--no-deps", "--requirement", requirements]
    packages = answer(run(tools / "pip-audit", *quiet, *as_pinned))["dependencies"]
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if skipped:
        raise UnreachableError(f"{len(skipped)} of {len(packages)} packages: {skipped[0]}")
    return [f"{package['name']}: {fault['id']}" for package in packages for fault in package["vulns"]]


def node(folder: str) -> list[str]:
    """A package-lock.json against npm's advisories."""
    report = answer(run("npm", "audit", "--json", "--package-lock-only", folder=ROOT / folder))
    if "vulnerabilities" not in report:
        raise UnreachableError(str(report.get("message", report)))
    return [f"{name}: {fault['severity']}, {fault['range']}" for name, fault in report["vulnerabilities"].items()]


def locks(pattern: str) -> list[Path]:
    """The repository's own lock files."""
    listed = run("git", "ls-files", "--", pattern).stdout.split()
    return [Path(name) for name in listed]


def main(arguments: list[str]) -> int:
    """Looks through everything, and only then says whether it is well."""
    tools = Path(arguments[0]).resolve()
    checks: dict[str, Callable[[], list[str]]] = {"Cargo.lock": partial(rust, tools)}
    checks |= {str(name): partial(python, tools, str(name)) for name in locks("*requirements*.txt")}
    checks |= {str(name): partial(node, str(name.parent)) for name in locks("*package-lock.json")}
    found = unreached = 0
    for name, check in checks.items():
        try:
            faults = check()
        except UnreachableError as why:
            unreached += 1
            print(f"{name}: not audited: {why}")
            continue
        found += len(faults)
        print(f"{name}:", *(faults or ["nothing known"]), sep="\n  ")
    print(f"{len(checks) - unreached} of {len(checks)} audited, {found} findings")
    return 1 if found or (unreached and "--all" in arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
