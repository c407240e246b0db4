import Foundation

/// Recordings to test with: those of fixtures/, and a larger set where there is one.
public enum Recordings {
    public static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// In the repository: always there.
    public static let fixtures = list(package.appendingPathComponent("fixtures"))

    /// The larger set: $LAZYTLB_TRACES, else shared/traces beside the package. Empty if there is none.
    public static let shared: [String] = {
        let folder = ProcessInfo.processInfo.environment["LAZYTLB_TRACES"].map { URL(fileURLWithPath: $0) }
            ?? package.deletingLastPathComponent().appendingPathComponent("shared/traces")
        return list(folder)
    }()

    /// Whether to take the time for all of them: in release builds, or with LAZYTLB_ALL_TRACES set.
    public static let takesAll: Bool = {
        #if DEBUG
            return ProcessInfo.processInfo.environment["LAZYTLB_ALL_TRACES"] != nil
        #else
            return true
        #endif
    }()

    /// The large set, or the smallest part of it that has every kind of file.
    public static let chosen: [String] = {
        guard !takesAll else { return shared.isEmpty ? fixtures : shared }
        let names = [
            "v4.12-threads-4cpu-plain-rec-v6.dat", "v4.12-threads-4cpu-plain-rec-v7none.dat", "v4.12-threads-4cpu-plain-rec-twobuf.dat",
            "v4.12-threads-4cpu-plain-rec-x86tsc.dat", "v4.12-threads-4cpu-plain-rec-counter.dat",
            "v4.12-threads-4cpu-plain-rec-stack.dat", "v4.12-threads-4cpu-plain-lost.dat", "v4.12i386-threads-4cpu-plain-rec-v6.dat",
            "s390x6.1-forkexec-2cpu-plain.dat", "debian6.1-reclaim-4cpu-truth.dat",
        ]
        return fixtures + shared.filter { names.contains(($0 as NSString).lastPathComponent) }
    }()

    public static func fixture(_ name: String) -> String { package.appendingPathComponent("fixtures/\(name)").path }

    /// One of the large set; a test that needs it is skipped without it.
    public static func shared(_ name: String) -> String? { shared.first { ($0 as NSString).lastPathComponent == name } }

    private static func list(_ folder: URL) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".dat") }.sorted()
            .map { folder.appendingPathComponent($0).path }
    }
}

/// Writes a file, gives its path to `body`, and removes it.
public func withTemporaryFile<R>(_ bytes: Data, _ body: (String) throws -> R) throws -> R {
    try withTemporaryPath {
        try bytes.write(to: URL(fileURLWithPath: $0))
        return try body($0)
    }
}

/// Gives the path of a file that is not there yet to `body`, and removes it.
public func withTemporaryPath<R>(_ body: (String) throws -> R) throws -> R {
    let path = NSTemporaryDirectory() + "lazytlb-test-\(UUID().uuidString).dat"
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}
