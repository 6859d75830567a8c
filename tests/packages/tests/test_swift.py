"""What the Swift package brings, where there is Swift: in a chroot there is nothing of this machine."""

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

# The whole project comes in through standard input, as the chroot knows no other folder of this machine.
SCRIPT = """set -eu
! command -v cargo rustc
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tar -xf -
swift build --quiet --package-path app >&2
echo "the call says:"
app/.build/debug/app
"""


def test_the_first_call(sandbox: Sandbox) -> None:
    project = io.BytesIO()
    with tarfile.open(fileobj=project, mode="w") as tar, tarfile.open(package("swift")) as ours:
        for entry in ours:
            tar.addfile(entry, ours.extractfile(entry))
        for name, text in (("app/Package.swift", MANIFEST), ("app/Sources/app/main.swift", first_call("swift"))):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    toolchain: list[str | Path] = [ROOT / "bindings-uniffi/swift/toolchain.sh", "sh", "-c", SCRIPT]
    environment = {**without_rust(), **sandbox.variables}
    done = subprocess.run(toolchain, input=project.getvalue(), env=environment, capture_output=True, check=False)
    said = done.stdout.decode()
    if said.startswith("Swift was skipped"):
        pytest.skip(said.strip())
    assert done.returncode == 0, said + done.stderr.decode()
    expected = r"the call says:\nnew no score\nopen until \d{4}-.*\nview the analysis first\n"
    assert re.fullmatch(expected, said), said
