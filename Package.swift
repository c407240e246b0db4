// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "lazytlb",
    products: [
        .executable(name: "lazytlb", targets: ["lazytlb"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // C libraries, one each: a module map and a shim header, nothing else.
        .systemLibrary(name: "CTraceEvent", pkgConfig: "libtraceevent", providers: [.apt(["libtraceevent-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // Memory for hot loops.
        .target(name: "Tables"),

        // The stages, each depending only on the ones before it.
        .target(name: "TraceData", dependencies: ["CTraceEvent", "CZlib", "CZstd", "Tables"]),
        .target(name: "LazyTLB", dependencies: ["Tables"]),
        .target(name: "Reconstruction", dependencies: ["TraceData", "LazyTLB", "Tables"]),
        .target(name: "Replay", dependencies: ["LazyTLB", "Reconstruction", "Tables"]),
        .target(name: "Report", dependencies: ["TraceData", "LazyTLB", "Reconstruction", "Replay"]),
        .executableTarget(
            name: "lazytlb",
            dependencies: [
                "TraceData", "Reconstruction", "Replay", "Report",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // How near the inference of mms comes to what probe events tell: tools/accuracy, and the tests.
        .target(name: "AccuracyKit", dependencies: ["TraceData", "LazyTLB", "Reconstruction", "Replay"]),
        .executableTarget(
            name: "accuracy",
            dependencies: [
                "AccuracyKit", "TraceData", "Reconstruction",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .target(name: "TestSupport", path: "Tests/TestSupport"),
        .testTarget(name: "TraceDataTests", dependencies: ["TraceData", "CTraceEvent", "CZlib", "TestSupport"]),
        .testTarget(name: "LazyTLBTests", dependencies: ["LazyTLB"]),
        .testTarget(name: "ReconstructionTests", dependencies: ["Reconstruction", "TraceData", "LazyTLB", "Replay", "AccuracyKit"]),
        .testTarget(name: "ReplayTests", dependencies: ["Replay", "Reconstruction", "LazyTLB", "TraceData"]),
        .testTarget(name: "ReportTests", dependencies: ["Report", "Replay", "Reconstruction", "LazyTLB", "TraceData"], exclude: ["Golden"]),
        .testTarget(name: "CommandTests", dependencies: ["lazytlb", "Report", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// The stages are modules, and their hot loops are generic over the stage that they feed: without specialisation across modules the
// replay takes five times as long. Exclusivity is checked in debug builds, which the tests run.
for target in package.targets where target.type == .regular || target.type == .executable {
    target.swiftSettings = [.unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release))]
}
