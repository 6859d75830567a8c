"""Assembles the release from the builds of all platforms: `assemble.py PARTS OUT`.

PARTS has a folder for each build: `dist`, the output of `make dist`; `natives-*`, the native packages of another
platform; `android` and `apple`. OUT gets the files to publish, by registry, and SHA256SUMS. A missing platform is an
error.
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

import programs

# Written by Maven Central itself, or wrong after a file is added to a jar.
EXCLUDED = ("SHA256SUMS", "maven-metadata*", "*.md5", "*.sha1", "*.sha256", "*.sha512")


def merge(part: Path, out: Path) -> None:
    """Copy the files that `out` does not have yet. Platform-independent files are those of the first part."""
    for path in sorted(part.rglob("*")):
        target = out / path.relative_to(part)
        if path.is_file() and not target.exists() and not any(path.match(pattern) for pattern in EXCLUDED):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def add_libraries(jar: Path, libraries: Path) -> list[str]:
    """Add the other platforms' libraries where JNA looks for them, and return the jar's platforms."""
    with zipfile.ZipFile(jar, "a", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(libraries.rglob("*")):
            if path.is_file():
                # No timestamps, so that the same libraries give the same jar.
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


def missing(out: Path, in_jar: list[str], in_maven: list[str]) -> list[str]:
    """The files that the release lacks."""
    packages = manifests(out / "npm")
    there = {package["name"] for package in packages}
    absent = [f"npm package {name}" for name in ("celper", "celper-sandbox") if name not in there]
    for package in packages:
        # There is a wheel for each platform that has an npm package.
        platforms = package.get("optionalDependencies", {})
        absent += [f"npm package {name}" for name in platforms if name not in there]
        wheels = list((out / "python").glob(f"{package['name'].replace('-', '_')}-{package['version']}-*.whl"))
        if len(wheels) != len(platforms):
            absent.append(f"wheels of {package['name']}: found {len(wheels)} of {len(platforms)}")
    systems = ["linux", "osx", "windows"]
    programs_in = {f"{system}-{cpu}" for system in systems for cpu in ("x86_64", "aarch64")} - set(in_maven)
    absent += [f"the sandbox's program in Maven for {platform}" for platform in sorted(programs_in)]
    systems = [f"{system}-{cpu}" for system in ("linux", "darwin", "win32") for cpu in ("x86-64", "aarch64")]
    absent += [f"library in the jar for {system}" for system in systems if system not in in_jar]
    ends = ("linux-x64-gnu.artifactbundle", "linux-arm64-gnu.artifactbundle", "xcframework")
    others = (
        *(f"swift/*{end}.zip" for end in ends),
        "maven/**/*.aar",
        "rust/*.crate",
        "python/*.tar.gz",
        "sbom/*.json",
    )
    return absent + [pattern for pattern in others if not list(out.glob(pattern))]


def main(parts: Path, out: Path) -> int:
    """Merge the parts, check that nothing is missing, and write the checksums."""
    shutil.rmtree(out, ignore_errors=True)
    for part in [parts / "dist", *sorted(path for path in parts.iterdir() if path.name != "dist")]:
        merge(part, out)
    (jar,) = (path for path in out.glob("maven/ai/celper/celper/*/celper-*.jar") if path.stem.count("-") == 1)
    in_jar = add_libraries(jar, out / "jvm")
    shutil.rmtree(out / "jvm", ignore_errors=True)
    (sandbox,) = out.glob("maven/ai/celper/celper-sandbox/*")
    in_maven = programs.complete(sandbox)
    absent = missing(out, in_jar, in_maven)
    if absent:
        print("missing:", *absent, sep="\n  ", file=sys.stderr)
        return 1
    files = sorted(path for path in out.rglob("*") if path.is_file())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out).as_posix()}\n" for path in files]
    (out / "SHA256SUMS").write_text("".join(sums))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
