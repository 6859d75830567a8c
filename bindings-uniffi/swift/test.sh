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
    # The example of a fake checks itself, and needs no server.
    if grep -q FakeClient "$pasted/main.swift"; then
        swiftc -o "$pasted/fake" -swift-version 6 -I Tests/Consumer/.build/debug/Modules \
            -Xcc "-fmodule-map-file=$PWD/Generated/CelperFFI/module.modulemap" "$pasted/main.swift" \
            Tests/Consumer/.build/debug/Celper{,Generated}.build/*.o -L lib -lcelper_uniffi -Xlinker -rpath -Xlinker "$PWD/lib"
        "$pasted/fake"
    fi
done
# Without this flag, the summary of an empty XCTest run follows the real one.
exec swift test --quiet --disable-xctest -Xswiftc -warnings-as-errors
