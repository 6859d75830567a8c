#!/usr/bin/env bash
# Writes the licences of a crate's dependencies on all platforms: `licenses.sh CRATE FILE`. For packages that `make dist` does not
# build.
set -euo pipefail
file="$(mkdir -p "$(dirname "$2")" && cd "$(dirname "$2")" && pwd -P)/$(basename "$2")"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
while read -r tool; do
    # shellcheck disable=SC2086 # a name and its version
    [[ "$tool" != cargo-about* ]] || cargo install --quiet --locked --root target/dist-tools $tool
done <tests/packages/cargo-tools.txt
python3 tests/packages/licenses.py "$1" "$file"
