#!/usr/bin/env bash
# Builds the native library and writes one language's glue: `generate.sh kotlin GLUE_DIR LIBRARY_DIR`.
#
# CELPER_PROFILE=dev puts the quickly built library there instead of the small one that ships, CELPER_LIBRARY one that is
# already built.
set -euo pipefail

language="$1" glue="$2" libraries="$3"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
workspace="$here/.."
target="${CARGO_TARGET_DIR:-$workspace/target}"
case "$(uname -s)" in
Darwin) library=libcelper_uniffi.dylib ;;
*) library=libcelper_uniffi.so ;;
esac

cargo() { command cargo "$1" --quiet --locked --manifest-path "$workspace/Cargo.toml" -p celper-uniffi "${@:2}"; }

# One build gives the program that writes the glue, and a library with symbols for it to read.
cargo build --features bindgen
rm -rf "$glue"
"$target/debug/celper-uniffi-bindgen" "$language" "$target/debug/$library" "$glue"

mkdir -p "$libraries"
if [[ "${CELPER_PROFILE:-}" == dev ]]; then
    built="$target/debug/$library"
elif [[ -n "${CELPER_LIBRARY:-}" ]]; then
    built="$CELPER_LIBRARY"
else
    # No folder of this machine goes into what ships.
    flags="${RUSTFLAGS:+${RUSTFLAGS// /$'\x1f'}$'\x1f'}"
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do flags+="--remap-path-prefix=$registry="$'\x1f'; done
    flags+="--remap-path-prefix=$(cd "$workspace" && pwd -P)/="
    CARGO_ENCODED_RUSTFLAGS="$flags" cargo rustc --lib --crate-type cdylib --profile mobile
    built="$target/mobile/$library"
    bytes="$(wc -c <"$built")"
    echo "native library: $bytes bytes, of at most 2500000"
    if [[ "$(uname -sm)" == "Linux x86_64" && "$bytes" -ge 2500000 ]]; then
        echo "the native library is too large" >&2
        exit 1
    fi
fi
# Not overwritten in place: it may be loaded.
cp "$built" "$libraries/$library.new"
mv "$libraries/$library.new" "$libraries/$library"
