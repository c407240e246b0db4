import AccuracyKit
import Foundation
import Synchronization
import Testing
import TraceData

/// Recordings to test with: those of fixtures/, and of a larger set where there is one.
enum Recordings {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Those of the repository that have probe events.
    static let fixtures: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder(of: "fixtures"))) ?? [])
        .filter { $0.hasSuffix(".dat") && $0.contains("-truth") }.sorted().map(fixture)

    /// All of the repository that can be read as they are.
    static let all: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder(of: "fixtures"))) ?? [])
        .filter { $0.hasSuffix(".dat") }.sorted().map(fixture)

    static func fixture(_ name: String) -> String { "\(folder(of: "fixtures"))/\(name)" }

    /// $LAZYTLB_TRACES, else shared/traces beside the package.
    private static let large =
        ProcessInfo.processInfo.environment["LAZYTLB_TRACES"]
        ?? package.deletingLastPathComponent().appendingPathComponent("shared/traces").path

    /// Of the larger set, the smallest with each of the hard cases: forks, vforks and execs on a machine whose idle CPUs leave their mm;
    /// tasks that were running before; a kernel of the lazier generation; little memory there.
    static let larger = [
        "v4.12-forkexec-2cpu-truth-c3idle.dat", "v4.12-pingpong-2cpu-truth-c3idle.dat", "debian6.1-reclaim-4cpu-truth.dat",
        "debian6.1-pingpong-4cpu-truth.dat", "v4.12-attach-4cpu-truth.dat",
    ].map { "\(large)/\($0)" }

    static let hasLarger = larger.allSatisfy { FileManager.default.fileExists(atPath: $0) }

    /// All of the larger set that have probe events.
    static let allLarger: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: large)) ?? [])
        .filter { $0.hasSuffix(".dat") && $0.contains("-truth") }.sorted().map { "\(large)/\($0)" }

    private static func folder(of name: String) -> String { package.appendingPathComponent(name).path }

    private static let truths = Mutex<[String: Truth]>([:])

    /// What the probe events of a recording say, read once.
    static func truth(_ path: String) throws -> Truth {
        if let known = truths.withLock({ $0[path] }) { return known }
        let truth = try #require(try Truth(try TraceFile(path: path)))
        truths.withLock { $0[path] = truth }
        return truth
    }
}
