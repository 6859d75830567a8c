"""Builds the native files as they ship: for an old glibc, and without a word of the machine that built them.

The linker of this machine would bind them to the glibc of this machine. Zig's, which comes from PyPI, has the symbols
of every glibc, and binds them to the oldest that Rust itself supports.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tree import BUILD, ROOT, TOOLS, run

GLIBC = "2.17"
"""What Linux must have at least: Rust's own floor, of 2012."""

LINUX = sys.platform.startswith("linux")
LIBC = os.environ.get("CELPER_LIBC", "gnu")
"""`musl` for Alpine and the like: packages of their own, which no glibc is promised to."""
TRIPLE = f"{platform.machine()}-unknown-linux-{LIBC}"
TARGET = f"{TRIPLE}.{GLIBC}" if LIBC == "gnu" else TRIPLE
TAG = f"manylinux_{GLIBC.replace('.', '_')}" if LIBC == "gnu" else "musllinux_1_2"


def environment() -> dict[str, str]:
    """For cargo and what calls it."""
    return {
        "CARGO_TARGET_DIR": str(BUILD),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(_flags()),
        "PATH": os.pathsep.join([str(TOOLS / "venv/bin"), str(TOOLS / "bin"), os.environ["PATH"]]),
    }


def _flags() -> list[str]:
    names = [f"--remap-path-prefix={path}={name}" for path, name in _places().items()]
    # Rust links musl into everything by itself, and what Python or Node loads has to share theirs.
    return names if LIBC == "gnu" else [*names, "-Ctarget-feature=-crt-static"]


def _places() -> dict[str, str]:
    """The folders of this machine whose names the compiler would leave in a binary, and what it is to say instead.

    Of several that fit the compiler takes the last.
    """
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    registries = sorted((home / "registry/src").glob("*"))
    return {f"{ROOT}/": "", f"{BUILD}/": "target/", **{f"{path}/": "" for path in registries}}


def library(crate: str, profile: str) -> Path:
    """Build a crate as a dynamic library."""
    stem = crate.replace("-", "_")
    name = {"darwin": f"lib{stem}.dylib", "win32": f"{stem}.dll"}.get(sys.platform, f"lib{stem}.so")
    options = ["--locked", "--quiet", "-p", crate, "--lib", "--crate-type", "cdylib", "--profile", profile]
    if LINUX:
        run("cargo-zigbuild", "rustc", *options, "--target", TARGET, env=environment())
        return BUILD / TRIPLE / profile / name
    run("cargo", "rustc", *options, env=environment())
    return BUILD / profile / name


def wheel(folder: Path, out: Path, *options: str | Path) -> Path:
    """Build the wheel of the Python project in `folder`."""
    before = set(out.glob("*.whl"))
    # Maturin refuses to give a wheel a tag that its libraries do not keep.
    linux = ["--zig", "--compatibility", TAG, "--auditwheel", "repair"] if LINUX else []
    if LIBC != "gnu":
        linux += ["--target", TRIPLE]
    run("maturin", "build", "--quiet", "--release", "--out", out, *linux, *options, cwd=folder, env=environment())
    (made,) = set(out.glob("*.whl")) - before
    return made
