#!/usr/bin/env bash
# The package's tests and the pages' examples, with every warning an error; `build.sh ./test.sh` builds what they need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
../examples.sh swift Tests/Consumer/Sources
swift build --quiet --package-path Tests/Consumer -Xswiftc -warnings-as-errors
# XCTest's own, empty, run would only hide the summary.
exec swift test --quiet --disable-xctest -Xswiftc -warnings-as-errors
