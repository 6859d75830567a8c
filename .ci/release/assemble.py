"""Puts together what the platforms have made: `assemble.py PARTS OUT`.

PARTS has a folder for each: `dist`, all that `make dist` leaves; `natives-*`, what another platform has of its own;
`android` and `apple`. OUT has what is published, by registry, with SHA256SUMS. A platform that is missing is an error.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

# Maven Central's own business, or wrong once something is put into a jar.
LEFT_OUT = ("SHA256SUMS", "maven-metadata*", "*.md5", "*.sha1", "*.sha256", "*.sha512")


def merge(part: Path, out: Path) -> None:
    """Takes over what `out` does not have yet: what is the same everywhere is that of the first."""
    for path in sorted(part.rglob("*")):
        target = out / path.relative_to(part)
        if path.is_file() and not target.exists() and not any(path.match(pattern) for pattern in LEFT_OUT):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def into_jar(jar: Path, libraries: Path) -> list[str]:
    """Puts the other platforms' libraries where JNA looks for them, and says which platforms the jar is for."""
    with zipfile.ZipFile(jar, "a", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(libraries.rglob("*")):
            if path.is_file():
                # The same bytes from the same libraries.
                entry = zipfile.ZipInfo(path.relative_to(libraries).as_posix())
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        names = archive.namelist()
    libraries_in = [Path(name) for name in names if "celper_uniffi" in name]
    return sorted(str(name.parent) for name in libraries_in)


def manifests(folder: Path) -> list[dict[str, Any]]:
    """The package.json of each packed npm package."""
    found: list[dict[str, Any]] = []
    for path in folder.glob("*.tgz"):
        with tarfile.open(path) as archive:
            content = archive.extractfile("package/package.json")
            assert content
            found.append(json.load(content))
    return found


def missing(out: Path, in_jar: list[str]) -> list[str]:
    """What there should be, and is not."""
    packages = manifests(out / "npm")
    there = {package["name"] for package in packages}
    lacking = [f"npm package {name}" for name in ("celper", "celper-sandbox") if name not in there]
    for package in packages:
        # What npm has a package for, pip has a wheel for.
        platforms = package.get("optionalDependencies", {})
        lacking += [f"npm package {name}" for name in platforms if name not in there]
        wheels = list((out / "python").glob(f"{package['name'].replace('-', '_')}-{package['version']}-*.whl"))
        if len(wheels) != len(platforms):
            lacking.append(f"wheels of {package['name']}: there are {len(wheels)} of {len(platforms)}")
    systems = [f"{system}-{cpu}" for system in ("linux", "darwin", "win32") for cpu in ("x86-64", "aarch64")]
    lacking += [f"library in the jar for {system}" for system in systems if system not in in_jar]
    others = ("maven/**/*.aar", "swift/*-apple.zip", "rust/*.crate", "python/*.tar.gz", "sbom/*.json")
    return lacking + [pattern for pattern in others if not list(out.glob(pattern))]


def main(parts: Path, out: Path) -> int:
    """Merges, checks, and writes the sums."""
    shutil.rmtree(out, ignore_errors=True)
    for part in [parts / "dist", *sorted(path for path in parts.iterdir() if path.name != "dist")]:
        merge(part, out)
    (jar,) = (path for path in out.glob("maven/ai/celper/celper/*/celper-*.jar") if path.stem.count("-") == 1)
    in_jar = into_jar(jar, out / "jvm")
    shutil.rmtree(out / "jvm", ignore_errors=True)
    lacking = missing(out, in_jar)
    if lacking:
        print("missing:", *lacking, sep="\n  ", file=sys.stderr)
        return 1
    files = sorted(path for path in out.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out).as_posix()}\n" for path in files]
    (out / "SHA256SUMS").write_text("".join(sums))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
