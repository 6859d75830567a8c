#!/usr/bin/env bash
# Runs the package's tests and compiles the documentation's examples, with warnings as errors: `build.sh ./test.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
../examples.sh swift Tests/Consumer/Sources
swift build --quiet --package-path Tests/Consumer -Xswiftc -warnings-as-errors
# Without this flag, the summary of an empty XCTest run follows the real one.
exec swift test --quiet --disable-xctest -Xswiftc -warnings-as-errors
