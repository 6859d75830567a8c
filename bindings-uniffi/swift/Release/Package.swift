// swift-tools-version:6.0
import PackageDescription

// The manifest of released versions. `.ci/release/swift_tag.py` fills in the checksums, and commits this file as the Package.swift
// in the root folder on the tag, where SwiftPM looks for it, together with the generated code.
let version = "0.1.0"
let downloads = "https://github.com/OWNER/NAME/releases/download/v\(version)"

// It has no unsafe flags, which SwiftPM refuses in dependencies.
let system = ["dl", "m", "pthread"]
#if os(Linux)
    #if compiler(>=6.2)
        #if arch(arm64)
            let native = Target.binaryTarget(
                name: "CelperFFI",
                url: "\(downloads)/CelperFFI-\(version)-linux-arm64-gnu.artifactbundle.zip",
                checksum: "CHECKSUM-linux-arm64-gnu.artifactbundle"
            )
        #else
            let native = Target.binaryTarget(
                name: "CelperFFI",
                url: "\(downloads)/CelperFFI-\(version)-linux-x64-gnu.artifactbundle.zip",
                checksum: "CHECKSUM-linux-x64-gnu.artifactbundle"
            )
        #endif
        let linked = system
    #else
        // Before version 6.2, SwiftPM does not download libraries for Linux. It finds an installed one through pkg-config; if there
        // is none, the linker names it.
        let native = Target.systemLibrary(
            name: "CelperFFI",
            path: "bindings-uniffi/swift/Generated/CelperFFI",
            pkgConfig: "celper"
        )
        let linked = ["celper_uniffi"] + system
    #endif
    let excluded = ["PrivacyInfo.xcprivacy"]
    let resources: [Resource] = []
#else
    let native = Target.binaryTarget(
        name: "CelperFFI",
        url: "\(downloads)/CelperFFI-\(version).xcframework.zip",
        checksum: "CHECKSUM.xcframework"
    )
    let linked = system
    let excluded: [String] = []
    let resources: [Resource] = [.copy("PrivacyInfo.xcprivacy")]
#endif

let package = Package(
    name: "Celper",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "Celper", targets: ["Celper"]),
        .library(name: "CelperSandbox", targets: ["CelperSandbox"]),
    ],
    targets: [
        native,
        .target(
            name: "CelperGenerated",
            dependencies: ["CelperFFI"],
            path: "bindings-uniffi/swift/Generated/CelperGenerated",
            // UniFFI's asynchronous callbacks crash in language mode 6.
            swiftSettings: [.swiftLanguageMode(.v5)],
            // What the native library needs of the system: it is a static one, which does not say so itself.
            linkerSettings: [
                .linkedFramework("CoreFoundation", .when(platforms: [.iOS, .macOS])),
                .linkedFramework("Security", .when(platforms: [.iOS, .macOS])),
                .linkedFramework("SystemConfiguration", .when(platforms: [.iOS, .macOS])),
            ] + linked.map { .linkedLibrary($0, .when(platforms: [.linux])) }
        ),
        .target(
            name: "Celper",
            dependencies: ["CelperGenerated"],
            path: "bindings-uniffi/swift/Sources/Celper",
            exclude: excluded,
            resources: resources
        ),
        .target(name: "CelperSandbox", path: "bindings-uniffi/swift/Sources/CelperSandbox"),
    ],
    swiftLanguageModes: [.v6]
)
