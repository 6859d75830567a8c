"""The names of this platform in npm, JNA, Maven and file names."""

from __future__ import annotations

import platform
import sys

from native import LIBC

ARM = platform.machine().lower() in ("arm64", "aarch64")

NPM: str = {
    "linux": f"linux-{'arm64' if ARM else 'x64'}-{LIBC}",
    "darwin": f"darwin-{'arm64' if ARM else 'x64'}",
    "win32": f"win32-{'arm64' if ARM else 'x64'}-msvc",
}[sys.platform]

JNA: str = {
    "linux": f"linux-{'aarch64' if ARM else 'x86-64'}",
    "darwin": f"darwin-{'aarch64' if ARM else 'x86-64'}",
    "win32": f"win32-{'aarch64' if ARM else 'x86-64'}",
}[sys.platform]

# The classifiers of Maven artefacts.
MAVEN: str = {
    "linux": f"linux-{'aarch64' if ARM else 'x86_64'}",
    "darwin": f"osx-{'aarch64' if ARM else 'x86_64'}",
    "win32": f"windows-{'aarch64' if ARM else 'x86_64'}",
}[sys.platform]

LIBRARY: str = {"linux": "libcelper_uniffi.so", "darwin": "libcelper_uniffi.dylib", "win32": "celper_uniffi.dll"}[
    sys.platform
]
PROGRAM: str = "celper-sandbox.exe" if sys.platform == "win32" else "celper-sandbox"
EXTENSION: str = "_celper.pyd" if sys.platform == "win32" else "_celper.abi3.so"

NAMES = {"npm": NPM, "jna": JNA, "maven": MAVEN, "library": LIBRARY, "program": PROGRAM, "extension": EXTENSION}
"""The names that the lists in `expected/` can use."""
