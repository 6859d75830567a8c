"""The licences of what is compiled into a package, as one text that goes along with it."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from native import LINUX, TRIPLE, environment
from tree import ROOT, WORK, run

RULE = "#" * 78
HEAD = "This package contains, in compiled form, the following components of others. Their licences are below.\n"
RUST = """The Rust standard library
  https://github.com/rust-lang/rust, MIT OR Apache-2.0
  Copyright (c) The Rust Project Contributors
"""


def text(crate: str) -> str:
    """The licences of a crate's dependencies, as long as nothing that they depend on has changed made once."""
    manifest = manifest_of(crate)
    sources = [ROOT / "Cargo.lock", ROOT / "Cargo.toml", manifest, ROOT / "tests/packages/about.toml", Path(__file__)]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    kept = WORK / "licenses" / f"{crate}-{key}.txt"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(_write(_collect(manifest)), encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def manifest_of(crate: str) -> Path:
    """The Cargo.toml of a member of the workspace."""
    metadata = json.loads(run("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))
    (found,) = (package["manifest_path"] for package in metadata["packages"] if package["name"] == crate)
    return Path(found)


def _collect(manifest: Path) -> dict[str, Any]:
    config = ROOT / "tests/packages/about.toml"
    target = ["--target", TRIPLE] if LINUX else []
    options: list[str | Path] = [
        "--format",
        "json",
        "--locked",
        "--fail",
        "--config",
        config,
        "--manifest-path",
        manifest,
        *target,
    ]
    found: dict[str, Any] = json.loads(run("cargo-about", "about", "generate", *options, env=environment()))
    return found


def _write(collected: dict[str, Any]) -> str:
    parts = [HEAD, RUST]
    for license_ in sorted(collected["licenses"], key=lambda entry: (entry["id"], entry["text"])):
        # What has no source is ours.
        users = [user["crate"] for user in license_["used_by"] if user["crate"]["source"]]
        if users:
            named = sorted(f"  {user['name']} {user['version']}" for user in users)
            parts.append(
                "\n".join([f"{license_['name']} ({license_['id']})", *named, "", license_["text"].strip("\n"), ""])
            )
    return f"{RULE}\n".join(parts)


@functools.cache
def dependencies(crate: str) -> set[tuple[str, str]]:
    """What is compiled into a crate, as cargo has it: names and versions, without our own."""
    target = ["--target", TRIPLE] if LINUX else []
    options = ["--locked", "-p", crate, "-e", "normal", "--prefix", "none", "--format", "{p}", *target]
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
