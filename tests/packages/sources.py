"""Compares the lists in `expected/` with the source files in the repository. It needs no build; `make lint` runs it."""

from __future__ import annotations

import re

import contents
import platforms
from tree import ROOT, run, version

RUST = f"celper-{version()}"
# A list, a folder of sources, and the folder of the package that has these files.
PACKED = [
    ("crate", "core/src", f"{RUST}/src"),
    ("sdist", "core/src", f"{RUST}/core/src"),
    ("sdist", "bindings-python/src", f"{RUST}/bindings-python/src"),
    ("sdist", "bindings-python/python/celper", f"{RUST}/python/celper"),
    ("wheel", "bindings-python/python/celper", "celper"),
    ("sandbox-wheel", "tests/sandbox/python/celper_sandbox", "celper_sandbox"),
    ("npm", "bindings-node/lib", "package/dist"),
    ("sandbox-npm", "tests/sandbox/node/lib", "package/dist"),
    ("sources-jar", "bindings-uniffi/kotlin/src/main/kotlin/ai/celper", "ai/celper"),
    ("sandbox-sources-jar", "tests/sandbox/jvm/src/main/kotlin/ai/celper/sandbox", "ai/celper/sandbox"),
]


def errors(name: str, folder: str, into: str) -> list[str]:
    """The source files that match no line of a list, and the lines that match no source file."""
    sources = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder).splitlines()
    # TypeScript is compiled; its declarations have nothing to compile.
    present = [path for path in sources if (ROOT / path).exists() and not path.endswith(".d.ts")]
    files = [into + re.sub(r"\.(m?)ts$", r".\1js", path.removeprefix(folder)) for path in present]
    lines = [line for line in contents.expected(name) if line.startswith(f"{into}/")]
    built = (f"/{platforms.EXTENSION}", ".d.ts", ".d.mts")
    return contents.errors(name, files, [line for line in lines if not line.endswith(built)])


if __name__ == "__main__":
    found = [error for entry in PACKED for error in errors(*entry)]
    if found:
        raise SystemExit("\n".join(["tests/packages/expected: see tests/packages/README.md", *found]))
