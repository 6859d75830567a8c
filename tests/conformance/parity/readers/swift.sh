#!/bin/sh
# Prints the symbol graph of the Swift module that `make runner-swift` has built, where Swift is.
set -eu
here="$(cd "$(dirname "$0")" && pwd -P)"
modules="$here/../../runners/swift/Runner/.build/release/Modules"
glue="$here/../../../../bindings-uniffi/swift/Generated/CelperFFI"
triple="$(swift -print-target-info | sed -n 's/.*"unversionedTriple": "\(.*\)".*/\1/p')"
output="$(mktemp -d)"
trap 'rm -rf "$output"' EXIT
swift symbolgraph-extract -module-name Celper -target "$triple" -minimum-access-level public \
    -I "$modules" -I "$glue" ${SDKROOT:+-sdk "$SDKROOT"} -output-dir "$output" >&2
cat "$output/Celper.symbols.json"
