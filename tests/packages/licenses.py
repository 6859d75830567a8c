"""Collects the licences of the crates that are compiled into a package, as one text that the package includes.

`licenses.py CRATE FILE` writes it for a package with libraries for several platforms.
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
HEAD = "This package contains the following third-party components in compiled form. Their licences are below.\n"
ANYWHERE = """This package, or a build of it, contains some of the following third-party components in compiled form,
depending on the platform. Their licences are below.
"""
RUST = """The Rust standard library
  https://github.com/rust-lang/rust, MIT OR Apache-2.0
  Copyright (c) The Rust Project Contributors
"""


def text(crate: str, *, anywhere: bool = False) -> str:
    """The licences of a crate's dependencies, on this platform or on all published platforms.

    Cached until one of the files that determine them changes.
    """
    manifest = manifest_of(crate)
    names = ("Cargo.lock", "Cargo.toml", "deny.toml", "tests/packages/about.toml")
    sources = [*(ROOT / name for name in names), manifest, Path(__file__)]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    cached = WORK / "licenses" / f"{crate}-{'anywhere-' if anywhere else ''}{key}.txt"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        head = ANYWHERE if anywhere else HEAD
        # For several platforms, cargo-about also lists crates that no single platform uses; cargo's own list is exact.
        wanted = dependencies(crate, anywhere=anywhere)
        cached.write_text(_write(head, _collect(manifest, targets(anywhere)), wanted), encoding="utf-8")
    return cached.read_text(encoding="utf-8")


def targets(anywhere: bool) -> list[str]:
    """Options for this platform, or for all published platforms."""
    triples: list[str] = [TRIPLE] if LINUX else []
    if anywhere:
        # Python 3.10 has no tomllib.
        (listed,) = re.findall(r"^targets = \[(.+?)^\]", (ROOT / "deny.toml").read_text(encoding="utf-8"), re.M | re.S)
        triples = re.findall(r'"(.+)"', listed)
    return [f"--target={triple}" for triple in triples]


def manifest_of(crate: str) -> Path:
    """The Cargo.toml of a workspace member."""
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
    """The third-party crates compiled into a crate, by `cargo tree`: names and versions."""
    options = ["--locked", "-p", crate, "-e", "normal", "--prefix", "none", "--format", "{p}", *targets(anywhere)]
    lines = run("cargo", "tree", *options).splitlines()
    # `cargo tree` prints the folder after the workspace's own crates.
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines if line and f"({ROOT}" not in line}


def errors(name: str, licenses: str, wanted: set[tuple[str, str]]) -> list[str]:
    """Licences that a package lacks, and licences of crates that it does not contain."""
    covered: set[tuple[str, str]] = set()
    found: list[str] = []
    for section in licenses.split(f"{RULE}\n")[2:]:
        head, _, body = section.partition("\n\n")
        users = re.findall(r"^  (\S+) (\S+)$", head, re.MULTILINE)
        if len(body.strip()) < 200:
            found.append(f"{name}: {head.splitlines()[0]} has no text, for {users}")
        covered.update(users)
    found += [f"{name}: no licence of {crate} {version}" for crate, version in sorted(wanted - covered)]
    found += [
        f"{name}: a licence of {crate} {version}, which it does not contain"
        for crate, version in sorted(covered - wanted)
    ]
    return found


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(text(sys.argv[1], anywhere=True), encoding="utf-8")
