#!/usr/bin/env bash
# Builds CelperFFI.xcframework in this script's folder, for devices, simulators and Macs. Released versions of the
# Swift package download it (Release/Package.swift).
#
# Needs macOS with Xcode and the Rust targets below; no test in this repository runs it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
workspace="$PWD/../.."
target="${CARGO_TARGET_DIR:-$workspace/target}"
../generate.sh swift "$PWD/Generated" "$PWD/lib"

build() {
    cargo rustc --quiet --locked --manifest-path "$workspace/Cargo.toml" -p celper-uniffi --lib --crate-type staticlib \
        --profile mobile --no-default-features --target "$1"
}
for triple in aarch64-apple-ios aarch64-apple-ios-sim x86_64-apple-ios aarch64-apple-darwin x86_64-apple-darwin; do
    build "$triple"
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
# The headers are in a subfolder, because two frameworks with a module.modulemap at the top level conflict in one app.
mkdir -p "$work/headers/CelperFFI" "$work/simulator" "$work/mac"
cp Generated/CelperFFI/* "$work/headers/CelperFFI/"
static() { echo "$target/$1/mobile/libcelper_uniffi.a"; }
lipo -create "$(static aarch64-apple-ios-sim)" "$(static x86_64-apple-ios)" -output "$work/simulator/libcelper_uniffi.a"
lipo -create "$(static aarch64-apple-darwin)" "$(static x86_64-apple-darwin)" -output "$work/mac/libcelper_uniffi.a"
rm -rf CelperFFI.xcframework
xcodebuild -create-xcframework -output CelperFFI.xcframework \
    -library "$(static aarch64-apple-ios)" -headers "$work/headers" \
    -library "$work/simulator/libcelper_uniffi.a" -headers "$work/headers" \
    -library "$work/mac/libcelper_uniffi.a" -headers "$work/headers"
# Apps get it from the Swift package; it is here for those that use the framework alone.
cp Sources/Celper/PrivacyInfo.xcprivacy CelperFFI.xcframework/
