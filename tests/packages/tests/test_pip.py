"""Tests the package after `pip install celper`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Sandbox, Workspace, first_call, make_venv, package

CALL = re.compile(r"new None\nopen until \d{4}-.*\nview the analysis first\n")


def test_the_first_call(workspace: Workspace, programs: Path, sandbox: Sandbox) -> None:
    program = workspace.write("first_call.py", first_call("python"))
    assert CALL.fullmatch(workspace.run(programs / "python", "-W", "error", program, **sandbox.variables))


def test_metadata(workspace: Workspace, programs: Path) -> None:
    """The metadata that pip and licence scanners read."""
    code = "from importlib.metadata import files; print(*files('celper'), sep='\\n')"
    files = workspace.run(programs / "python", "-c", code).split()
    names = {name.split(".dist-info/")[-1] for name in files}
    assert {"licenses/LICENSE", "licenses/THIRD-PARTY-LICENSES.txt", "sboms/celper-python.cdx.json"} <= names
    assert workspace.run(programs / "python", "-m", "pip", "check", "--disable-pip-version-check").startswith(
        "No broken"
    )


def test_the_sdist_builds(workspace: Workspace, sandbox: Sandbox, tmp_path: Path) -> None:
    """pip builds a wheel from the sdist if none fits; this needs Rust, but nothing else of this repository."""
    rust = {
        name: value for name, value in os.environ.items() if name in ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
    }
    cargo = shutil.which("cargo")
    assert cargo
    path = os.pathsep.join([str(Path(cargo).parent), workspace.environment["PATH"]])
    # Faster to build, and otherwise the same.
    quick = {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
        "-w",
        "wheels",
    ]
    workspace.run(*build, package("sdist"), PATH=path, **rust, **quick)
    (wheel,) = (tmp_path / "wheels").glob("celper-*.whl")
    programs = make_venv(tmp_path / "venv", workspace.environment, wheel)
    program = workspace.write("first_call.py", first_call("python"))
    assert CALL.fullmatch(workspace.run(programs / "python", program, **sandbox.variables))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is about glibc")
def test_pip_accepts_the_wheel_for_the_glibc_of_its_tag(workspace: Workspace, programs: Path, tmp_path: Path) -> None:
    """Asks pip for the platform of an older system."""
    tag = package("wheel").name.removesuffix(".whl").rsplit("-", 1)[1].split(".")[0]
    download: list[str | Path] = [
        programs / "python",
        "-m",
        "pip",
        "download",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
    ]
    download += [
        "--only-binary",
        ":all:",
        "--find-links",
        package("wheel").parent,
        "--platform",
        tag,
        "-d",
        tmp_path / "downloaded",
    ]
    workspace.run(*download, "celper")
    assert [path.name for path in (tmp_path / "downloaded").iterdir()] == [package("wheel").name]


def test_the_installed_package_is_imported(workspace: Workspace, programs: Path) -> None:
    output = workspace.run(programs / "python", "-c", "import celper; print(celper.__file__)")
    assert str(programs.parent) in output


def test_the_command_is_installed_and_needs_no_other_package(workspace: Workspace, programs: Path) -> None:
    shown = workspace.run(programs / "celper", "--version")
    assert re.fullmatch(r"celper \d+\.\d+\.\d+\S*\n", shown)
    assert workspace.run(programs / "python", "-m", "celper", "--version") == shown
