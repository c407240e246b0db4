import Foundation
import Testing

/// Where this package lies.
let packageFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Compares a text with Tests/ReportTests/Golden/NAME; with LAZYTLB_UPDATE_GOLDENS=1 (tools/update-goldens) writes it there.
func expectGolden(_ text: String, _ name: String) throws {
    let golden = packageFolder.appendingPathComponent("Tests/ReportTests/Golden/\(name)")
    if ProcessInfo.processInfo.environment["LAZYTLB_UPDATE_GOLDENS"] == "1" {
        try text.write(to: golden, atomically: true, encoding: .utf8)
        return
    }
    let expected = try String(contentsOf: golden, encoding: .utf8)
    guard text != expected else { return }
    let got = text.split(separator: "\n", omittingEmptySubsequences: false)
    let wanted = expected.split(separator: "\n", omittingEmptySubsequences: false)
    let line = zip(got, wanted).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(got.count, wanted.count)
    Issue.record(
        """
        \(name) differs at line \(line + 1) (tools/update-goldens if it should)
        expected: \(line < wanted.count ? wanted[line] : "(end)")
        got:      \(line < got.count ? got[line] : "(end)")
        """)
}

/// A folder that is removed after the test.
func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}

/// Runs a program to its end and gives its exit status and standard output.
func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}
