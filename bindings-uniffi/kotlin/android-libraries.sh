#!/usr/bin/env bash
# Not exercised here: needs the Android NDK and `cargo install cargo-ndk`.
#
# Puts libcelper_uniffi.so for each Android architecture where a Gradle library module looks for it:
# `android-libraries.sh MODULE/src/main/jniLibs`. Android is given the roots that are bundled in the library, so nothing has
# to be initialised before the first call.
set -euo pipefail
out="$(mkdir -p "$1" && cd "$1" && pwd -P)"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Android 15 devices may have pages of 16 KB.
export RUSTFLAGS="${RUSTFLAGS:-} -C link-arg=-Wl,-z,max-page-size=16384"
# JNA brings libraries for all four ABIs. A device takes the first that an app has any library for, and then ours has to be there, too.
cargo ndk -t arm64-v8a -t armeabi-v7a -t x86_64 -t x86 --platform 26 -o "$out" rustc -p celper-uniffi --lib \
    --crate-type cdylib --locked --profile mobile
