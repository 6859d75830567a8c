#!/usr/bin/env bash
# Builds the native library and the glue, and then the package, or runs the command given: `build.sh swift test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# The host's toolchain builds the Rust part; Swift may be in a chroot, which has none.
../generate.sh swift "$PWD/Generated" "$PWD/lib"
if [[ $# -eq 0 ]]; then set -- swift build; fi
exec ./toolchain.sh "$@"
