// swift-tools-version:6.0
import PackageDescription

// `build.sh` puts the glue in Generated/ and the native library in lib/; both are made, not kept. An app takes the
// XCFramework that `xcframework.sh` makes instead, as the binary target that replaces CelperFFI.
let library = Context.packageDirectory + "/lib"

let package = Package(
    name: "Celper",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [.library(name: "Celper", targets: ["Celper"])],
    targets: [
        .systemLibrary(name: "CelperFFI", path: "Generated/CelperFFI"),
        .target(
            name: "CelperGenerated",
            dependencies: ["CelperFFI"],
            path: "Generated/CelperGenerated",
            // Its asynchronous callbacks do not run in language mode 6.
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [
                .linkedLibrary("celper_uniffi"),
                .unsafeFlags(["-L\(library)", "-Xlinker", "-rpath", "-Xlinker", library]),
            ]
        ),
        .target(name: "Celper", dependencies: ["CelperGenerated"]),
        .testTarget(name: "CelperTests", dependencies: ["Celper", "CelperGenerated"]),
    ],
    swiftLanguageModes: [.v6]
)
