// swift-tools-version:6.0
import PackageDescription

// A program for each client, so that each loads only what its client needs, and one without a client, to compare sizes.
let package = Package(
    name: "CelperBench",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "../../../../bindings-uniffi/swift")],
    targets: [
        .target(name: "Bench"),
        .executableTarget(name: "bench-celper", dependencies: ["Bench", .product(name: "Celper", package: "swift")]),
        .executableTarget(name: "bench-urlsession", dependencies: ["Bench"]),
        .executableTarget(name: "bench-nothing", dependencies: ["Bench"]),
    ],
    swiftLanguageModes: [.v6]
)
