#!/usr/bin/env bash
# Builds the native library and generates one language's glue code: `generate.sh kotlin|swift GLUE_DIR LIBRARY_DIR`.
#
# With CELPER_PROFILE=dev the library is a debug build, which is faster to build than the small one that is released. With
# CELPER_LIBRARY=FILE it is that file, and none is built.
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

# One build produces the generator and a library whose symbols it reads.
cargo build --features bindgen
rm -rf "$glue"
"$target/debug/celper-uniffi-bindgen" "$language" "$target/debug/$library" "$glue"

mkdir -p "$libraries"
if [[ "${CELPER_PROFILE:-}" == dev ]]; then
    built="$target/debug/$library"
elif [[ -n "${CELPER_LIBRARY:-}" ]]; then
    built="$CELPER_LIBRARY"
else
    # Keep this machine's paths out of the released library.
    flags="${RUSTFLAGS:+${RUSTFLAGS// /$'\x1f'}$'\x1f'}"
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do flags+="--remap-path-prefix=$registry="$'\x1f'; done
    flags+="--remap-path-prefix=$(cd "$workspace" && pwd -P)/="
    CARGO_ENCODED_RUSTFLAGS="$flags" cargo rustc --lib --crate-type cdylib --profile mobile
    built="$target/mobile/$library"
    bytes="$(wc -c <"$built")"
    echo "native library: $bytes bytes (limit: 2500000)"
    if [[ "$(uname -sm)" == "Linux x86_64" && "$bytes" -ge 2500000 ]]; then
        echo "the native library is larger than the limit" >&2
        exit 1
    fi
fi
# Rename instead of overwriting, because the old file may be loaded.
cp "$built" "$libraries/$library.new"
mv "$libraries/$library.new" "$libraries/$library"
