"""Keeps one repository address in all packages' manifests and in the docs.

repository.py                 check that every place has the same address, and print it
repository.py set URL         write the address in every place
repository.py released URL    check that every place has this address

Until the address is known, it is PLACEHOLDER, with which nothing is released.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDER = "https://github.com/" + "OWNER/NAME"
ADDRESS = r"https://[\w.-]+/[\w.-]+/[\w.-]+"

POM = [
    "<url>{url}</url>",
    "<connection>scm:git:{url}.git</connection>",
    "<developerConnection>scm:git:{url}.git</developerConnection>",
    "<url>{url}/issues</url>",
]
NPM = [
    '"homepage": "{url}/tree/main/{folder}#readme"',
    '"bugs": "{url}/issues"',
    '"url": "git+{url}.git"',
    '"directory": "{folder}"',
]
PYPI = [
    'Homepage = "{url}"',
    'Documentation = "{url}/tree/main/docs"',
    'Repository = "{url}"',
    'Issues = "{url}/issues"',
    'Changelog = "{url}/blob/main/CHANGELOG.md"',
]

# What each file must contain, with the address as `{url}` and the file's folder as `{folder}`.
PLACES: dict[str, list[str]] = {
    "Cargo.toml": ['repository = "{url}"', 'homepage = "{url}"'],
    "core/Cargo.toml": ["repository.workspace = true", "homepage.workspace = true"],
    "bindings-python/pyproject.toml": PYPI,
    "tests/sandbox/python/pyproject.toml": PYPI,
    "bindings-node/package.json": NPM,
    "tests/sandbox/node/package.json": NPM,
    "bindings-uniffi/kotlin/pom.xml": POM,
    "tests/sandbox/jvm/pom.xml": POM,
    "bindings-uniffi/kotlin/android.gradle.kts": ['val repository = "{url}"'],
    "bindings-uniffi/swift/Release/Package.swift": ['let downloads = "{url}/releases/download/'],
    "README.md": ['.package(url: "{url}"'],
    "bindings-uniffi/README.md": ['.package(url: "{url}"', 'package: "{name}"'],
    "CONTRIBUTING.md": ["--repo {slug}"],
}


def address() -> str:
    """The address in Cargo.toml."""
    found = re.search(rf'^repository = "({ADDRESS})"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert found, "Cargo.toml has no repository"
    return found[1]


def texts() -> dict[str, str]:
    """The text files of the repository, including untracked ones, and without lock files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = {}
    for name in set(listed.split("\0")) - {""}:
        try:
            if "lock" not in Path(name).name:
                found[name] = (ROOT / name).read_text()
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue
    return found


def parts(url: str, name: str) -> dict[str, str]:
    """What the places' fields stand for in a file."""
    owner, last = url.split("/")[-2:]
    return {"url": url, "slug": f"{owner}/{last}", "name": last, "folder": Path(name).parent.as_posix()}


def check() -> list[str]:
    """The places whose address differs from Cargo.toml's."""
    url = address()
    files = texts()
    errors: list[str] = []
    # The poms with a licence are those that are published.
    poms = {name: POM for name, text in files.items() if name.endswith("pom.xml") and "<licenses>" in text}
    for name, places in (PLACES | poms).items():
        wanted = [place.format(**parts(url, name)) for place in places]
        errors += [f"{name}: no {text}" for text in wanted if text not in files.get(name, "")]
    if url != PLACEHOLDER:
        errors += [f"{name}: has {PLACEHOLDER}" for name, text in files.items() if PLACEHOLDER in text]
    return errors


def write(url: str) -> None:
    """Write the address in every place."""
    old = address()
    for name, text in texts().items():
        new = text.replace(old, url)
        for place in PLACES.get(name, []):
            new = new.replace(place.format(**parts(old, name)), place.format(**parts(url, name)))
        if new != text:
            (ROOT / name).write_text(new)


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name, and return the exit code."""
    match arguments:
        case []:
            errors = check()
        case ["set", url] if re.fullmatch(ADDRESS, url):
            write(url)
            errors = check()
        case ["released", url]:
            errors = check()
            if url != address():
                errors.append(f"the address is {url}, but the packages have {address()}: make repository URL={url}")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(*(errors or [address()]), sep="\n", file=sys.stderr if errors else sys.stdout)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
