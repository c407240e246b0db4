import Foundation

/// Runs programs, above all the one that was built beside the tests.
public enum Program {
    public struct Result: Sendable {
        public var status: Int32
        public var output: Data
        public var errors: String
        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// The built lazytlb.
    public static let lazytlb = built("lazytlb")

    /// A program that was built beside the tests.
    public static func built(_ name: String) -> String {
        var folder = URL(fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/")
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let program = folder.appendingPathComponent(name).path
            if FileManager.default.isExecutableFile(atPath: program) { return program }
        }
        return "\(name) was not built beside the tests"
    }

    /// Whether trace-cmd is there to compare with.
    public static let hasTraceCmd = (try? run("/bin/sh", "-c", "command -v trace-cmd").status) == 0

    /// Runs lazytlb with the given arguments.
    public static func lazytlb(_ arguments: String...) throws -> Result { try run(lazytlb, with: arguments) }

    public static func run(_ program: String, _ arguments: String...) throws -> Result { try run(program, with: arguments) }

    /// - Parameter folder: the folder in which it runs; nil for that of the tests.
    public static func run(_ program: String, with arguments: [String], in folder: URL? = nil) throws -> Result {
        let process = Process()
        if let folder { process.currentDirectoryURL = folder }
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let output = Pipe()
        // Into a file: nobody reads it while the output is read.
        let errors = URL(fileURLWithPath: NSTemporaryDirectory() + "lazytlb-test-\(UUID().uuidString).err")
        _ = FileManager.default.createFile(atPath: errors.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: errors) }
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: data,
            errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }
}
