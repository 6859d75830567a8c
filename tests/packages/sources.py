"""Compares the lists in `expected/` with the source files in the repository. It needs no build; `make lint` runs it."""

from __future__ import annotations

import re

import contents
import platforms
from tree import ROOT, run, version

RUST = f"celper-{version()}"
# A list, a crate or another folder of sources, and the folder of the package that has these files.
PACKED = [
    ("crate", "core", RUST),
    ("sdist", "core", f"{RUST}/core"),
    ("sdist", "tests/sandbox", f"{RUST}/tests/sandbox"),
    ("sdist", "bindings-python/src", f"{RUST}/bindings-python/src"),
    ("sdist", "bindings-python/python/celper", f"{RUST}/python/celper"),
    ("wheel", "bindings-python/python/celper", "celper"),
    ("sandbox-wheel", "tests/sandbox/python/celper_sandbox", "celper_sandbox"),
    ("npm", "bindings-node/lib", "package/dist"),
    ("sandbox-npm", "tests/sandbox/node/lib", "package/dist"),
    ("sources-jar", "bindings-uniffi/kotlin/src/main/kotlin/ai/celper", "ai/celper"),
    ("sandbox-sources-jar", "tests/sandbox/jvm/src/main/kotlin/ai/celper/sandbox", "ai/celper/sandbox"),
]
# What cargo adds, and what a build does.
ADDED = (".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig")
BUILT = (f"/{platforms.EXTENSION}", ".d.ts", ".d.mts", *ADDED)


def sources(folder: str) -> list[str]:
    """A folder's files that are packed; of a crate those that cargo packs, which is what maturin does as well."""
    if (ROOT / folder / "Cargo.toml").exists():
        manifest = ROOT / folder / "Cargo.toml"
        files = run("cargo", "package", "--quiet", "--list", "--allow-dirty", "--manifest-path", manifest)
        return [name for name in files.splitlines() if name not in ADDED]
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder)
    # TypeScript is compiled; its declarations have nothing to compile.
    names = [path.removeprefix(f"{folder}/") for path in files.splitlines() if (ROOT / path).exists()]
    return [re.sub(r"\.(m?)ts$", r".\1js", name) for name in names if not name.endswith(".d.ts")]


def errors(name: str, folder: str, into: str) -> list[str]:
    """The source files that match no line of a list, and the lines that match no source file."""
    lines = [line for line in contents.expected(name) if line.startswith(f"{into}/")]
    lines = [line for line in lines if not line.endswith(BUILT)]
    return contents.errors(name, [f"{into}/{path}" for path in sources(folder)], lines)


if __name__ == "__main__":
    found = [error for entry in PACKED for error in errors(*entry)]
    if found:
        raise SystemExit("\n".join(["tests/packages/expected: see tests/packages/README.md", *found]))
