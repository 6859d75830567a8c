"""Builds the native files for publication: for an old glibc, and without paths of the build machine.

This machine's linker would link them against this machine's glibc. Zig, installed from PyPI, has the symbols of every
glibc version and links them against the oldest one that Rust supports.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tree import BUILD, ROOT, TOOLS, run

GLIBC = "2.17"
"""The minimum on Linux: Rust's own, from 2012."""

LINUX = sys.platform.startswith("linux")
LIBC = os.environ.get("CELPER_LIBC", "gnu")
"""`musl` for Alpine and similar systems, which have separate packages."""
TRIPLE = f"{platform.machine()}-unknown-linux-{LIBC}"
TARGET = f"{TRIPLE}.{GLIBC}" if LIBC == "gnu" else TRIPLE
TAG = f"manylinux_{GLIBC.replace('.', '_')}" if LIBC == "gnu" else "musllinux_1_2"


def environment() -> dict[str, str]:
    """The environment for cargo and the tools that call it."""
    return {
        "CARGO_TARGET_DIR": str(BUILD),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(_flags()),
        "PATH": os.pathsep.join([str(TOOLS / "venv/bin"), str(TOOLS / "bin"), os.environ["PATH"]]),
    }


def _flags() -> list[str]:
    remaps = [f"--remap-path-prefix={path}={name}" for path, name in _remapped_paths().items()]
    # Rust links musl statically by default, but libraries loaded by Python or Node must share theirs.
    return remaps if LIBC == "gnu" else [*remaps, "-Ctarget-feature=-crt-static"]


def _remapped_paths() -> dict[str, str]:
    """The folders whose paths the compiler would write into a binary, and their replacements.

    If several match, the compiler uses the last.
    """
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    registries = sorted((home / "registry/src").glob("*"))
    return {f"{ROOT}/": "", f"{BUILD}/": "target/", **{f"{path}/": "" for path in registries}}


def library(crate: str, profile: str, *more: str, static: bool = False, zig: bool = LINUX) -> Path:
    """Build a crate as a dynamic library, or as a static one for Linux."""
    stem = crate.replace("-", "_")
    name = {"darwin": f"lib{stem}.dylib", "win32": f"{stem}.dll"}.get(sys.platform, f"lib{stem}.so")
    if static:
        name = f"lib{stem}.a"
    kind = "staticlib" if static else "cdylib"
    options = ["--locked", "--quiet", "-p", crate, "--lib", "--crate-type", kind, "--profile", profile, *more]
    if zig:
        run("cargo-zigbuild", "rustc", *options, "--target", TARGET, env=environment())
        return BUILD / TRIPLE / profile / name
    run("cargo", "rustc", *options, env=environment())
    return BUILD / profile / name


def wheel(folder: Path, out: Path, *options: str | Path) -> Path:
    """Build the wheel of the Python project in `folder`."""
    before = set(out.glob("*.whl"))
    # Maturin fails if the libraries do not satisfy the wheel's tag.
    linux = ["--zig", "--compatibility", TAG, "--auditwheel", "repair"] if LINUX else []
    if LIBC != "gnu":
        linux += ["--target", TRIPLE]
    run("maturin", "build", "--quiet", "--release", "--out", out, *linux, *options, cwd=folder, env=environment())
    (wheel,) = set(out.glob("*.whl")) - before
    return wheel
