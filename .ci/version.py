"""Keeps one version number in all packages.

version.py                 check that every place has the same version, and print it
version.py set X.Y.Z       write the version in every place, and as the heading of the changelog's unreleased section
version.py released TAG    check that every place has the same version, that TAG is `release-` and that version, and
                           that the changelog has a heading for it

A place is listed in PLACES, or is a MENTION of one of our packages with a version anywhere else in the repository. The
changelog is exempt, because it names past versions.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = r"(\d+\.\d+\.\d+)"

MANIFEST = rf'^  "version": "{VERSION}",$'
LOCK_HEAD = rf'\A{{\n  "name": .*\n  "version": "{VERSION}",$'
LOCK_ROOT = rf'^    "": {{\n      "name": .*\n      "version": "{VERSION}",$'

# Files, with patterns whose group is the version. Each pattern must match, and every match is a place.
PLACES: dict[str, list[str]] = {
    "Cargo.toml": [rf'^\[workspace\.package\]\nversion = "{VERSION}"$'],
    "Cargo.lock": [rf'^name = "celper[\w-]*"\nversion = "{VERSION}"\n(?!source)'],
    "bindings-node/package.json": [MANIFEST],
    "bindings-node/package-lock.json": [LOCK_HEAD, LOCK_ROOT],
    "bindings-uniffi/kotlin/pom.xml": [rf"<artifactId>celper</artifactId>\s*<version>{VERSION}</version>"],
    "tests/sandbox/jvm/pom.xml": [rf"<artifactId>celper-sandbox</artifactId>\s*<version>{VERSION}</version>"],
    "bindings-uniffi/swift/Release/Package.swift": [rf'^let version = "{VERSION}"$'],
    "README.md": [rf'from: "{VERSION}"'],
    "bindings-uniffi/README.md": [rf'from: "{VERSION}"', rf"download/v{VERSION}/CelperFFI", rf"CelperFFI-{VERSION}-"],
}

# celper==X.Y.Z, ai.celper:celper:X.Y.Z, celper@X.Y.Z, celper-X.Y.Z.jar, celper = "X.Y.Z", and a pom.xml's dependency.
MENTION = rf"""celper[\w-]*(?:==|[:@-]|["'\s]*=\s*["']|</artifactId>\s*<version>)v?{VERSION}"""

CHANGELOG = "CHANGELOG.md"
UNRELEASED = "## [Unreleased]"
HEADING = rf"^## \[{VERSION}\] - \d{{4}}-\d\d-\d\d$"


def versions(text: str, patterns: list[str]) -> list[re.Match[str]]:
    """All matches of `patterns`; `^` and `$` match at line breaks."""
    return [match for pattern in patterns for match in re.finditer(pattern, text, re.MULTILINE)]


def workspace_version() -> str:
    """The version in Cargo.toml, which the crates inherit."""
    (match,) = versions((ROOT / "Cargo.toml").read_text(), PLACES["Cargo.toml"])
    return match[1]


def headings() -> list[str]:
    """The released versions in the changelog, newest first."""
    return [match[1] for match in versions((ROOT / CHANGELOG).read_text(), [HEADING])]


def texts() -> dict[str, str]:
    """The text files of the repository, including untracked ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = {}
    for name in {*listed.split("\0"), *PLACES} - {"", CHANGELOG}:
        try:
            found[name] = (ROOT / name).read_text()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue
    return found


def check() -> list[str]:
    """The places whose version differs from Cargo.toml's."""
    version = workspace_version()
    errors = [f"{CHANGELOG}: the newest heading is {newest}" for newest in headings()[:1] if newest != version]
    files = texts()
    for name, patterns in PLACES.items():
        missing = [pattern for pattern in patterns if not versions(files.get(name, ""), [pattern])]
        errors += [f"{name}: no match for {pattern}" for pattern in missing]
    for name, text in files.items():
        for match in versions(text, [*PLACES.get(name, []), MENTION]):
            if match[1] != version:
                line = text.count("\n", 0, match.start(1)) + 1
                errors.append(f"{name}:{line}: {match[1]}, not {version}")
    return sorted(set(errors))


def write(version: str) -> None:
    """Write `version` in every place."""
    for name, text in texts().items():
        new = text
        places = {match.span(1) for match in versions(text, [*PLACES.get(name, []), MENTION])}
        for start, end in sorted(places, reverse=True):
            new = new[:start] + version + new[end:]
        if new != text:
            (ROOT / name).write_text(new)
    if version not in headings():
        today = datetime.now(timezone.utc).date()
        text = (ROOT / CHANGELOG).read_text()
        (ROOT / CHANGELOG).write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n\n## [{version}] - {today}", 1))


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name, and return the exit code."""
    match arguments:
        case []:
            errors = check()
        case ["set", version] if re.fullmatch(VERSION, version):
            write(version)
            errors = check()
        case ["released", tag]:
            errors = check()
            if tag != f"release-{workspace_version()}":
                errors.append(f"the tag is {tag}, but the version is {workspace_version()}")
            if workspace_version() not in headings():
                errors.append(f"{CHANGELOG} has no heading for {workspace_version()}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(*(errors or [workspace_version()]), sep="\n", file=sys.stderr if errors else sys.stdout)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
