#!/usr/bin/env bash
# Starts the runner that `make runner-swift` has built, where its Swift libraries are.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
exec "$here/../../../../bindings-uniffi/swift/toolchain.sh" "$here/Runner/.build/release/Runner"
