import Foundation
import Testing

/// The folder of the package.
let packageFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// What a run of the built program gave.
struct Outcome {
    var status: Int32
    var output: Data
    var errors: String
}

/// Runs the built program in the package's folder.
func lazytlb(_ arguments: [String]) throws -> Outcome {
    let process = Process()
    process.executableURL = try builtProgram()
    process.currentDirectoryURL = packageFolder
    process.arguments = arguments
    let output = Pipe()
    // A file: nobody reads a second pipe while the first one is read.
    let errors = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-test-\(UUID().uuidString)")
    _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
    defer { try? FileManager.default.removeItem(at: errors) }
    process.standardOutput = output
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Outcome(
        status: process.terminationStatus, output: data, errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
}

/// The program lies beside the tests that are running.
private func builtProgram() throws -> URL {
    var folder = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    while folder.path != "/" {
        folder.deleteLastPathComponent()
        let program = folder.appendingPathComponent("lazytlb")
        if FileManager.default.isExecutableFile(atPath: program.path) { return program }
    }
    return try #require(nil, "lazytlb was not built beside the tests")
}
