"""Tests each check of `make dist` on modified copies of the packages in `target/dist`."""

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
    """Repack a package after changing its files."""
    files = contents.read(path)
    change(files)
    if path.suffix in (".whl", ".jar", ".zip"):
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
    """A copy of all packages, which the checks use."""
    copy = tmp_path / "dist"
    shutil.copytree(DIST, copy)
    monkeypatch.setattr(check, "DIST", copy)
    return copy


def test_the_unmodified_packages_pass(dist: Path) -> None:
    check.main()


def add_unexpected(files: dict[str, bytes]) -> None:
    files["notes.txt"] = b"to do"


def drop_license(files: dict[str, bytes]) -> None:
    del files[named(files, "/LICENSE")]


def drop_types(files: dict[str, bytes]) -> None:
    del files[named(files, "py.typed")]


def add_local_path(files: dict[str, bytes]) -> None:
    files[next(iter(files))] += f"\n{ROOT}/core/src/lib.rs".encode()


def drop_licenses_of_ring(files: dict[str, bytes]) -> None:
    name = named(files, LICENSES)
    files[name] = re.sub(rb"\n  ring \S+", b"", files[name])


def drop_license_text(files: dict[str, bytes]) -> None:
    name = named(files, LICENSES)
    head, _, _ = files[name].decode().rpartition(licenses.RULE)
    files[name] = f"{head}{licenses.RULE}\nMIT License (MIT)\n  ring 0.0.0\n\nas usual\n".encode()


@pytest.mark.parametrize(
    ("expected", "change", "message"),
    [
        *((one.expected, add_unexpected, "unexpected notes.txt") for one in check.PACKAGES),
        ("wheel", drop_license, "missing celper-.*LICENSE"),
        ("wheel", drop_types, "missing celper/py.typed"),
        ("npm-platform", drop_license, "missing package/LICENSE"),
        ("jar", add_local_path, "contains '.*'"),
        ("wheel", add_local_path, "contains '.*'"),
        *((one.expected, drop_licenses_of_ring, "no licence of ring") for one in check.PACKAGES if one.has_licenses),
        ("swift", drop_license_text, "MIT License .* has no text"),
        ("swift", drop_license_text, "a licence of ring 0.0.0, which it does not contain"),
    ],
)
def test_a_modified_package_is_rejected(dist: Path, expected: str, change: Change, message: str) -> None:
    rewrite(package(expected), change)
    sums.write(dist)
    with pytest.raises(SystemExit, match=message):
        check.main()


@pytest.mark.skipif(not native.LINUX, reason="it is about glibc")
def test_a_wheel_tagged_for_an_older_glibc_is_rejected(dist: Path) -> None:
    for name in ("wheel", "sandbox-wheel"):
        wheel = package(name)
        head, _, _ = wheel.name.rpartition("-")
        wheel.rename(wheel.with_name(f"{head}-manylinux_2_5_x86_64.whl"))
    sums.write(dist)
    with pytest.raises(SystemExit) as raised:
        check.main()
    for stem in ("celper", "celper_sandbox"):
        assert re.search(rf"{stem}-\S+ \S+ needs GLIBC_2\.\d+, but its package declares glibc 2\.5", str(raised.value))


@pytest.mark.skipif(not native.LINUX, reason="it is about glibc")
@pytest.mark.parametrize(
    "expected", [one.expected for one in check.PACKAGES if one.crate and one.expected not in ("sdist", "swift")]
)
def test_every_native_file_is_read(expected: str) -> None:
    """If the reader found no glibc versions, every file would pass. A static library has none."""
    needs = [glibc.needed(file) for file in contents.read(package(expected)).values()]
    (found,) = (need for need in needs if need)
    assert max(found.values()) <= glibc.parse(native.GLIBC)
    assert "GLIBC_2.2.5" in found or "GLIBC_2.17" in found


def test_the_glibc_that_a_wheel_declares() -> None:
    assert glibc.declared("a-1-cp310-abi3-manylinux2014_x86_64.whl") == (2, 17)
    assert glibc.declared("a-1-cp310-abi3-manylinux_2_28_x86_64.manylinux_2_5_x86_64.manylinux1_x86_64.whl") == (2, 5)
    for tag in ("linux_x86_64", "musllinux_1_1_x86_64", "any"):
        with pytest.raises(ValueError, match="has no tag for glibc"):
            glibc.declared(f"a-1-cp310-abi3-{tag}.whl")


def test_an_unexpected_file_and_a_changed_one_are_rejected(dist: Path) -> None:
    (dist / "extra").touch()
    with pytest.raises(SystemExit, match=r"unexpected extra(.|\n)*SHA256SUMS does not match extra"):
        check.main()
    (dist / "extra").unlink()
    (dist / "sbom/celper.cdx.json").open("a").close()
    check.main()
    with (dist / "sbom/celper.cdx.json").open("a", encoding="utf-8") as file:
        file.write(" ")
    with pytest.raises(SystemExit, match=r"SHA256SUMS does not match sbom/celper\.cdx\.json"):
        check.main()


def test_a_path_out_of_the_archive_and_a_link_are_rejected(tmp_path: Path) -> None:
    for name, kind in (("../evil", tarfile.REGTYPE), ("/evil", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
        path = tmp_path / "package.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "target"
            archive.addfile(entry)
        with pytest.raises(ValueError, match=r"leads out of the archive|not a regular file"):
            contents.read(path)


def test_bills_name_the_dependencies_of_the_packages() -> None:
    """The bill by cargo-cyclonedx includes all crates that `cargo tree` lists."""
    import json

    for one in check.PACKAGES:
        if one.crate:
            bill = json.loads((DIST / f"sbom/{one.crate}.cdx.json").read_text(encoding="utf-8"))
            there = {(component["name"], component["version"]) for component in bill["components"]}
            missing = licenses.dependencies(one.crate) - there
            assert not missing, one.crate
