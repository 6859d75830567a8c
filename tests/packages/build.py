"""Builds every package into `target/dist`, as this platform can, and checks them."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import check
import licenses
import native
import platforms
import sbom
import sums
from tree import BUILD, DIST, LICENSES, ROOT, WORK, run, version


def main() -> None:
    """All packages, one after another."""
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
    library = native.library("celper-uniffi", "mobile")
    maven(DIST / "maven", library)
    swift(DIST / "swift", library)
    step("sums, and checks")
    (DIST / "sbom").mkdir()
    for bill in sbom.make(anywhere=True).values():
        shutil.copy(bill, DIST / "sbom")
    sums.write(DIST)
    check.main()


def step(what: str) -> None:
    """Say what is done next."""
    print(f"dist: {what}", flush=True)


@contextmanager
def with_licenses(crate: str, folder: Path, *, anywhere: bool = False) -> Iterator[None]:
    """The licences of a crate's dependencies in a folder, while its package is built."""
    path = folder / LICENSES
    path.write_text(licenses.text(crate, anywhere=anywhere), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()


def rust(out: Path) -> None:
    """`celper` for crates.io; cargo builds it from the package alone."""
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
    """The sdist; and the wheel, made of nothing but the sdist."""
    folder = ROOT / "bindings-python"
    with with_licenses("celper-python", folder, anywhere=True):
        run("maturin", "sdist", "--out", out, cwd=folder, env=native.environment())
    name = f"celper-{version()}"
    with tempfile.TemporaryDirectory() as empty:
        with tarfile.open(out / f"{name}.tar.gz") as archive:
            archive.extractall(empty, filter="data")
        # The sdist is for any platform, the wheel for this one.
        (Path(empty) / name / LICENSES).write_text(licenses.text("celper-python"), encoding="utf-8")
        native.wheel(Path(empty) / name, out, "--sbom-include", bill)


def sandbox_python(out: Path, bill: Path) -> Path:
    """`celper-sandbox` for pip. Gives the program that is in it."""
    folder = ROOT / "tests/sandbox/python"
    with with_licenses("celper-sandbox", folder):
        made = native.wheel(folder, out, "--locked", "--sbom-include", bill)
    program = WORK / platforms.PROGRAM
    with zipfile.ZipFile(made) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f"/scripts/{platforms.PROGRAM}"))
        program.write_bytes(archive.read(name))
    return program


def npm(out: Path, program: Path) -> None:
    """`celper` and `celper-sandbox`, and the package of this platform for each."""
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
    """`ai.celper:celper` with its sources and its reference, laid out as a Maven repository."""
    folder = ROOT / "bindings-uniffi/kotlin"
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "META-INF").mkdir()
        shutil.copy(ROOT / "LICENSE", Path(empty) / "META-INF/LICENSE")
        # A release puts the other platforms' libraries into it.
        text = licenses.text("celper-uniffi", anywhere=True)
        (Path(empty) / "META-INF" / LICENSES).write_text(text, encoding="utf-8")
        options = ["-Dmaven.test.skip=true", f"-Dnotices={empty}", f"-Dnative.platform={platforms.JNA}"]
        repository = f"-DaltDeploymentRepository=dist::{out.as_uri()}"
        run(
            "mvn",
            "-q",
            "-B",
            "-P",
            "dist",
            "clean",
            "deploy",
            *options,
            repository,
            cwd=folder,
            env={"CELPER_LIBRARY": str(library)},
        )


def swift(out: Path, library: Path) -> None:
    """The Swift package with the glue and the library in it, which SwiftPM takes by its path."""
    folder = ROOT / "bindings-uniffi/swift"
    with tempfile.TemporaryDirectory() as work:
        package = Path(work) / "celper-swift"
        run(
            "bindings-uniffi/generate.sh",
            "swift",
            package / "Generated",
            package / "lib",
            env={"CELPER_LIBRARY": str(library)},
        )
        shutil.copytree(folder / "Sources/Celper", package / "Sources/Celper")
        manifest = (folder / "Package.swift").read_text(encoding="utf-8")
        # The tests stay in the repository.
        (package / "Package.swift").write_text(re.sub(r"\n *\.testTarget\(.*?\),", "", manifest), encoding="utf-8")
        for path in (ROOT / "LICENSE", ROOT / "bindings-uniffi/README.md"):
            shutil.copy(path, package)
        (package / LICENSES).write_text(licenses.text("celper-uniffi"), encoding="utf-8")
        out.mkdir()
        archive = out / f"celper-swift-{version()}-{platforms.NPM}.tar.gz"
        # The same bytes from the same files.
        with (
            archive.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path in sorted(package.rglob("*")):
                entry = tar.gettarinfo(path, arcname=path.relative_to(work).as_posix())
                entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                if path.is_file():
                    with path.open("rb") as content:
                        tar.addfile(entry, content)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.pop("RUSTFLAGS", None)
    main()
