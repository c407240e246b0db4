import Foundation
import TestSupport
import Testing
import TraceSynth

/// A task names itself with prctl(PR_SET_NAME): a comm holds any bytes. None of them may do anything to who reads the output.
struct HostileNameTests {
    /// Names that the recording has, and what stands in their place: escape sequences in ASCII, C1 and UTF-8, what is no UTF-8, a bidirectional override, quotes, markup,
    /// separators, a newline.
    private static let names: [(name: String, bytes: [UInt8])] = [
        ("kworker/1:1", [0x1b, 0x5d, 0x30, 0x3b, 0x9b, 0xff, 0x22, 0x3c, 0x26, 0x2c, 0x0a]),
        ("ksoftirqd/0", [0xe2, 0x80, 0xae, 0x60, 0x7c, 0x3d, 0xc2, 0x9b, 0x7f, 0x5c, 0x23]),
    ]

    private static func withHostileTrace<R>(_ body: (String) throws -> R) throws -> R {
        try withTemporaryPath { path in
            var options = SynthOptions()
            (options.cpus, options.events, options.tasks) = (2, 3000, 8)
            _ = try synthesize(options, to: path)
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            for (name, bytes) in names {
                // The saved command lines are lines: a name in them that has a newline ends there.
                let field = Data(name.utf8) + [0]
                var found = 0
                while let place = data.range(of: field, in: found..<data.count) {
                    data.replaceSubrange(place, with: bytes + [0])
                    found = place.upperBound
                }
                #expect(found > 0, "the recording has no \(name)")
            }
            try data.write(to: URL(fileURLWithPath: path))
            return try body(path)
        }
    }

    static let commands = [
        ["report"], ["report", "--divergences", "all"], ["report", "--format", "json"], ["report", "--format", "html", "--divergences", "all"], ["timeline"], ["timeline", "--format", "csv"],
        ["timeline", "--format", "json"], ["timeline", "--format", "perfetto"], ["timeline", "--format", "svg"], ["events"], ["events", "--format", "json"], ["info"], ["info", "--format", "json"],
    ]

    @Test(arguments: commands) func `no output has a character that a terminal acts on`(command: [String]) throws {
        try Self.withHostileTrace { path in
            let outcome = try Program.run(Program.lazytlb, with: command + [path])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let text = try #require(String(validating: outcome.output, as: UTF8.self), "not UTF-8")
            #expect(harmful(text).isEmpty)
        }
    }

    @Test(arguments: ["baseline", "diff FIXTURE", "diff --format json FIXTURE"] + ["text", "json", "junit", "github", "markdown", "ktap"].map { "check --conform --format \($0)" })
    func `nor has what is made for CI`(command: String) throws {
        try Self.withHostileTrace { path in
            let words = command.split(separator: " ").map { $0 == "FIXTURE" ? Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat") : String($0) }
            let outcome = try Program.run(Program.lazytlb, with: words + [path])
            #expect(outcome.status != 2, "\(outcome.errors)")
            let text = try #require(String(validating: outcome.output, as: UTF8.self), "not UTF-8")
            #expect(!text.isEmpty)
            #expect(harmful(text).isEmpty)
        }
    }

    @Test func `a row of CSV has its columns, and gives the name`() throws {
        try Self.withHostileTrace { path in
            let rows = try Program.lazytlb("timeline", "--format", "csv", path).text.split(separator: "\n")
            // No separator and no line break of a name ends a column or a row: RFC 4180, read with quotes.
            let columns = rows.map { row in row.reduce(into: (count: 1, quoted: false)) { if $1 == "\"" { $0.quoted.toggle() } else if $1 == ",", !$0.quoted { $0.count += 1 } } }
            #expect(columns.allSatisfy { $0.count == 10 && !$0.quoted })
            #expect(rows.contains { $0.contains(#""\x1B]0;\x9B\xFF""<&,\n""#) })
        }
    }

    @Test(arguments: ["events", "timeline"]) func `JSON gives the name, with each byte that is no UTF-8`(command: String) throws {
        try Self.withHostileTrace { path in
            let lines = try Program.lazytlb(command, "--format", "json", path).text.split(separator: "\n")
            let comms = try lines.compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }.compactMap { $0["comm"] as? String }
            #expect(comms.contains("\u{1b}]0;\\x9B\\xFF\"<&,\n"))
            #expect(comms.contains("\u{202e}`|=\u{9b}\u{7f}\\#"))
        }
    }

    @Test func `an error names a hostile path without acting it out`() throws {
        let outcome = try Program.lazytlb("report", "/none/\u{1b}[2J\n\u{9b}x.dat")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(#"/none/\x1B[2J\n\x9Bx.dat"#))
        #expect(harmful(outcome.errors).isEmpty)
    }

    /// `info` and the error of `report` name the buffers in which there is more.
    @Test(arguments: [["info"], ["info", "--format", "json"], ["report"]]) func `the name of another buffer does nothing either`(command: [String]) throws {
        var trace = WrittenTrace(cpus: 2)
        for cpu in 0..<2 { trace.run(cpu, 1000, 0, 7) }
        // The second CPU's data is another buffer's, whose table lies in front of the first one's data.
        let table = trace.data.count - 2 * 4096 - 64
        let name = Array("\u{1b}[31mEVIL\u{1b}]0;t\u{07}\0".utf8)
        trace.options = WrittenTrace.le(UInt16(3)) + WrittenTrace.le(UInt32(8 + name.count)) + WrittenTrace.le(UInt64(table)) + name
        var data = trace.data
        let second = try #require(data.range(of: Data("flyrecord\0".utf8))).upperBound + 16
        let word = Data("flyrecord\0".utf8) + Data(count: 16)
        data.replaceSubrange(table..<table + word.count + 16, with: word + data[second..<second + 16])
        data.replaceSubrange(second..<second + 16, with: Data(count: 16))
        try withTemporaryFile(data) { path in
            let outcome = try Program.run(Program.lazytlb, with: command + [path])
            #expect((outcome.text + outcome.errors).contains("EVIL"))
            #expect(harmful(outcome.text + outcome.errors).isEmpty)
        }
    }
}
