// swift-tools-version:6.0
import PackageDescription

// The package in this repository, which needs `build.sh`: it writes the glue code to Generated/ and the native library to lib/;
// neither is in version control. Released versions have the manifest in Release/ instead.
let library = Context.packageDirectory + "/lib"

let package = Package(
    name: "Celper",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "Celper", targets: ["Celper"]),
        // For tests: runs the sandbox. It needs nothing of the other targets.
        .library(name: "CelperSandbox", targets: ["CelperSandbox"]),
    ],
    targets: [
        .systemLibrary(name: "CelperFFI", path: "Generated/CelperFFI"),
        .target(
            name: "CelperGenerated",
            dependencies: ["CelperFFI"],
            path: "Generated/CelperGenerated",
            // UniFFI's asynchronous callbacks crash in language mode 6.
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [
                .linkedLibrary("celper_uniffi"),
                .unsafeFlags(["-L\(library)", "-Xlinker", "-rpath", "-Xlinker", library]),
            ]
        ),
        .target(name: "Celper", dependencies: ["CelperGenerated"], exclude: ["PrivacyInfo.xcprivacy"]),
        .target(name: "CelperSandbox"),
        .testTarget(name: "CelperTests", dependencies: ["Celper", "CelperGenerated", "CelperSandbox"]),
    ],
    swiftLanguageModes: [.v6]
)
