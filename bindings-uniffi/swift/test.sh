#!/usr/bin/env bash
# The package's tests, with every warning an error; `build.sh ./test.sh` builds what they need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# XCTest's own, empty, run would only hide the summary.
exec swift test --disable-xctest -Xswiftc -warnings-as-errors
