#!/usr/bin/env bash
# Writes the Swift package for apps: `package.sh OUT`. Run `xcframework.sh` first; the package contains its
# CelperFFI.xcframework instead of the library that `build.sh` builds.
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p "$out/Generated" "$out/Sources"
cp -R Sources/Celper Sources/CelperSandbox "$out/Sources/"
cp -R Generated/CelperGenerated "$out/Generated/"
cp -R CelperFFI.xcframework "$out/"
cp PrivacyInfo.xcprivacy "$out/Sources/Celper/"
cp ../../LICENSE ../README.md "$out/"
# The package has no tests, the framework contains the library, and a static library does not name
# the frameworks that it needs.
python3 - "$out/Package.swift" <<'PYTHON'
import re, sys

text = open("Package.swift", encoding="utf-8").read()
for pattern, new in (
    (r'\.systemLibrary\(name: "CelperFFI".*?\)', '.binaryTarget(name: "CelperFFI", path: "CelperFFI.xcframework")'),
    (
        r"linkerSettings: \[.*?\n *\]",
        "linkerSettings: ["
        + "".join(f'.linkedFramework("{name}"), ' for name in ("CoreFoundation", "Security", "SystemConfiguration"))
        + "]",
    ),
    (
        r'(name: "Celper", dependencies: \["CelperGenerated"\])',
        r'\1, resources: [.copy("PrivacyInfo.xcprivacy")]',
    ),
    (r"\n *\.testTarget\(.*?\),", ""),
    (r"\n// `build\.sh`.*?\nlet library = .*?\n", ""),
):
    text, count = re.subn(pattern, new, text, flags=re.DOTALL)
    assert count == 1, f"expected one match for {pattern} in Package.swift, found {count}"
open(sys.argv[1], "w", encoding="utf-8").write(text)
PYTHON
