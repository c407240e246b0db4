import Foundation
import Testing

@testable import Report

struct TemporaryFileTests {
    /// What a signal handler does, on file systems where a new file needs a name.
    @Test func `files under a temporary name are removed, others are not`() throws {
        try withTemporaryFolder { folder in
            let paths = (0..<3).map { folder.appendingPathComponent("\($0)").path }
            for path in paths {
                try "half".write(toFile: path, atomically: false, encoding: .utf8)
                TemporaryFiles.add(path)
            }
            TemporaryFiles.forget(paths[1])
            TemporaryFiles.removeAll()
            defer { for path in paths { TemporaryFiles.forget(path) } }
            #expect(paths.map { FileManager.default.fileExists(atPath: $0) } == [false, true, false])
        }
    }
}
