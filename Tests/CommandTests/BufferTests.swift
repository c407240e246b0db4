import Foundation
import Report
import TestSupport
import Testing

/// Several buffers in a trace.dat file, and what the kernel counted of each.
@Suite struct BufferTests {
    private static func option(_ id: UInt16, _ data: [UInt8]) -> [UInt8] { WrittenTrace.le(id) + WrittenTrace.le(UInt32(data.count)) + data }

    private static func stats(_ dropped: Int) -> [UInt8] { option(2, Array("CPU: 0\nentries: 0\noverrun: \(100 + dropped)\ncommit overrun: 0\ndropped events: \(dropped)\n\0".utf8)) }

    /// The line that trace-cmd puts before what it writes of an instance (add_buffer_stat(), tracecmd/trace-record.c).
    private static func heading(_ name: String) -> [UInt8] { option(2, Array("\nBuffer: \(name)\n\n\0".utf8)) }

    /// A file of version 6 with the top buffer and the instance lab. Both have the same records, or the top one has none.
    private func open<R>(_ statistics: [UInt8], isTopEmpty: Bool = false, _ body: (String) throws -> R) throws -> R {
        var trace = WrittenTrace(cpus: 1)
        for index in 0..<100 {
            let (gone, next): (Int32, Int32) = index % 2 == 0 ? (8, 7) : (7, 8)
            trace.run(0, UInt64(1_000_000 + 2000 * index), gone, next)
            trace.flush(0, UInt64(1_000_100 + 2000 * index), gone, 0, -1)
            trace.flush(0, UInt64(1_000_200 + 2000 * index), next, 3, 1)
        }
        func options(_ place: Int) -> [UInt8] { Self.option(3, WrittenTrace.le(UInt64(place)) + Array("lab\0".utf8)) + statistics }
        trace.options = options(0)
        trace.options = options(trace.data.count)
        var data = trace.data
        let word = Data("flyrecord\0".utf8)
        let table = try #require(data.range(of: word)).upperBound
        let head = word + data[table..<table + 16]
        if isTopEmpty { data.replaceSubrange(table..<table + 16, with: Data(repeating: 0, count: 16)) }
        return try withTemporaryFile(data + head, body)
    }

    /// Lost records, gaps, and notes of what a buffer dropped.
    private func lost(_ arguments: String...) throws -> [Int] {
        let outcome = try Program.run(Program.lazytlb, with: ["report", "--format", "json"] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try #require(try readReports(json: outcome.output).first)
        return [report.trace.lostEvents, report.trace.lostGaps, report.evidence.notes.count { $0.contains("took no more when it was full") }]
    }

    /// What `info` shows of CPU 0: overrun and dropped.
    private func counts(_ arguments: String...) throws -> [String] {
        let lines = try Program.run(Program.lazytlb, with: ["info"] + arguments).text.split(separator: "\n")
        let heading = try #require(lines.firstIndex { $0.hasPrefix("  CPU ") })
        return lines[heading + 1].split(separator: " ").suffix(2).map(String.init)
    }

    /// The top buffer's counts have no heading and come first.
    @Test(arguments: [(0, 9), (9, 0)]) func whatTheKernelCountedIsOfTheBufferThatItIsToldOf(top: Int, lab: Int) throws {
        try open(Self.stats(top) + Self.heading("lab") + Self.stats(lab)) { (path: String) throws in
            #expect(try lost(path) == (top > 0 ? [top, 1, 1] : [0, 0, 0]))
            #expect(try lost(path, "--buffer", "lab") == (lab > 0 ? [lab, 1, 1] : [0, 0, 0]))
            #expect(try counts(path) == ["\(100 + top)", "\(top)"])
            #expect(try counts(path, "--buffer", "lab") == ["\(100 + lab)", "\(lab)"])
            let refused = try Program.lazytlb("baseline", "--output", "/dev/null", "--buffer", "lab", path)
            #expect((refused.status == 0) == (lab == 0), "\(refused.errors)")
        }
    }

    /// trace-cmd record -B lab, without events in the top buffer, writes no counts of that.
    @Test func nothingIsCountedOfABufferThatNoHeadingNames() throws {
        try open(Self.heading("lab") + Self.stats(9)) { (path: String) throws in
            #expect(try lost(path) == [0, 0, 0])
            #expect(try counts(path) == ["-", "-"])
            #expect(try lost(path, "--buffer", "lab") == [9, 1, 1])
        }
    }

    @Test func countsWithoutAHeadingAreOfTheOnlyBufferThatHasRecords() throws {
        try open(Self.stats(9), isTopEmpty: true) { (path: String) throws in
            #expect(try lost(path, "--buffer", "lab") == [9, 1, 1])
        }
        // Of the top one, where both have some.
        try open(Self.stats(9)) { (path: String) throws in
            #expect(try lost(path) == [9, 1, 1])
            #expect(try lost(path, "--buffer", "lab") == [0, 0, 0])
            #expect(try counts(path, "--buffer", "lab") == ["-", "-"])
        }
    }
}
