"""Each check of `make dist` finds what it is for: what is in `target/dist`, spoiled, is refused."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import package

import check
import contents
import glibc
import licenses
import native
import sums
from tree import DIST, LICENSES, ROOT

Change = Callable[[dict[str, bytes]], None]


def rewrite(path: Path, change: Change) -> None:
    """Pack a package anew after a change of its files."""
    files = contents.read(path)
    change(files)
    if path.suffix in (".whl", ".jar"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def named(files: dict[str, bytes], end: str) -> str:
    (found,) = (name for name in files if name.endswith(end))
    return found


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all packages, which the checks take for the real ones."""
    copy = tmp_path / "dist"
    shutil.copytree(DIST, copy)
    monkeypatch.setattr(check, "DIST", copy)
    return copy


def test_what_is_there_passes(dist: Path) -> None:
    check.main()


def add_stray(files: dict[str, bytes]) -> None:
    files["notes.txt"] = b"to do"


def drop_license(files: dict[str, bytes]) -> None:
    del files[named(files, "/LICENSE")]


def drop_types(files: dict[str, bytes]) -> None:
    del files[named(files, "py.typed")]


def name_this_machine(files: dict[str, bytes]) -> None:
    files[next(iter(files))] += f"\n{ROOT}/core/src/lib.rs".encode()


def forget_ring(files: dict[str, bytes]) -> None:
    name = named(files, LICENSES)
    files[name] = re.sub(rb"\n  ring \S+", b"", files[name])


def lose_a_text(files: dict[str, bytes]) -> None:
    name = named(files, LICENSES)
    head, _, _ = files[name].decode().rpartition(licenses.RULE)
    files[name] = f"{head}{licenses.RULE}\nMIT License (MIT)\n  ring 0.0.0\n\nas usual\n".encode()


@pytest.mark.parametrize(
    ("expected", "change", "says"),
    [
        *((one.expected, add_stray, "stray notes.txt") for one in check.PACKAGES),
        ("wheel", drop_license, "missing celper-.*LICENSE"),
        ("wheel", drop_types, "missing celper/py.typed"),
        ("npm-platform", drop_license, "missing package/LICENSE"),
        ("jar", name_this_machine, "has '.*' in it"),
        ("wheel", name_this_machine, "has '.*' in it"),
        *((one.expected, forget_ring, "no licence of ring") for one in check.PACKAGES if one.has_licenses),
        ("swift", lose_a_text, "MIT License .* has no text"),
        ("swift", lose_a_text, "a licence of ring 0.0.0, which is not in it"),
    ],
)
def test_a_spoiled_package_is_refused(dist: Path, expected: str, change: Change, says: str) -> None:
    rewrite(package(expected), change)
    sums.write(dist)
    with pytest.raises(SystemExit, match=says):
        check.main()


@pytest.mark.skipif(not native.LINUX, reason="it is about glibc")
def test_a_tag_that_lies_is_refused(dist: Path) -> None:
    for name in ("wheel", "sandbox-wheel"):
        wheel = package(name)
        head, _, _ = wheel.name.rpartition("-")
        wheel.rename(wheel.with_name(f"{head}-manylinux_2_5_x86_64.whl"))
    sums.write(dist)
    with pytest.raises(SystemExit) as refused:
        check.main()
    for stem in ("celper", "celper_sandbox"):
        assert re.search(rf"{stem}-\S+ \S+ needs GLIBC_2\.\d+, and its package promises glibc 2\.5", str(refused.value))


@pytest.mark.skipif(not native.LINUX, reason="it is about glibc")
@pytest.mark.parametrize("expected", [one.expected for one in check.PACKAGES if one.crate and one.expected != "sdist"])
def test_every_native_file_is_read(expected: str) -> None:
    """A reader of glibc's versions that finds none would let anything pass."""
    needs = [glibc.needed(file) for file in contents.read(package(expected)).values()]
    (found,) = (need for need in needs if need)
    assert max(found.values()) <= glibc.parse(native.GLIBC)
    assert "GLIBC_2.2.5" in found or "GLIBC_2.17" in found


def test_what_a_wheel_promises() -> None:
    assert glibc.promised("a-1-cp310-abi3-manylinux2014_x86_64.whl") == (2, 17)
    assert glibc.promised("a-1-cp310-abi3-manylinux_2_28_x86_64.manylinux_2_5_x86_64.manylinux1_x86_64.whl") == (2, 5)
    for tag in ("linux_x86_64", "musllinux_1_1_x86_64", "any"):
        with pytest.raises(ValueError, match="tagged for no glibc"):
            glibc.promised(f"a-1-cp310-abi3-{tag}.whl")


def test_a_file_too_many_and_a_changed_one(dist: Path) -> None:
    (dist / "stray").touch()
    with pytest.raises(SystemExit, match=r"stray stray(.|\n)*SHA256SUMS is not right about stray"):
        check.main()
    (dist / "stray").unlink()
    (dist / "sbom/celper.cdx.json").open("a").close()
    check.main()
    with (dist / "sbom/celper.cdx.json").open("a", encoding="utf-8") as file:
        file.write(" ")
    with pytest.raises(SystemExit, match=r"SHA256SUMS is not right about sbom/celper\.cdx\.json"):
        check.main()


def test_a_path_that_leads_elsewhere_and_a_link(tmp_path: Path) -> None:
    for name, kind in (("../evil", tarfile.REGTYPE), ("/evil", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
        path = tmp_path / "package.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "target"
            archive.addfile(entry)
        with pytest.raises(ValueError, match=r"leads elsewhere|no ordinary file"):
            contents.read(path)


def test_bills_name_what_is_in_the_packages() -> None:
    """The same set from two tools: cargo-cyclonedx has it in the bill, cargo tree is asked again."""
    import json

    for one in check.PACKAGES:
        if one.crate:
            bill = json.loads((DIST / f"sbom/{one.crate}.cdx.json").read_text(encoding="utf-8"))
            there = {(component["name"], component["version"]) for component in bill["components"]}
            missing = licenses.dependencies(one.crate) - there
            assert not missing, one.crate
