// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "Runner",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "../../../../../bindings-uniffi/swift")],
    targets: [
        .executableTarget(name: "Runner", dependencies: [.product(name: "Celper", package: "swift")], path: "Sources")
    ],
    swiftLanguageModes: [.v6]
)
