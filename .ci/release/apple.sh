#!/usr/bin/env bash
# Builds the Swift package for iOS and macOS in target/dist/swift. Needs a Mac with Xcode and Rust with all targets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version="$(python3 .ci/version.py)"
name="celper-swift-$version-apple"
out="$PWD/target/dist/swift"
rm -rf "$out" "target/$name"
mkdir -p "$out"
bindings-uniffi/swift/xcframework.sh
framework=bindings-uniffi/swift/CelperFFI.xcframework
.ci/release/licenses.sh celper-uniffi "$framework/THIRD-PARTY-LICENSES.txt"
cp LICENSE "$framework/"
bindings-uniffi/swift/package.sh "target/$name"
(cd target && zip --quiet --recurse-paths --symlinks "$out/$name.zip" "$name")
# The framework on its own, with the checksum that a package manifest needs to refer to it.
(cd bindings-uniffi/swift && zip --quiet --recurse-paths --symlinks "$out/CelperFFI-$version.xcframework.zip" CelperFFI.xcframework)
swift package compute-checksum "$out/CelperFFI-$version.xcframework.zip" >"$out/CelperFFI-$version.xcframework.zip.checksum"
