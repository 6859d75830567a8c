"""Checks what is in `target/dist`: nothing missing, nothing stray, every promise kept."""

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
from tree import DIST, LICENSES, ROOT, version

NODE = 3_000_000
# As `generate.sh` has it for this machine's linker, and the unwinder, which that one takes from libgcc_s.
UNIFFI = 2_525_000


@dataclass(frozen=True)
class Package:
    """A package: its path in `target/dist`, the list of what should be in it, and the crate compiled into it."""

    path: str
    expected: str
    crate: str | None = None
    has_licenses: bool = True
    anywhere: bool = False
    """Whether it is, or in a release becomes, a package for other platforms as well."""
    largest: int | None = None
    """The most bytes that a file in it may have."""


PACKAGES = [
    Package("rust/celper-{version}.crate", "crate", has_licenses=False),
    Package("python/celper-{version}.tar.gz", "sdist", "celper-python", anywhere=True),
    Package("python/celper-{version}-cp310-abi3-*.whl", "wheel", "celper-python"),
    Package("python/celper_sandbox-{version}-py3-none-*.whl", "sandbox-wheel", "celper-sandbox"),
    Package("npm/celper-{version}.tgz", "npm", has_licenses=False),
    Package("npm/celper-{npm}-{version}.tgz", "npm-platform", "celper-node", largest=NODE),
    Package("npm/celper-sandbox-{version}.tgz", "sandbox-npm", has_licenses=False),
    Package("npm/celper-sandbox-{npm}-{version}.tgz", "sandbox-npm-platform", "celper-sandbox"),
    Package(
        "maven/ai/celper/celper/{version}/celper-{version}.jar", "jar", "celper-uniffi", anywhere=True, largest=UNIFFI
    ),
    Package("maven/ai/celper/celper/{version}/celper-{version}-sources.jar", "sources-jar", has_licenses=False),
    Package("maven/ai/celper/celper/{version}/celper-{version}-javadoc.jar", "javadoc-jar", has_licenses=False),
    Package("swift/celper-swift-{version}-{npm}.tar.gz", "swift", "celper-uniffi", largest=UNIFFI),
]


def forbidden() -> list[str]:
    """What no package says: where this machine has things."""
    return [str(ROOT), str(Path.home()), tempfile.gettempdir() + "/"]


def find(package: Package) -> Path:
    """The one file of a package."""
    pattern = package.path.format(version=version(), **platforms.WORDS)
    (found,) = DIST.glob(pattern)
    return found


def faults(package: Package) -> list[str]:
    """What is wrong with a package."""
    path = find(package)
    files = contents.read(path)
    wrong = contents.faults(path.name, files, contents.expected(package.expected))
    wrong += contents.words(path.name, files, forbidden())
    floor = glibc.parse(native.GLIBC)
    if path.suffix == ".whl" and native.LINUX:
        floor = glibc.promised(path.name)
    for name, file in files.items():
        wrong += glibc.faults(f"{path.name}: {name}", file, floor)
        if package.largest and len(file) > package.largest:
            wrong.append(f"{path.name}: {name} has {len(file)} bytes, of at most {package.largest}")
    if package.has_licenses and package.crate:
        (text,) = (file.decode() for name, file in files.items() if Path(name).name == LICENSES)
        wrong += licenses.faults(path.name, text, licenses.dependencies(package.crate, anywhere=package.anywhere))
    return wrong


def main() -> None:
    """Check all of it.

    Raises:
        SystemExit: if anything is wrong.
    """
    everything = {path.relative_to(DIST).as_posix() for path in DIST.rglob("*") if path.is_file()}
    wrong = contents.faults("target/dist", everything, contents.expected("dist"))
    for package in PACKAGES:
        wrong += faults(package)
    wrong += sums.faults(DIST)
    if wrong:
        raise SystemExit("\n".join(["dist: not as it should be:", *wrong]))
    for package in PACKAGES:
        path = find(package)
        print(f"  {path.stat().st_size / 1e6:6.2f} MB  {path.relative_to(DIST)}")


if __name__ == "__main__":
    main()
