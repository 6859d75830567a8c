#!/usr/bin/env bash
# Builds the native library and the glue code, and then the package, or runs the given command: `build.sh swift test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# The Rust part is built outside `toolchain.sh`, because the Swift chroot has no Rust.
../generate.sh swift "$PWD/Generated" "$PWD/lib"
if [[ $# -eq 0 ]]; then set -- swift build; fi
exec ./toolchain.sh "$@"
