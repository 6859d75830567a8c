"""Tests the Swift package, if there is Swift. In a chroot, nothing else of this machine is available."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from conftest import Sandbox, first_call, package, without_rust

from tree import ROOT

MANIFEST = """// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "app",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "../celper-swift")],
    targets: [.executableTarget(name: "app", dependencies: [.product(name: "Celper", package: "celper-swift")])]
)
"""

# The project is passed on standard input, because the chroot cannot access other folders of this machine.
SCRIPT = """set -eu
! command -v cargo rustc
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tar -xf -
swift build --quiet --package-path app >&2
echo "output:"
app/.build/debug/app
"""


def test_the_first_call(sandbox: Sandbox) -> None:
    project = io.BytesIO()
    with tarfile.open(fileobj=project, mode="w") as tar, tarfile.open(package("swift")) as archive:
        for entry in archive:
            tar.addfile(entry, archive.extractfile(entry))
        for name, text in (("app/Package.swift", MANIFEST), ("app/Sources/app/main.swift", first_call("swift"))):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    toolchain: list[str | Path] = [ROOT / "bindings-uniffi/swift/toolchain.sh", "sh", "-c", SCRIPT]
    environment = {**without_rust(), **sandbox.variables}
    result = subprocess.run(toolchain, input=project.getvalue(), env=environment, capture_output=True, check=False)
    output = result.stdout.decode()
    if output.startswith("Swift was skipped"):
        pytest.skip(output.strip())
    assert result.returncode == 0, output + result.stderr.decode()
    expected = r"output:\nnew no score\nopen until \d{4}-.*\nview the analysis first\n"
    assert re.fullmatch(expected, output), output
