#!/usr/bin/env bash
# Builds the library that the Swift package downloads for iOS and macOS, in target/dist/swift, and an app with it. Needs a Mac with
# Xcode and Rust with all targets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version="$(python3 .ci/version.py)"
name=celper-swift
out="$PWD/target/dist/swift"
rm -rf "$out" "target/$name"
mkdir -p "$out"
bindings-uniffi/swift/xcframework.sh
framework=bindings-uniffi/swift/CelperFFI.xcframework
.ci/release/licenses.sh celper-uniffi "$framework/THIRD-PARTY-LICENSES.txt"
cp LICENSE "$framework/"
bindings-uniffi/swift/package.sh "target/$name"

# An app that depends on the package, linked for this Mac and for the iOS simulator.
app="target/celper-swift-app"
rm -rf "$app"
mkdir -p "$app/Sources/App"
cat >"$app/Package.swift" <<SWIFT
// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "App", platforms: [.macOS(.v13), .iOS(.v16)], dependencies: [.package(path: "../$name")],
    targets: [.executableTarget(name: "App", dependencies: [.product(name: "Celper", package: "$name")])])
SWIFT
printf '%s\n' 'import Celper' 'print(try Celper(apiKey: "celp_test"))' >"$app/Sources/App/main.swift"
swift run --package-path "$app" App
(cd "$app" && xcodebuild -quiet -scheme App -destination 'generic/platform=iOS Simulator' build)

(cd bindings-uniffi/swift && zip --quiet --recurse-paths --symlinks "$out/CelperFFI-$version.xcframework.zip" CelperFFI.xcframework)
