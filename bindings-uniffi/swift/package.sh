#!/usr/bin/env bash
# Lays out the Swift package as apps take it: `package.sh OUT`, after `xcframework.sh`, whose CelperFFI.xcframework takes the
# place of the library that `build.sh` makes.
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p "$out/Generated" "$out/Sources"
cp -R Sources/Celper "$out/Sources/"
cp -R Generated/CelperGenerated "$out/Generated/"
cp -R CelperFFI.xcframework "$out/"
cp ../../LICENSE ../README.md "$out/"
# The tests stay in the repository, and the framework brings the library along.
python3 - "$out/Package.swift" <<'PYTHON'
import re, sys

text = open("Package.swift", encoding="utf-8").read()
for pattern, new in (
    (r'\.systemLibrary\(name: "CelperFFI".*?\)', '.binaryTarget(name: "CelperFFI", path: "CelperFFI.xcframework")'),
    (r",\n *linkerSettings: \[.*?\n *\]", ""),
    (r"\n *\.testTarget\(.*?\),", ""),
    (r"\n// `build\.sh`.*?\nlet library = .*?\n", ""),
):
    text, count = re.subn(pattern, new, text, flags=re.DOTALL)
    assert count == 1, f"Package.swift has {count} times what {pattern} finds"
open(sys.argv[1], "w", encoding="utf-8").write(text)
PYTHON
