import Foundation
import TestSupport
import Testing
import TraceData
import TraceSynth
import TraceWriting

/// The files themselves: what they hold, and whether others can read them.
struct FileTests {
    static func options(_ mix: Mix = .forks, cpus: Int = 4, events: Int = 5000, seed: UInt64 = 9, version: TraceFileVersion = .v6) -> SynthOptions {
        var options = SynthOptions()
        (options.mix, options.cpus, options.events, options.seed, options.version) = (mix, cpus, events, seed, version)
        return options
    }

    @Test(arguments: TraceFileVersion.allCases) func `the same options give the same file`(version: TraceFileVersion) throws {
        let files = try (0..<2).map { _ in try synthesized(Self.options(version: version)) { try Data(contentsOf: URL(fileURLWithPath: $1)) } }
        #expect(files[0] == files[1])
        let other = try synthesized(Self.options(seed: 10, version: version)) { try Data(contentsOf: URL(fileURLWithPath: $1)) }
        #expect(files[0] != other)
    }

    @Test func `both versions hold the same records`() throws {
        let lines = try TraceFileVersion.allCases.map { version in
            try synthesized(Self.options(version: version)) { try Program.lazytlb("events", $1).output }
        }
        #expect(lines[0] == lines[1])
        #expect(lines[0].filter { $0 == UInt8(ascii: "\n") }.count >= 5000)
    }

    @Test func `times never go back, and a long silence is one`() throws {
        try synthesized(Self.options()) { truth, path in
            let file = try TraceFile(path: path)
            for stream in file.streams() {
                var record = Record.none
                var last: UInt64 = 0
                while try stream.next(&record) {
                    #expect(record.time > last)
                    last = record.time
                }
            }
            // The delta of a record has 27 bits.
            #expect(truth.duration > 1 << 27)
        }
    }

    static let read = Mix.allCases.map { options($0) } + [options(cpus: 128, version: .v7), options(cpus: 512, version: .v7), options(cpus: 512)]

    @Test(.enabled(if: Program.hasTraceCmd, "needs trace-cmd"), arguments: read.indices)
    func `trace-cmd reads as many records of each event, and does not complain`(index: Int) throws {
        try synthesized(Self.read[index]) { truth, path in
            let valid = try Program.run("/usr/bin/env", "trace-cmd", "dump", "--validate", "-i", path)
            #expect(valid.status == 0 && valid.text.contains("is a valid trace-cmd file"), "\(valid.text)\(valid.errors)")
            let report = try Program.run("/usr/bin/env", "trace-cmd", "report", "-R", "-t", path)
            #expect(report.status == 0 && report.errors.isEmpty, "\(report.errors)")
            var counts: [String: Int] = [:]
            for line in report.text.split(separator: "\n").dropFirst() {
                let event = line.split(separator: " ", omittingEmptySubsequences: true).drop { !$0.hasSuffix(":") }.dropFirst().first
                counts[String(event?.dropLast() ?? "?"), default: 0] += 1
            }
            #expect(counts == truth.records.filter { $0.value > 0 })
        }
    }
}
