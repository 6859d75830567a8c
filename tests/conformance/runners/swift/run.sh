#!/usr/bin/env bash
# Starts the runner that `make runner-swift` builds, in the environment that has its Swift libraries.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
exec "$here/../../../../bindings-uniffi/swift/toolchain.sh" "$here/Runner/.build/release/Runner"
