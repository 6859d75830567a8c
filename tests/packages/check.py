"""Checks the packages in `target/dist`: their files, licences, sizes, glibc versions and checksums."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import contents
import glibc
import licenses
import native
import platforms
import sums
from tree import BUILD, DIST, LICENSES, ROOT, version

# The most bytes that the wheel and the native files may have.
WHEEL = 2_500_000
NODE = 3_600_000
# The library in apps: 2.6 MB, plus the unwinder, which apps' linkers take from the system.
MOBILE = 2_625_000


@dataclass(frozen=True)
class Package:
    """A package: its path in `target/dist`, the list of its files in `expected/`, and the crate compiled into it."""

    path: str
    expected: str
    crate: str | None = None
    has_licenses: bool = True
    anywhere: bool = False
    """Whether it is for several platforms, or becomes so in a release."""
    largest: int | None = None
    """The most bytes that one of its files may have."""
    most: int | None = None
    """The most bytes that it may have."""


SANDBOX = "maven/ai/celper/celper-sandbox/{version}/celper-sandbox-{version}"

PACKAGES = [
    Package("rust/celper-{version}.crate", "crate", has_licenses=False),
    Package("python/celper-{version}.tar.gz", "sdist", "celper-python", anywhere=True),
    Package("python/celper-{version}-cp310-abi3-*.whl", "wheel", "celper-python", most=WHEEL),
    Package("python/celper_sandbox-{version}-py3-none-*.whl", "sandbox-wheel", "celper-sandbox"),
    Package("npm/celper-{version}.tgz", "npm", has_licenses=False),
    Package("npm/celper-{npm}-{version}.tgz", "npm-platform", "celper-node", largest=NODE),
    Package("npm/celper-sandbox-{version}.tgz", "sandbox-npm", has_licenses=False),
    Package("npm/celper-sandbox-{npm}-{version}.tgz", "sandbox-npm-platform", "celper-sandbox"),
    Package("maven/ai/celper/celper/{version}/celper-{version}.jar", "jar", "celper-uniffi", anywhere=True),
    Package("maven/ai/celper/celper/{version}/celper-{version}-sources.jar", "sources-jar", has_licenses=False),
    Package("maven/ai/celper/celper/{version}/celper-{version}-javadoc.jar", "javadoc-jar", has_licenses=False),
    Package(f"{SANDBOX}.jar", "sandbox-jar", has_licenses=False),
    Package(f"{SANDBOX}-{{maven}}.jar", "sandbox-jar-platform", "celper-sandbox"),
    Package(f"{SANDBOX}-sources.jar", "sandbox-sources-jar", has_licenses=False),
    Package(f"{SANDBOX}-javadoc.jar", "sandbox-javadoc-jar", has_licenses=False),
]
if native.LINUX:
    PACKAGES.append(Package("swift/CelperFFI-{version}-{npm}.artifactbundle.zip", "swift", "celper-uniffi"))
APPS = BUILD / "mobile/libcelper_uniffi.so"
"""The library for apps, as far as it can be built on Linux. It is part of no package here."""


def forbidden() -> list[str]:
    """Paths of this machine, which no package may contain."""
    return [str(ROOT), str(Path.home()), tempfile.gettempdir() + "/"]


def find(package: Package) -> Path:
    """The package's file."""
    pattern = package.path.format(version=version(), **platforms.NAMES)
    (found,) = DIST.glob(pattern)
    return found


def errors(package: Package) -> list[str]:
    """What is wrong with a package."""
    path = find(package)
    files = contents.read(path)
    found = contents.errors(path.name, files, contents.expected(package.expected))
    found += contents.containing(path.name, files, forbidden())
    if package.most and (size := path.stat().st_size) > package.most:
        found.append(f"{path.name} has {size} bytes, more than {package.most}")
    floor = glibc.parse(native.GLIBC)
    if path.suffix == ".whl" and native.LINUX:
        floor = glibc.declared(path.name)
    for name, file in files.items():
        found += glibc.errors(f"{path.name}: {name}", file, floor)
        if package.largest and len(file) > package.largest:
            found.append(f"{path.name}: {name} has {len(file)} bytes, more than {package.largest}")
    if package.has_licenses and package.crate:
        (text,) = (file.decode() for name, file in files.items() if Path(name).name == LICENSES)
        found += licenses.errors(path.name, text, licenses.dependencies(package.crate, anywhere=package.anywhere))
    return found


def main() -> None:
    """Check all packages.

    Raises:
        SystemExit: if a check fails.
    """
    files = {path.relative_to(DIST).as_posix() for path in DIST.rglob("*") if path.is_file()}
    lines = [line for line in contents.expected("dist") if native.LINUX or not line.startswith("swift/")]
    found = contents.errors("target/dist", files, lines)
    for package in PACKAGES:
        found += errors(package)
    found += sums.errors(DIST)
    if native.LINUX and (size := APPS.stat().st_size) > MOBILE:
        found.append(f"{APPS.name} for apps has {size} bytes, more than {MOBILE}")
    if found:
        raise SystemExit("\n".join(["dist: checks failed:", *found]))
    for package in PACKAGES:
        path = find(package)
        print(f"  {path.stat().st_size / 1e6:6.2f} MB  {path.relative_to(DIST)}")


if __name__ == "__main__":
    main()
