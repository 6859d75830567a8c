"""Tests the Swift package as an app gets it, from a tag of a git repository, if there is Swift.

In `toolchain.sh`'s chroot, nothing else of this machine is available.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import Sandbox, first_call, package, without_rust

from tree import ROOT, run, version

TOOLCHAIN = ROOT / "bindings-uniffi/swift/toolchain.sh"

MANIFEST = """// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "app",
    platforms: [.macOS(.v13)],
    dependencies: [.package(url: "file://FOLDER/sdk", from: "{version}")],
    targets: [.executableTarget(name: "app", dependencies: [.product(name: "Celper", package: "sdk")])]
)
"""

# The project is passed on standard input, because the chroot cannot access other folders of this machine. SwiftPM
# remembers the commit of each tag in the home folder. Before version 6.2 it takes the library from where pkg-config
# says; later versions download it, or take it from their cache, and compare its checksum.
SCRIPT = """set -eu
! command -v cargo rustc
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tar -xf -
sed -i "s|FOLDER|$folder|" app/Package.swift
export HOME="$folder"
case "$(swift --version 2>/dev/null)" in
*"Swift version 6."[01]*) export PKG_CONFIG_PATH="$folder/CelperFFI.artifactbundle" ;;
esac
swift build --quiet --package-path app --cache-path cache -Xswiftc -warnings-as-errors >&2
! ldd app/.build/debug/app | grep celper >&2
cat app/Package.resolved >&3
app/.build/debug/app
"""

# The manifest for Apple's platforms, which only a Mac evaluates otherwise.
APPLE = """set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/Package.swift"
for path in Generated/CelperGenerated Sources/Celper Sources/CelperSandbox; do
    mkdir -p "$folder/bindings-uniffi/swift/$path"
done
swift package --package-path "$folder" dump-package
"""

CHECKSUM = """set -eu
file=$(mktemp -d)/archive.zip
cat >"$file"
swift package compute-checksum "$file"
"""


def downloads() -> str:
    """Where this version's files are downloaded from."""
    url = re.search(r'^repository = "(.+)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert url
    return f"{url[1]}/releases/download/v{version()}"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The release's files. Those of the platforms that this machine cannot build are empty archives."""
    folder = tmp_path / "release"
    (folder / "swift").mkdir(parents=True)
    shutil.copy(package("swift"), folder / "swift")
    for name in ("linux-x64-gnu.artifactbundle", "linux-arm64-gnu.artifactbundle", "xcframework"):
        separator = "." if name == "xcframework" else "-"
        path = folder / f"swift/CelperFFI-{version()}{separator}{name}.zip"
        if not path.exists():
            zipfile.ZipFile(path, "w").close()
    return folder


@pytest.fixture
def repository(tmp_path: Path, release: Path) -> Path:
    """A repository with this version's tags, and one that starts the release of the next."""
    folder = tmp_path / "sdk"
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git: list[str | Path] = ["git", "-C", folder, "-c", "user.name=Test", "-c", "user.email=test@test.invalid"]
    run("git", "init", "--quiet", folder)
    run(*git, "add", "--all")
    run(*git, "commit", "--quiet", "--message", "A released version")
    for tag in (f"release-{version()}", "release-99.0.0"):
        run(*git, "tag", tag)
    run("python3", ".ci/release/swift_tag.py", release, cwd=folder)
    return folder


def swift(script: str, project: bytes, variables: dict[str, str]) -> str:
    """The output of a script that has Swift; `project` is its standard input."""
    command: list[str | Path] = [TOOLCHAIN, "sh", "-c", f"exec 3>&1; {script}"]
    kept = {name: value for name, value in os.environ.items() if name == "CELPER_SWIFT_ROOT"}
    environment = {**without_rust(), **kept, **variables}
    result = subprocess.run(command, input=project, env=environment, capture_output=True, check=False)
    output = result.stdout.decode()
    if output.startswith("Swift was skipped"):
        pytest.skip(output.strip())
    assert result.returncode == 0, output + result.stderr.decode()
    return output


def test_an_app_that_names_the_repository_makes_the_first_call(
    sandbox: Sandbox, repository: Path, tmp_path: Path
) -> None:
    project = io.BytesIO()
    with tarfile.open(fileobj=project, mode="w") as tar:
        tar.add(repository, "sdk")
        archive = package("swift")
        tar.add(archive, f"cache/artifacts/{re.sub(r'[^0-9A-Za-z]', '_', f'{downloads()}/{archive.name}')}")
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(tmp_path / "bundle")
        tar.add(tmp_path / "bundle/CelperFFI.artifactbundle", "CelperFFI.artifactbundle")
        app = (("Package.swift", MANIFEST.format(version=version())), ("Sources/app/main.swift", first_call("swift")))
        for name, text in app:
            entry = tarfile.TarInfo(f"app/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    output = swift(SCRIPT, project.getvalue(), sandbox.variables)
    resolved, end = json.JSONDecoder().raw_decode(output)
    commit = run("git", "-C", repository, "rev-parse", f"v{version()}").strip()
    assert [pin["state"] for pin in resolved["pins"]] == [{"revision": commit, "version": version()}]
    assert re.fullmatch(r"\s*new no score\nopen until \d{4}-.*\nview the analysis first\n", output[end:]), output


def test_the_manifest_for_apple_has_the_library_and_what_it_needs(repository: Path, release: Path) -> None:
    manifest = run("git", "-C", repository, "show", f"v{version()}:Package.swift")
    dumped = json.loads(swift(APPLE, manifest.replace("#if os(Linux)", "#if !os(Linux)").encode(), {}))
    targets = {target["name"]: target for target in dumped["targets"]}
    archive = release / f"swift/CelperFFI-{version()}.xcframework.zip"
    assert targets["CelperFFI"]["url"] == f"{downloads()}/{archive.name}"
    computed = swift(CHECKSUM, archive.read_bytes(), {})
    assert targets["CelperFFI"]["checksum"] == computed.strip()
    assert [resource["path"] for resource in targets["Celper"]["resources"]] == ["PrivacyInfo.xcprivacy"]
    linked = {
        setting["kind"]["linkedFramework"]["_0"]: setting["condition"]["platformNames"]
        for setting in targets["CelperGenerated"]["settings"]
        if "linkedFramework" in setting["kind"]
    }
    assert linked == {name: ["ios", "macos"] for name in ("CoreFoundation", "Security", "SystemConfiguration")}
    assert all("unsafeFlags" not in setting["kind"] for target in targets.values() for setting in target["settings"])
