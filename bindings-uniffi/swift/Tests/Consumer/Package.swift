// swift-tools-version:6.0
import PackageDescription

// What an app sees of Celper: the pages' examples, which `test.sh` puts into Sources/.
let package = Package(
    name: "Consumer",
    platforms: [.macOS(.v13), .iOS(.v16)],
    dependencies: [.package(path: "../..")],
    targets: [
        .target(name: "Examples", dependencies: [.product(name: "Celper", package: "swift")]),
        .executableTarget(name: "FirstCall", dependencies: [.product(name: "Celper", package: "swift")]),
    ],
    swiftLanguageModes: [.v6]
)
