"""Builds this platform's native packages into `target/dist`. A release runs it where `make dist` does not run."""

from __future__ import annotations

import os
import shutil

import build
import native
import platforms
import sbom
from tree import DIST, version


def main() -> None:
    """Build the wheels, the platform's npm packages, and the library for the jar."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    bills = sbom.make()
    build.step("Python")
    build.python(DIST / "python", bills["celper-python"])
    build.step("the sandbox for pip")
    program = build.sandbox_python(DIST / "python", bills["celper-sandbox"])
    build.step("npm")
    build.npm(DIST / "npm", program)
    # JNA has one folder for Linux, so the jar has only the glibc library. The Swift package has only that one as well,
    # and the sandbox for the JVM needs no other.
    if native.LINUX and native.LIBC == "musl":
        return
    if native.LINUX:
        build.step("Swift")
        build.swift(DIST / "swift")
    build.step("the sandbox's program for Maven, and the library for the jar")
    build.sandbox_program(DIST / "maven/ai/celper/celper-sandbox" / version(), program)
    folder = DIST / "jvm" / platforms.JNA
    folder.mkdir(parents=True)
    shutil.copy(native.library("celper-uniffi", "release"), folder / platforms.LIBRARY)


if __name__ == "__main__":
    os.environ.pop("RUSTFLAGS", None)
    main()
