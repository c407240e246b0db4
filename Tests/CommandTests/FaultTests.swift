import Foundation
import Report
import TestSupport
import Testing
import TraceSynth

/// docs/faults.md: what a trace has wrong is said in the report on it.
@Suite struct FaultTests {
    /// A synthetic recording of version 6 with four CPUs, changed by `change`, which gets the place of the table of CPUs, too.
    private func changed<R>(_ mix: Mix, _ change: (inout Data, Int) throws -> Void, _ body: (String) throws -> R) throws -> R {
        try withTemporaryPath { path in
            var options = SynthOptions()
            (options.cpus, options.events, options.tasks, options.mix) = (4, 20_000, 16, mix)
            _ = try synthesize(options, to: path)
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            let word = try #require(data.range(of: Data("flyrecord\0".utf8)))
            try change(&data, word.upperBound)
            try data.write(to: URL(fileURLWithPath: path))
            return try body(path)
        }
    }

    /// The report on such a recording.
    private func report(_ mix: Mix = .half, _ change: (inout Data, Int) throws -> Void) throws -> (document: ReportDocument, text: String) {
        try changed(mix, change) { path in
            let json = try Program.lazytlb("report", "--format", "json", path)
            #expect(json.status == 0, "\(json.errors)")
            return (try #require(try readReports(json: json.output).first), try Program.lazytlb("report", path).text)
        }
    }

    private func number(_ data: Data, _ place: Int) -> UInt64 {
        data.subdata(in: place..<place + 8).withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    private func put(_ number: UInt64, _ place: Int, _ data: inout Data) {
        data.replaceSubrange(place..<place + 8, with: withUnsafeBytes(of: number.littleEndian) { Data($0) })
    }

    @Test func aCPUWithoutDataIsNamed() throws {
        let (document, text) = try report { data, table in put(0, table + 16 * 2 + 8, &data) }
        #expect(document.evidence.notes.contains { $0.hasPrefix("CPU 2 has no data") })
        #expect(text.contains("CPU 2 has no data"))
        // Nothing is claimed of it.
        #expect(document.evidence.unknownTimeNS >= document.trace.durationNS)
        let whole = try report { _, _ in }
        #expect(!whole.text.contains("no data"))
        #expect(whole.document.trace.events > document.trace.events)
    }

    @Test func aClockThatIsOffIsMeasuredAndCorrected() throws {
        let good = try report { _, _ in }
        #expect(good.document.trace.clockSkew == nil)
        let (document, text) = try report { data, table in
            let (start, size) = (number(data, table + 16), number(data, table + 24))
            for page in stride(from: Int(start), to: Int(start + size), by: 4096) { put(number(data, page) + 3_000_000, page, &data) }
        }
        let skew = try #require(document.trace.clockSkew)
        #expect(skew.corrected.map(\.cpu) == [1])
        #expect(skew.inversionsLeft * 10 <= skew.inversions)
        let found = try #require(skew.corrected.first)
        #expect(abs(found.aheadNS - 3_000_000) < 100_000, "\(found)")
        #expect(text.contains("CPU 1 is ahead of the others by 3.0"))
        // The synthetic machine's IPIs take less time than a clock can be told from them.
        let targets = try #require(document.schemes["v4.13"]).ipiTargets
        let expected = try #require(good.document.schemes["v4.13"]).ipiTargets
        #expect(abs(targets - expected) * 100 < expected)
    }

    /// By more and more: no constant brings it into order.
    @Test func aClockThatDriftsIsSaidToDiffer() throws {
        func drift(_ data: inout Data, _ table: Int) {
            let (start, size) = (number(data, table + 16), number(data, table + 24))
            for (count, page) in stride(from: Int(start), to: Int(start + size), by: 4096).enumerated() { put(number(data, page) + 300_000 * UInt64(count), page, &data) }
        }
        let (document, text) = try report(.half, drift)
        let skew = try #require(document.trace.clockSkew)
        #expect(skew.inversions > 0)
        #expect(skew.inversionsLeft > 0)
        #expect(document.evidence.notes.contains { $0.hasPrefix("The CPUs' clocks differ, by ") })
        #expect(text.contains("The CPUs' clocks differ, by "))
        // A timeline says it on standard error.
        try changed(.half, drift) { path in
            let outcome = try Program.lazytlb("timeline", path)
            #expect(outcome.status == 0)
            #expect(outcome.errors.contains("the CPUs' clocks differ"), "\(outcome.errors)")
            #expect(outcome.errors.contains("what hangs on their order may be wrong"), "\(outcome.errors)")
        }
    }

    private struct Row: Decodable, Equatable {
        var cpu: Int
        var start_ns: Int
        var pid: Int?
        var mm: String?
        var loaded_mm: String

        func hasContent(of other: Row) -> Bool { (cpu, pid, mm, loaded_mm) == (other.cpu, other.pid, other.mm, other.loaded_mm) }
    }

    /// The clock of CPU 1 is set forward: its rows are where they are in a timeline whose clocks are right.
    @Test(arguments: ["v4.12", nil]) func aTimelineCorrectsClocksThatDiffer(_ scheme: String?) throws {
        func shift(_ data: inout Data, _ table: Int, _ time: UInt64) {
            let (start, size) = (number(data, table + 16), number(data, table + 24))
            for page in stride(from: Int(start), to: Int(start + size), by: 4096) { put(number(data, page) + time, page, &data) }
        }
        func rows(_ time: UInt64) throws -> (rows: [Row], errors: String) {
            try changed(.half, { data, table in shift(&data, table, time) }) { path in
                let outcome = try Program.run(Program.lazytlb, with: ["timeline", "--format", "json", path] + (scheme.map { ["--scheme", $0] } ?? []))
                #expect(outcome.status == 0)
                let rows = try outcome.output.split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Row.self, from: Data($0)) }
                return (rows.filter { $0.cpu == 1 }, outcome.errors)
            }
        }
        let (right, corrected) = (try rows(0), try rows(3_000_000))
        #expect(right.errors.isEmpty)
        #expect(corrected.errors.contains("the CPUs' clocks differ; that of CPU 1 is corrected"), "\(corrected.errors)")
        let pairs = Array(zip(right.rows, corrected.rows))
        #expect(abs(right.rows.count - corrected.rows.count) * 100 <= right.rows.count)
        // What is behind a row that one of them has more is no longer side by side: the first ones are compared.
        let same = pairs.prefix(200).filter { $0.hasContent(of: $1) && abs($0.start_ns - $1.start_ns) < 100_000 }
        #expect(same.count >= 190, "\(same.count) of 200")
    }

