#!/usr/bin/env bash
# Writes the Swift package of a release with the CelperFFI.xcframework that `xcframework.sh` built, instead of its address:
# `package.sh OUT`. So that it can be tested before the release is published.
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")"
package="$out/bindings-uniffi/swift"
mkdir -p "$package"
cp -R Sources Generated "$package/"
cp -R CelperFFI.xcframework "$out/"
sed -E '/xcframework\.zip"/d; s|checksum: "CHECKSUM\.xcframework"|path: "CelperFFI.xcframework"|' Release/Package.swift >"$out/Package.swift"
grep -q 'path: "CelperFFI.xcframework"' "$out/Package.swift"
