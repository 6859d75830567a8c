"""Builds every package that this platform can build into `target/dist`, and checks them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import check
import licenses
import native
import platforms
import sbom
import sums
from tree import BUILD, DIST, LICENSES, ROOT, WORK, run, version


def main() -> None:
    """Build all packages."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    step("bills of materials")
    bills = sbom.make()
    step("the Rust crate")
    rust(DIST / "rust")
    step("Python")
    python(DIST / "python", bills["celper-python"])
    step("the sandbox for pip")
    program = sandbox_python(DIST / "python", bills["celper-sandbox"])
    step("npm")
    npm(DIST / "npm", program)
    step("Kotlin, Java and Swift")
    maven(DIST / "maven", native.library("celper-uniffi", "release"))
    sandbox_maven(DIST / "maven", program)
    if native.LINUX:
        swift(DIST / "swift")
    step("the size of the library for apps")
    # With this machine's linker: Zig's cannot pack relocations, which Android's does.
    native.library("celper-uniffi", "mobile", "--no-default-features", zig=False)
    step("checksums and checks")
    (DIST / "sbom").mkdir()
    for bill in sbom.make(anywhere=True).values():
        shutil.copy(bill, DIST / "sbom")
    sums.write(DIST)
    check.main()


def step(what: str) -> None:
    """Print the next step."""
    print(f"dist: {what}", flush=True)


@contextmanager
def with_licenses(crate: str, folder: Path, *, anywhere: bool = False) -> Iterator[None]:
    """Keep the licences of a crate's dependencies in a folder while its package is built."""
    path = folder / LICENSES
    path.write_text(licenses.text(crate, anywhere=anywhere), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()


def rust(out: Path) -> None:
    """Package `celper` for crates.io; cargo verifies that the package builds."""
    target = BUILD / "crate"
    run(
        "cargo",
        "package",
        "--quiet",
        "--locked",
        "--allow-dirty",
        "-p",
        "celper",
        env={"CARGO_TARGET_DIR": str(target)},
    )
    out.mkdir()
    shutil.copy(target / "package" / f"celper-{version()}.crate", out)


def python(out: Path, bill: Path) -> None:
    """Build the sdist, and the wheel from the sdist."""
    folder = ROOT / "bindings-python"
    with with_licenses("celper-python", folder, anywhere=True):
        run("maturin", "sdist", "--out", out, cwd=folder, env=native.environment())
    name = f"celper-{version()}"
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(out / f"{name}.tar.gz") as archive:
            archive.extractall(unpacked, filter="data")
        # The sdist has the licences of all platforms, the wheel those of this one.
        (Path(unpacked) / name / LICENSES).write_text(licenses.text("celper-python"), encoding="utf-8")
        native.wheel(Path(unpacked) / name, out, "--sbom-include", bill)


def sandbox_python(out: Path, bill: Path) -> Path:
    """Build `celper-sandbox` for pip, and return the path of its program."""
    folder = ROOT / "tests/sandbox/python"
    with with_licenses("celper-sandbox", folder):
        wheel = native.wheel(folder, out, "--locked", "--sbom-include", bill)
    program = WORK / platforms.PROGRAM
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f"/scripts/{platforms.PROGRAM}"))
        program.write_bytes(archive.read(name))
    return program


def npm(out: Path, program: Path) -> None:
    """Pack `celper` and `celper-sandbox`, and this platform's package for each."""
    node = ROOT / "bindings-node"
    files = WORK / "node"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    shutil.copy(native.library("celper-node", "npm"), files / f"celper.{platforms.NPM}.node")
    packages: list[tuple[Path, str, list[str | Path]]] = [
        (node, "celper-node", ["--native", files]),
        (ROOT / "tests/sandbox/node", "celper-sandbox", ["--program", program, "--platform", platforms.NPM]),
    ]
    for folder, crate, options in packages:
        shutil.rmtree(folder / "dist", ignore_errors=True)
        run("node", node / "node_modules/typescript/bin/tsc", cwd=folder)
        text = files / f"{crate}.txt"
        text.write_text(licenses.text(crate), encoding="utf-8")
        run("node", folder / "scripts/pack.mjs", out, *options, "--licenses", text)


def maven(out: Path, library: Path) -> None:
    """Build `ai.celper:celper`, its sources and its reference, as a Maven repository."""
    # The release adds the other platforms' libraries to the jar.
    notices = licenses.text("celper-uniffi", anywhere=True)
    options = [f"-Dnative.platform={platforms.JNA}"]
    deploy(ROOT / "bindings-uniffi/kotlin", out, notices, *options, env={"CELPER_LIBRARY": str(library)})