    /// The counter clock: an order, and no time.
    @Test func aCounterIsNotShownAsTime() throws {
        try changed(.half, { data, table in
            // Behind the table of CPUs: the size of trace_clock's content, the content, and what is free up to the first sub-buffer.
            let place = table + 4 * 16
            try #require(number(data, place) == 7 && number(data, table) >= UInt64(place + 8 + 10))
            put(10, place, &data)
            data.replaceSubrange(place + 8..<place + 18, with: Data("[counter]\0".utf8))
        }) { path in
            let text = try Program.lazytlb("report", path).text
            #expect(text.contains("clock counter"))
            #expect(text.contains("counts something else than time"))
            #expect(text.contains(" ticks"))
            #expect(!text.contains(" ms") && !text.contains("µs") && !text.contains(" ns"))
            let document = try #require(try readReports(json: try Program.lazytlb("report", "--format", "json", path).output).first)
            #expect(document.trace.timeUnit == .count)
            #expect(try Program.lazytlb("timeline", "--from", "1.5", path).status == 2)
        }
    }

    /// Version 7 names the CPUs that have data: their numbers may have holes, as where CPUs were offline from the start.
    @Test func numbersOfCPUsMayHaveHoles() throws {
        func synthetic(_ change: (inout Data) throws -> Void) throws -> (document: ReportDocument, text: String) {
            try withTemporaryPath { path in
                var options = SynthOptions()
                (options.cpus, options.events, options.tasks, options.version) = (4, 20_000, 16, .v7)
                _ = try synthesize(options, to: path)
                var data = try Data(contentsOf: URL(fileURLWithPath: path))
                try change(&data)
                try data.write(to: URL(fileURLWithPath: path))
                let json = try Program.lazytlb("report", "--format", "json", path)
                #expect(json.status == 0, "\(json.errors)")
                return (try #require(try readReports(json: json.output).first), try Program.lazytlb("report", path).text)
            }
        }
        let good = try synthetic { _ in }
        var (document, text) = try synthetic { data in
            // The table's last entry: number, offset and size of CPU 3's data.
            let entry = try #require((0..<data.count - 20).last { place in
                data[place..<place + 4].elementsEqual([3, 0, 0, 0]) && number(data, place + 4) + number(data, place + 12) <= UInt64(data.count) && number(data, place + 4) > 64
                    && number(data, place + 12) > 1000 && data[place - 20..<place - 16].elementsEqual([2, 0, 0, 0])
            })
            data[entry] = 200
        }
        // The same history on CPUs of other numbers. What the others did is unknown.
        for (id, scheme) in good.document.schemes {
            let (found, expected) = (try #require(document.schemes[id]?.cpuTime), try #require(scheme.cpuTime))
            #expect(found.unknownNS == expected.unknownNS + 197 * document.trace.durationNS)
            document.schemes[id]!.cpuTime!.unknownNS = expected.unknownNS
        }
        #expect(document.schemes == good.document.schemes)
        #expect(document.recorded == good.document.recorded)
        #expect(document.trace.events == good.document.trace.events)
        #expect(document.evidence.notes.contains { $0.hasPrefix("CPUs 3-199 have no data") }, "\(document.evidence.notes)")
        #expect(text.contains("200"))
    }

    static let cycles = Recordings.shared("v4.12-threads-4cpu-plain-rec-x86tsc.dat")

    @Test(.enabled(if: cycles != nil, "needs the larger set of recordings"))
    func cyclesAreNotShownAsTime() throws {
        let path = try #require(Self.cycles)
        let report = try Program.lazytlb("report", path).text
        #expect(report.contains("counts something else than time"))
        #expect(!report.contains(" ms") && !report.contains("µs") && !report.contains(" ns"))
        let timeline = try Program.lazytlb("timeline", path).text
        #expect(!timeline.contains(" ms") && !timeline.contains("µs"))
        #expect(try Program.lazytlb("timeline", "--from", "16.5", path).status == 2)
        let late = try Program.lazytlb("timeline", "--format", "csv", "--from", "230000000000", path)
        #expect(late.status == 0)
        let starts = late.text.split(separator: "\n").dropFirst().compactMap { Int($0.split(separator: ",", omittingEmptySubsequences: false)[1]) }
        #expect(!starts.isEmpty)
        #expect(starts.allSatisfy { $0 >= 230_000_000_000 })
    }
}
