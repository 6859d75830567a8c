"""One version for all packages.

version.py                 print the version, once every place is found to have it
version.py set X.Y.Z       write it in every place, and give the changelog's unreleased part that heading
version.py released TAG    the same; also TAG must be `v` and the version, and the changelog have that heading

A place is declared in PLACES, or is a MENTION of one of our packages and its version anywhere else in the repository.
The changelog is none: it tells of the past.
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

# Files, and patterns whose group is the version. Each pattern must be found, and whatever it finds is a place.
PLACES: dict[str, list[str]] = {
    "Cargo.toml": [rf'^\[workspace\.package\]\nversion = "{VERSION}"$'],
    "Cargo.lock": [rf'^name = "celper[\w-]*"\nversion = "{VERSION}"\n(?!source)'],
    "bindings-node/package.json": [MANIFEST],
    "bindings-node/package-lock.json": [LOCK_HEAD, LOCK_ROOT],
    "bindings-uniffi/kotlin/pom.xml": [rf"<artifactId>celper</artifactId>\s*<version>{VERSION}</version>"],
}

# celper==X.Y.Z, ai.celper:celper:X.Y.Z, celper@X.Y.Z, celper-X.Y.Z.jar, celper = "X.Y.Z", and a pom.xml's dependency.
MENTION = rf"""celper[\w-]*(?:==|[:@-]|["'\s]*=\s*["']|</artifactId>\s*<version>)v?{VERSION}"""

CHANGELOG = "CHANGELOG.md"
UNRELEASED = "## [Unreleased]"
HEADING = rf"^## \[{VERSION}\] - \d{{4}}-\d\d-\d\d$"


def versions(text: str, patterns: list[str]) -> list[re.Match[str]]:
    """All that `patterns` find; `^` and `$` are a line's ends."""
    return [match for pattern in patterns for match in re.finditer(pattern, text, re.MULTILINE)]


def original() -> str:
    """The version in Cargo.toml, which the crates take theirs from."""
    (match,) = versions((ROOT / "Cargo.toml").read_text(), PLACES["Cargo.toml"])
    return match[1]


def headings() -> list[str]:
    """The released versions, newest first."""
    return [match[1] for match in versions((ROOT / CHANGELOG).read_text(), [HEADING])]


def texts() -> dict[str, str]:
    """The text files of the repository, also those that are not added yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = {}
    for name in {*listed.split("\0"), *PLACES} - {"", CHANGELOG}:
        try:
            found[name] = (ROOT / name).read_text()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue
    return found


def faults() -> list[str]:
    """What is not in step with Cargo.toml."""
    version = original()
    wrong = [f"{CHANGELOG}: the newest heading is {newest}" for newest in headings()[:1] if newest != version]
    files = texts()
    for name, patterns in PLACES.items():
        missing = [pattern for pattern in patterns if not versions(files.get(name, ""), [pattern])]
        wrong += [f"{name}: nothing there is like {pattern}" for pattern in missing]
    for name, text in files.items():
        for match in versions(text, [*PLACES.get(name, []), MENTION]):
            if match[1] != version:
                line = text.count("\n", 0, match.start(1)) + 1
                wrong.append(f"{name}:{line}: {match[1]}, not {version}")
    return sorted(set(wrong))


def write(version: str) -> None:
    """Puts `version` in every place."""
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
    """Does what the arguments say."""
    match arguments:
        case []:
            wrong = faults()
        case ["set", version] if re.fullmatch(VERSION, version):
            write(version)
            wrong = faults()
        case ["released", tag]:
            wrong = faults()
            if tag != f"v{original()}":
                wrong.append(f"the tag is {tag}, and the version {original()}")
            if original() not in headings():
                wrong.append(f"{CHANGELOG} has no heading for {original()}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(*(wrong or [original()]), sep="\n", file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
