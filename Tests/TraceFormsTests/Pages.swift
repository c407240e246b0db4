import Foundation
import TestSupport

@testable import TraceData
@testable import TraceForms

/// Gives a folder to `body`, and removes it.
func withTemporaryFolder<R>(_ body: (URL) throws -> R) throws -> R {
    let folder = URL(fileURLWithPath: NSTemporaryDirectory() + "lazytlb-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}

/// Takes a trace.dat file apart: what tracefs would have given of the same recording, in a folder.
func withPages<R>(of trace: String, _ body: (String, String) throws -> R) throws -> R {
    try withTemporaryFolder { folder in
        func write(_ name: String, _ bytes: some Sequence<UInt8>) throws {
            let file = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }
        let mapped = try MappedFile(path: trace)
        let container = try Container(mapped, keepGoing: false)
        let file = try TraceFile(path: trace)
        try withExtendedLifetime((container, mapped)) {
            for format in container.formats {
                let name = FormatText.name(in: format.text) ?? "none"
                try write("events/\(format.system)/\(name)/format", format.text)
            }
        }
        try write("events/header_page", TextFormat.headerPage(longSize: file.longSize, size: file.pageSize))
        try write("events/header_event", TextFormat.headerEvent)
        try write("trace_clock", "local [\(file.clock.name)] other\n".utf8)
        try write("saved_cmdlines", file.commands.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)\n" }.joined().utf8)
        let release = file.kernelRelease ?? "6.1.0"
        try write("version", "Linux version \(release) (someone@somewhere) #1 SMP\n".utf8)
        for cpu in 0..<file.cpuCount {
            var pages = file.subbuffers(cpu: cpu)
            var bytes: [UInt8] = []
            while let page = try pages.next() { bytes += page }
            try write("per_cpu/cpu\(cpu)/trace_pipe_raw", bytes)
            try write("per_cpu/cpu\(cpu)/stats", "entries: 0\noverrun: 7\ncommit overrun: 0\ndropped events: 0\nread events: 0\n".utf8)
        }
        return try body(folder.path, release)
    }
}
