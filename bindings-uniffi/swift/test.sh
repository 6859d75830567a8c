#!/usr/bin/env bash
# Runs the package's tests and compiles the documentation's examples, with warnings as errors: `build.sh ./test.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
../examples.sh swift Tests/Consumer/Sources
swift build --quiet --package-path Tests/Consumer -Xswiftc -warnings-as-errors
# In a main.swift, variables belong to the main actor. Each is a module of its own, compiled as far as the isolation checks.
pasted=Tests/Consumer/Sources/Pasted
for program in "$pasted"/main?*.swift; do
    mv "$program" "$pasted/main.swift"
    swiftc -emit-sil -o /dev/null -swift-version 6 -warnings-as-errors -I Tests/Consumer/.build/debug/Modules \
        -Xcc "-fmodule-map-file=$PWD/Generated/CelperFFI/module.modulemap" "$pasted/main.swift"
done
# Without this flag, the summary of an empty XCTest run follows the real one.
exec swift test --quiet --disable-xctest -Xswiftc -warnings-as-errors
