"""What `pip install celper` brings."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Place, Sandbox, first_call, make_venv, package

CALL = re.compile(r"new None\nopen until \d{4}-.*\nview the analysis first\n")


def test_the_first_call(place: Place, programs: Path, sandbox: Sandbox) -> None:
    program = place.write("first_call.py", first_call("python"))
    assert CALL.fullmatch(place.run(programs / "python", "-W", "error", program, **sandbox.variables))


def test_metadata(place: Place, programs: Path) -> None:
    """What pip and licence scanners go by."""
    ask = "from importlib.metadata import files; print(*files('celper'), sep='\\n')"
    files = place.run(programs / "python", "-c", ask).split()
    names = {name.split(".dist-info/")[-1] for name in files}
    assert {"licenses/LICENSE", "licenses/THIRD-PARTY-LICENSES.txt", "sboms/celper-python.cdx.json"} <= names
    assert place.run(programs / "python", "-m", "pip", "check", "--disable-pip-version-check").startswith("No broken")


def test_the_sdist_builds_by_itself(place: Place, sandbox: Sandbox, tmp_path: Path) -> None:
    """Where no wheel fits, pip builds one: here it does have Rust, and nothing else of ours."""
    rust = {
        name: value for name, value in os.environ.items() if name in ("CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
    }
    cargo = shutil.which("cargo")
    assert cargo
    path = os.pathsep.join([str(Path(cargo).parent), place.environment["PATH"]])
    # What is built is the same; it only takes less time.
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
        "made",
    ]
    place.run(*build, package("sdist"), PATH=path, **rust, **quick)
    (wheel,) = (tmp_path / "made").glob("celper-*.whl")
    programs = make_venv(tmp_path / "venv", place.environment, wheel)
    program = place.write("first_call.py", first_call("python"))
    assert CALL.fullmatch(place.run(programs / "python", program, **sandbox.variables))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is about glibc")
def test_pip_takes_the_wheel_for_every_glibc_from_its_tag_on(place: Place, programs: Path, tmp_path: Path) -> None:
    """As pip on an older system would see it."""
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
        tmp_path / "there",
    ]
    place.run(*download, "celper")
    assert [path.name for path in (tmp_path / "there").iterdir()] == [package("wheel").name]


def test_nothing_of_the_tree_was_in_reach(place: Place, programs: Path) -> None:
    said = place.run(programs / "python", "-c", "import celper; print(celper.__file__)")
    assert str(programs.parent) in said
