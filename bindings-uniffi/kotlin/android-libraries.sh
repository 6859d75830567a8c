#!/usr/bin/env bash
# Builds libcelper_uniffi.so for each Android architecture into a Gradle module: `android-libraries.sh MODULE/src/main/jniLibs`.
#
# Needs the Android NDK and `cargo install cargo-ndk`; no test in this repository runs it. On Android the library uses bundled
# root certificates, so it needs no initialization before the first call.
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Android 15 devices can have 16 KB pages.
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-Wl,-z,max-page-size=16384"
# JNA contains libraries for all four ABIs. A device uses its first ABI for which an app has any library, so ours must exist for
# all of them too.
cargo ndk -t arm64-v8a -t armeabi-v7a -t x86_64 -t x86 --platform 26 -o "$out" rustc -p celper-uniffi --lib \
    --crate-type cdylib --locked --profile mobile --no-default-features
