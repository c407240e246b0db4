// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "lazytlb",
    products: [
        .executable(name: "lazytlb", targets: ["lazytlb"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // C libraries, one each: a module map and a shim header, nothing else.
        .systemLibrary(name: "CTraceEvent", pkgConfig: "libtraceevent", providers: [.apt(["libtraceevent-dev"])]),
        .systemLibrary(name: "CTraceFS", pkgConfig: "libtracefs", providers: [.apt(["libtracefs-dev"])]),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // One instruction that Swift has no word for.
        .systemLibrary(name: "CPrefetch"),
        // Three system calls that its module of the C library leaves out.
        .systemLibrary(name: "CAffinity"),

        // Memory for hot loops.
        .target(name: "Tables"),

        // The stages, each depending only on the ones before it.
        .target(name: "TraceData", dependencies: ["CAffinity", "CPrefetch", "CTraceEvent", "CZlib", "CZstd", "Tables"]),
        .target(name: "LazyTLB", dependencies: ["CPrefetch", "Tables"]),
        .target(name: "Reconstruction", dependencies: ["CPrefetch", "TraceData", "LazyTLB", "Tables"]),
        .target(name: "Replay", dependencies: ["CPrefetch", "TraceData", "LazyTLB", "Reconstruction", "Tables"]),
        // The schemes on all histories of a small machine: `lazytlb verify`.
        .target(name: "Verification", dependencies: ["LazyTLB", "Reconstruction", "Replay"]),
        .target(name: "Report", dependencies: ["TraceData", "LazyTLB", "Reconstruction", "Replay", "Tables", "Verification"]),
        .target(name: "Checks", dependencies: ["LazyTLB", "Replay", "Report", "CYaml"]),
        .executableTarget(
            name: "lazytlb",
            dependencies: [
                "TraceData", "TraceForms", "LazyTLB", "Reconstruction", "Replay", "Report", "Checks", "Recording", "TraceWriting", "Verification",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // Recordings of the running kernel: `lazytlb record`.
        .target(name: "Recording", dependencies: ["CTraceFS", "TraceWriting"]),

        // Every other form of a trace, on its way to what TraceData reads.
        .target(name: "TraceForms", dependencies: ["TraceData", "TraceWriting", "Tables", "CZstd"]),

        // How near the inference of mms comes to what probe events tell: tools/accuracy, and the tests.
        .target(name: "AccuracyKit", dependencies: ["TraceData", "LazyTLB", "Reconstruction", "Replay"]),
        .executableTarget(
            name: "accuracy",
            dependencies: [
                "AccuracyKit", "TraceData", "LazyTLB", "Reconstruction",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // How often a check gives a false alarm or misses a regression: tools/calibrate, and docs/ci.md.
        .executableTarget(
            name: "calibrate",
            dependencies: [
                "Checks", "TraceData", "LazyTLB", "Reconstruction", "Replay", "Report", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // trace.dat files, written: what is recorded, what comes in another form, what is made up.
        .target(name: "TraceWriting", dependencies: ["CZstd"]),

        // Synthetic recordings with known answers, of any size: tools/synth, tools/bench, and the tests.
        .target(name: "TraceSynth", dependencies: ["LazyTLB", "TraceWriting"]),
        .executableTarget(
            name: "synth", dependencies: ["TraceSynth", "TraceWriting", .product(name: "ArgumentParser", package: "swift-argument-parser")]),

        .target(name: "TestSupport", dependencies: ["LazyTLB", "TraceSynth", "TraceWriting"], path: "Tests/TestSupport"),
        // What the tests of recording record.
        .executableTarget(name: "storm", path: "Tests/Storm"),
        .testTarget(name: "TraceDataTests", dependencies: ["TraceData", "CAffinity", "CTraceEvent", "CZlib", "TraceSynth", "TraceWriting", "TestSupport"]),
        .testTarget(name: "TraceFormsTests", dependencies: ["TraceForms", "TraceData", "TraceWriting", "CZstd", "Report", "TestSupport", "lazytlb"]),
        .testTarget(name: "LazyTLBTests", dependencies: ["LazyTLB", "TraceSynth", "TestSupport"]),
        .testTarget(name: "ReconstructionTests", dependencies: ["Reconstruction", "Tables", "TraceData", "LazyTLB", "Replay", "AccuracyKit", "TraceSynth", "TraceWriting", "TestSupport"]),
        .testTarget(name: "ReplayTests", dependencies: ["Replay", "Reconstruction", "LazyTLB", "TraceData", "TraceSynth", "TestSupport"]),
        .testTarget(name: "VerificationTests", dependencies: ["Verification", "Replay", "Reconstruction", "LazyTLB"]),
        .testTarget(name: "ReportTests", dependencies: ["Report", "Replay", "Reconstruction", "LazyTLB", "TraceData"], exclude: ["Golden"]),
        .testTarget(
            name: "TraceSynthTests",
            dependencies: ["TraceSynth", "TraceWriting", "Replay", "Reconstruction", "LazyTLB", "TraceData", "lazytlb", "TestSupport"]),
        .testTarget(
            name: "ChecksTests", dependencies: ["Checks", "Report", "TestSupport", "lazytlb", "calibrate"], exclude: ["junit.xsd"]),
        .testTarget(name: "RecordingTests", dependencies: ["Recording", "TraceWriting", "TraceData", "Reconstruction", "AccuracyKit", "TestSupport", "lazytlb", "storm"]),
        .testTarget(name: "CommandTests", dependencies: ["lazytlb", "Report", "TraceSynth", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// The program without shared libraries, where there are static ones of all that it links to (tools/common.bash looks): it starts in three quarters of the time, and runs
// on machines that have none of them, such as the guest that is recorded. It is linked to a fixed address: relocations would write to 130 pages at each start.
if Context.environment["LAZYTLB_STATIC"] != nil, let program = package.targets.first(where: { $0.name == "lazytlb" }) {
    program.linkerSettings = [.unsafeFlags(["-use-ld=lld", "-Xclang-linker", "-static"], .when(configuration: .release))]
}

// Fuzz targets, for tools/fuzz alone: no other build sees them.
if Context.environment["LAZYTLB_FUZZ"] != nil {
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "tools/fuzz.d/CLibFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["TraceData", "TraceForms", "LazyTLB", "Reconstruction", "Replay", "Report", "Checks", "TraceSynth", "TraceWriting", "TestSupport", "CLibFuzzer"],
            path: "tools/fuzz.d/Fuzz"),
    ]
}

// The stages are modules, and their hot loops are generic over the stage that they feed: without specialisation across modules the
// replay takes five times as long. Exclusivity is checked in debug builds, which the tests run.
for target in package.targets where target.type == .regular || target.type == .executable {
    var flags = ["-cross-module-optimization", "-enforce-exclusivity=unchecked"]
    // Only what is short is inlined elsewhere by default. The replay takes the schemes' transitions in, which are not.
    if target.name == "LazyTLB" { flags += ["-Xllvm", "-cmo-function-size-limit=10000"] }
    target.swiftSettings = [.unsafeFlags(flags, .when(configuration: .release))]
}
