"""The licences of what is compiled into a package, as one text that goes along with it.

`licenses.py CRATE FILE` writes it for a package with libraries of several platforms.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from native import LINUX, TRIPLE, environment
from tree import ROOT, WORK, run

RULE = "#" * 78
HEAD = "This package contains, in compiled form, the following components of others. Their licences are below.\n"
ANYWHERE = """This package, or what is built from it, contains in compiled form those of the following components of
others that the platform calls for. Their licences are below.
"""
RUST = """The Rust standard library
  https://github.com/rust-lang/rust, MIT OR Apache-2.0
  Copyright (c) The Rust Project Contributors
"""


def text(crate: str, *, anywhere: bool = False) -> str:
    """The licences of a crate's dependencies, on this platform or on all that there are packages for.

    As long as nothing that they depend on has changed they are made once.
    """
    manifest = manifest_of(crate)
    names = ("Cargo.lock", "Cargo.toml", "deny.toml", "tests/packages/about.toml")
    sources = [*(ROOT / name for name in names), manifest, Path(__file__)]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    kept = WORK / "licenses" / f"{crate}-{'anywhere-' if anywhere else ''}{key}.txt"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        head = ANYWHERE if anywhere else HEAD
        # For several platforms the tool also names what only a mixture of two of them would have: cargo knows better.
        wanted = dependencies(crate, anywhere=anywhere)
        kept.write_text(_write(head, _collect(manifest, targets(anywhere)), wanted), encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def targets(anywhere: bool) -> list[str]:
    """Options that name this platform, or all that there are packages for."""
    triples: list[str] = [TRIPLE] if LINUX else []
    if anywhere:
        # Not by tomllib, which Python 3.10 has not.
        (listed,) = re.findall(r"^targets = \[(.+?)^\]", (ROOT / "deny.toml").read_text(encoding="utf-8"), re.M | re.S)
        triples = re.findall(r'"(.+)"', listed)
    return [f"--target={triple}" for triple in triples]


def manifest_of(crate: str) -> Path:
    """The Cargo.toml of a member of the workspace."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))
    (found,) = (package["manifest_path"] for package in metadata["packages"] if package["name"] == crate)
    return Path(found)


def _collect(manifest: Path, options_of_targets: list[str]) -> dict[str, Any]:
    config = ROOT / "tests/packages/about.toml"
    options: list[str | Path] = [
        "--format",
        "json",
        "--locked",
        "--fail",
        "--config",
        config,
        "--manifest-path",
        manifest,
        *options_of_targets,
    ]
    found: dict[str, Any] = json.loads(run("cargo-about", "about", "generate", *options, env=environment()))
    return found


def _write(head: str, collected: dict[str, Any], wanted: set[tuple[str, str]]) -> str:
    parts = [head, RUST]
    for license_ in sorted(collected["licenses"], key=lambda entry: (entry["id"], entry["text"])):
        users = {(user["crate"]["name"], user["crate"]["version"]) for user in license_["used_by"]} & wanted
        if users:
            named = [f"  {name} {version}" for name, version in sorted(users)]
            parts.append(
                "\n".join([f"{license_['name']} ({license_['id']})", *named, "", license_["text"].strip("\n"), ""])
            )
    return f"{RULE}\n".join(parts)


@functools.cache
def dependencies(crate: str, *, anywhere: bool = False) -> set[tuple[str, str]]:
    """What is compiled into a crate, as cargo has it: names and versions, without our own."""
    options = ["--locked", "-p", crate, "-e", "normal", "--prefix", "none", "--format", "{p}", *targets(anywhere)]
    lines = run("cargo", "tree", *options).splitlines()
    # Our own are followed by their folder.
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line and f"({ROOT}" not in line}


def faults(name: str, licenses: str, wanted: set[tuple[str, str]]) -> list[str]:
    """What is missing in a package's licences."""
    covered: set[tuple[str, str]] = set()
    wrong: list[str] = []
    for section in licenses.split(f"{RULE}\n")[2:]:
        head, _, body = section.partition("\n\n")
        users = re.findall(r"^  (\S+) (\S+)$", head, re.MULTILINE)
        if len(body.strip()) < 200:
            wrong.append(f"{name}: {head.splitlines()[0]} has no text, for {users}")
        covered.update(users)
    wrong += [f"{name}: no licence of {crate} {version}" for crate, version in sorted(wanted - covered)]
    wrong += [
        f"{name}: a licence of {crate} {version}, which is not in it" for crate, version in sorted(covered - wanted)
    ]
    return wrong


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(text(sys.argv[1], anywhere=True), encoding="utf-8")