def deploy(folder: Path, out: Path, notices: str | None, *options: str, env: Mapping[str, str] | None = None) -> None:
    """Build a Maven project, its sources and its reference, and deploy them to a folder."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "META-INF").mkdir()
        shutil.copy(ROOT / "LICENSE", Path(work) / "META-INF/LICENSE")
        if notices is not None:
            (Path(work) / "META-INF" / LICENSES).write_text(notices, encoding="utf-8")
        repository = f"-DaltDeploymentRepository=dist::{out.as_uri()}"
        goals = ["-P", "dist", "clean", "deploy", "-Dmaven.test.skip=true", f"-Dnotices={work}", repository]
        run("mvn", "-q", "-B", *goals, *options, cwd=folder, env=env)


def sandbox_maven(out: Path, program: Path) -> None:
    """Build `ai.celper:celper-sandbox`, and this platform's program for it."""
    deploy(ROOT / "tests/sandbox/jvm", out, None)
    folder = out / "ai/celper/celper-sandbox" / version()
    sandbox_program(folder, program)
    run(sys.executable, ROOT / ".ci/release/programs.py", folder)


def sandbox_program(folder: Path, program: Path) -> None:
    """Write the jar with the sandbox's program for this platform."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "META-INF/LICENSE": (ROOT / "LICENSE").read_bytes(),
        f"META-INF/{LICENSES}": licenses.text("celper-sandbox").encode(),
        f"ai/celper/sandbox/program/{platforms.MAVEN}/{program.name}": program.read_bytes(),
    }
    with zipfile.ZipFile(folder / f"celper-sandbox-{version()}-{platforms.MAVEN}.jar", "w") as jar:
        for name, content in files.items():
            # No timestamps, so that the same program gives the same jar.
            jar.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def swift(out: Path) -> None:
    """Build the library that the Swift package downloads on Linux: an artifact bundle, with the generated code."""
    library = native.library("celper-uniffi", "release", static=True)
    with tempfile.TemporaryDirectory() as work:
        generated = Path(work) / "Generated"
        # The library that it copies is not needed here.
        environment = {"CELPER_LIBRARY": str(library)}
        run("bindings-uniffi/generate.sh", "swift", generated, Path(work) / "lib", env=environment)
        bundle = Path(work) / "CelperFFI.artifactbundle"
        shutil.copytree(generated / "CelperFFI", bundle / "include")
        shutil.copy(generated / "CelperGenerated/CelperGenerated.swift", bundle)
        (bundle / "lib").mkdir()
        # Without the debug information of Rust's own libraries, which is most of the file.
        run("strip", "--strip-debug", "--enable-deterministic-archives", "-o", bundle / STATIC, library)
        shutil.copy(ROOT / "LICENSE", bundle)
        (bundle / LICENSES).write_text(licenses.text("celper-uniffi"), encoding="utf-8")
        (bundle / "info.json").write_text(json.dumps(_bundle_info(), indent=2) + "\n", encoding="utf-8")
        # SwiftPM before 6.2 knows no libraries in bundles, and finds an unpacked one through pkg-config.
        (bundle / "celper.pc").write_text(PKG_CONFIG.format(version=version()), encoding="utf-8")
        out.mkdir()
        archive = out / f"CelperFFI-{version()}-{platforms.NPM}.artifactbundle.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
                # No timestamps, so that the same files give the same archive.
                entry = zipfile.ZipInfo(path.relative_to(work).as_posix())
                entry.external_attr = 0o644 << 16
                packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


STATIC = "lib/libcelper_uniffi.a"
PKG_CONFIG = """Name: celper
Description: The native library of the Swift package Celper
Version: {version}
Libs: -L${{pcfiledir}}/lib -lcelper_uniffi
"""


def _bundle_info() -> dict[str, Any]:
    variant = {
        "path": STATIC,
        # Debian's Swift says `pc`.
        "supportedTriples": [native.TRIPLE, native.TRIPLE.replace("-unknown-", "-pc-")],
        "staticLibraryMetadata": {"headerPaths": ["include"], "moduleMapPath": "include/module.modulemap"},
    }
    artifact = {"type": "staticLibrary", "version": version(), "variants": [variant]}
    return {"schemaVersion": "1.0", "artifacts": {"celper_uniffi": artifact}}


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.pop("RUSTFLAGS", None)
    main()
