"""Commits and tags the Swift package of a release: `swift_tag.py RELEASE`, in a clone of the released commit.

SwiftPM knows a package's versions by the tags of its repository, and looks for Package.swift in its root folder. The
tag `v1.2.3` is the released commit and what only the release can add: the manifest, with the checksums of the native
libraries, and the generated code. `git diff release-1.2.3 v1.2.3` shows all of it.

RELEASE is the folder that `assemble.py` writes. The same release gives the same commit, so that a failed release can be
rerun. It pushes nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

SWIFT = "bindings-uniffi/swift"
GENERATED = {
    "CelperGenerated.swift": f"{SWIFT}/Generated/CelperGenerated/CelperGenerated.swift",
    "include/CelperFFI.h": f"{SWIFT}/Generated/CelperFFI/CelperFFI.h",
    "include/module.modulemap": f"{SWIFT}/Generated/CelperFFI/module.modulemap",
}
"""The generated files in the library for Linux, and where they belong in the package."""
AUTHOR = ("Celper SDK release", "release@celper.invalid")


def git(*arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    """The output of a git command."""
    command = ["git", *arguments]
    result = subprocess.run(command, input=stdin, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.PIPE)
    return result.stdout.decode().strip()


def manifest(template: str, libraries: Path, version: str) -> str:
    """The manifest with the native libraries' checksums, as `swift package compute-checksum` has them."""

    def checksum(match: re.Match[str]) -> str:
        return hashlib.sha256((libraries / f"CelperFFI-{version}{match[1]}.zip").read_bytes()).hexdigest()

    return re.sub(r"(?<=\")CHECKSUM([\w.-]+)(?=\")", checksum, template)


def added(libraries: Path, version: str) -> dict[str, bytes]:
    """The files that the tag has and the released commit has not."""
    template = git("show", f"HEAD:{SWIFT}/Release/Package.swift")
    files = {"Package.swift": f"{manifest(template, libraries, version)}\n".encode()}
    with zipfile.ZipFile(libraries / f"CelperFFI-{version}-linux-x64-gnu.artifactbundle.zip") as archive:
        for name, path in GENERATED.items():
            files[path] = archive.read(f"CelperFFI.artifactbundle/{name}")
    return files


def commit(files: dict[str, bytes], message: str) -> str:
    """Commit `files` on top of the released commit, without a branch, and return the commit."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git("read-tree", "HEAD", env=index)
        for path, content in files.items():
            blob = git("hash-object", "-w", "--stdin", stdin=content)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        tree = git("write-tree", env=index)
    date = git("show", "--no-patch", "--format=%cI", "HEAD")
    who: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        who |= {f"GIT_{role}_NAME": AUTHOR[0], f"GIT_{role}_EMAIL": AUTHOR[1], f"GIT_{role}_DATE": date}
    return git("commit-tree", tree, "-p", "HEAD", "-m", message, env=who)


def main(release: Path) -> int:
    """Make the commit and the tag."""
    workspace = re.search(r'^version = "(.+)"$', git("show", "HEAD:Cargo.toml"), re.MULTILINE)
    assert workspace
    version = workspace[1]
    made = commit(added(release / "swift", version), f"The Swift package {version}")
    git("tag", f"v{version}", made)
    print(f"v{version} {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
