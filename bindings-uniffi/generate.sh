#!/usr/bin/env bash
# Builds the native library and generates one language's glue code: `generate.sh kotlin|swift GLUE_DIR LIBRARY_DIR`.
#
# The library is built for speed, as for servers; apps get it built for size (profile `mobile`, in android-libraries.sh and
# swift/xcframework.sh). With CELPER_PROFILE=dev it is the debug build, from which the glue code is generated. With
# CELPER_LIBRARY=FILE it is that file; published packages get theirs so, without paths of the build machine.
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
rm -rf "$glue.new"
"$target/debug/celper-uniffi-bindgen" "$language" "$target/debug/$library" "$glue.new"
# What did not change is left alone, so that nothing is compiled again.
if diff -qr "$glue.new" "$glue" >/dev/null 2>&1; then
    rm -rf "$glue.new"
else
    rm -rf "$glue"
    mv "$glue.new" "$glue"
fi

mkdir -p "$libraries"
if [[ "${CELPER_PROFILE:-}" == dev ]]; then
    built="$target/debug/$library"
elif [[ -n "${CELPER_LIBRARY:-}" ]]; then
    built="$CELPER_LIBRARY"
else
    cargo rustc --lib --crate-type cdylib --release
    built="$target/release/$library"
fi
if ! cmp -s "$built" "$libraries/$library"; then
    # Rename instead of overwriting, because the old file may be loaded.
    cp "$built" "$libraries/$library.new"
    mv "$libraries/$library.new" "$libraries/$library"
fi
