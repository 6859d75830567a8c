// swift-tools-version:6.0
import PackageDescription

// A package that depends on Celper as an app does. `test.sh` writes the documentation's examples to Sources/.
let package = Package(
    name: "Consumer",
    platforms: [.macOS(.v13), .iOS(.v16)],
    dependencies: [.package(path: "../..")],
    targets: [
        .target(
            name: "Examples",
            dependencies: [
                .product(name: "Celper", package: "swift"), .product(name: "CelperSandbox", package: "swift"),
            ]
        ),
        .executableTarget(name: "FirstCall", dependencies: [.product(name: "Celper", package: "swift")]),
    ],
    swiftLanguageModes: [.v6]
)
