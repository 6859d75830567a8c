#!/usr/bin/env bash
# Runs the package's tests and compiles the documentation's examples, with warnings as errors: `build.sh ./test.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
../examples.sh swift Tests/Consumer/Sources
swift build --quiet --package-path Tests/Consumer -Xswiftc -warnings-as-errors
# In a main.swift, variables belong to the main actor. One module for each program, so they are not linked.
for program in Tests/Consumer/Sources/Pasted/main*.swift; do
    cp "$program" Tests/Consumer/Sources/Pasted/main.swift
    swiftc -typecheck -swift-version 6 -warnings-as-errors -I Tests/Consumer/.build/debug/Modules -Xcc "-fmodule-map-file=$PWD/Generated/CelperFFI/module.modulemap" Tests/Consumer/Sources/Pasted/main.swift
done
# Without this flag, the summary of an empty XCTest run follows the real one.
exec swift test --quiet --disable-xctest -Xswiftc -warnings-as-errors
