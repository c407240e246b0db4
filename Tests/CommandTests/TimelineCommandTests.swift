import Foundation
import TestSupport
import Testing

/// `lazytlb timeline` on its way through arguments.
@Suite struct TimelineCommandTests {
    private let trace = "fixtures/v4.12-threads-2cpu-truth-c3idle.dat"

    /// A row: cpu, start and end in ns, and the rest of its columns.
    private struct Row: Equatable {
        var cpu: Int
        var start: UInt64
        var end: UInt64
        var rest: [Substring]
    }

    private func rows(_ options: [String] = []) throws -> [Row] {
        let outcome = try lazytlb(["timeline", trace, "--format", "csv"] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        // No name in this recording needs quotes.
        return try String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            try #require(fields.count == 10)
            return Row(cpu: try #require(Int(fields[0])), start: try #require(UInt64(fields[1])), end: try #require(UInt64(fields[2])), rest: Array(fields[3...]))
        }
    }

    @Test func onlyTheCPUsThatAreNamedAreShown() throws {
        let all = try rows()
        #expect(Set(all.map(\.cpu)) == [0, 1])
        #expect(try rows(["--cpu", "1"]) == all.filter { $0.cpu == 1 })
        #expect(try rows(["--cpu", "0-1"]) == all)
        #expect(try rows(["--cpu", "0", "--cpu", "1"]) == all)
    }

    @Test func timesClipTheRowsAndLoseNone() throws {
        let (from, to): (UInt64, UInt64) = (14_000_000_000, 14_500_000_000)
        let clipped = try rows(["--from", "14", "--to", "14.5"])
        let expected = try rows().filter { $0.end > from && $0.start < to }.map { row in
            Row(cpu: row.cpu, start: max(row.start, from), end: min(row.end, to), rest: row.rest)
        }
        #expect(clipped == expected)
        for cpu in 0...1 {
            let own = clipped.filter { $0.cpu == cpu }
            #expect(own.first?.start == from)
            #expect(own.last?.end == to)
        }
    }

    @Test(arguments: ["v4.12", "v4.13-parent", "v4.13"])
    func aSchemesTimelineIsThatOfTheSameRecording(_ scheme: String) throws {
        let (own, other) = (try rows(), try rows(["--scheme", scheme]))
        #expect(own.map(\.start).min() == other.map(\.start).min())
        #expect(own.map(\.end).max() == other.map(\.end).max())
        // active_mm differs from the loaded mm in the old schemes only.
        #expect(other.contains { !$0.rest[5].isEmpty } == (scheme != "v4.13"))
    }

    @Test func eachFormatHasTheSameRows() throws {
        let json = try lazytlb(["timeline", trace, "--format", "json"])
        let text = try lazytlb(["timeline", trace])
        let count = try rows().count
        #expect(json.output.split(separator: UInt8(ascii: "\n")).count == count)
        #expect(text.output.split(separator: UInt8(ascii: "\n")).count == count + 1)
    }

    @Test(arguments: [["--scheme", "v4.14"], ["--cpu", "x"], ["--from", "now"], ["--to", "1.0000000000"], ["--evidence", "some"], ["--format", "html"]])
    func aBadOptionHasStatus2(_ options: [String]) throws {
        let outcome = try lazytlb(["timeline", trace] + options)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("lazytlb: "))
    }

    // MARK: Selections that match nothing

    private func refusal(_ arguments: [String]) throws -> String {
        let outcome = try lazytlb(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        return outcome.errors
    }

    @Test(arguments: ["events", "timeline"]) func aCPUThatTheTraceHasNotIsAnError(_ command: String) throws {
        for list in ["9", "0,9", "1-9"] {
            let errors = try refusal([command, trace, "--cpu", list])
            let first = list == "1-9" ? "2, nor 7 more of those named" : "9"
            #expect(errors == "lazytlb: \(trace): --cpu: the trace has no CPU \(first); it has CPUs 0 to 1\n")
        }
    }

    @Test(arguments: [("20", "10"), ("14.5", "14.5")]) func theEndMustBeBehindTheBegin(_ from: String, _ to: String) throws {
        #expect(try refusal(["timeline", trace, "--from", from, "--to", to]) == "lazytlb: \(trace): --from \(from) is not before --to \(to)\n")
    }

    @Test func timesOutsideOfTheTraceAreAnErrorThatTellsItsTimes() throws {
        let all = try rows()
        func seconds(_ time: UInt64?) -> String { String(format: "%d.%09d", Int(time ?? 0) / 1_000_000_000, Int(time ?? 0) % 1_000_000_000) }
        let range = "it has \(seconds(all.map(\.start).min())) to \(seconds(all.map(\.end).max()))\n"
        #expect(try refusal(["timeline", trace, "--from", "99999"]) == "lazytlb: \(trace): --from 99999 is behind all of the trace: \(range)")
        #expect(try refusal(["timeline", trace, "--to", "0.5"]) == "lazytlb: \(trace): --to 0.5 is before all of the trace: \(range)")
        // In a file that is there nothing changes.
        let file = NSTemporaryDirectory() + "lazytlb-timeline-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = try refusal(["timeline", trace, "--from", "99999", "-o", file])
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    // MARK: Traces that lack what a timeline is made of

    /// As by `report`: without these records nobody can tell what CPUs had loaded. What is there already stays.
    @Test(arguments: [
        (": tlb_flush:", "tlb:tlb_flush has no record; "), (": sched_switch:", "sched:sched_switch has no record; "),
        ("flush on task switch (0)", "tlb:tlb_flush has no record of a CR3 load (reason 0, TASK_SWITCH), though "),
    ])
    func aTraceWithoutTheRecordsThatItNeedsIsRefused(_ lacking: String, _ cause: String) throws {
        try withText(without: lacking) { file in
            try withTemporaryFile(Data("old".utf8)) { output in
                let outcome = try lazytlb(["timeline", "--kernel", "4.12", file, "-o", output])
                #expect(outcome.status == 2)
                #expect(outcome.errors.hasPrefix("lazytlb: \(file): \(cause)"), "\(outcome.errors)")
                #expect(outcome.errors == (try lazytlb(["report", "--kernel", "4.12", file])).errors)
                #expect(try String(contentsOfFile: output, encoding: .utf8) == "old")
                // A picture is drawn when all is known.
                let picture = try lazytlb(["timeline", "--kernel", "4.12", "--format", "svg", file])
                #expect(picture.status == 2)
                #expect(picture.output.isEmpty)
            }
        }
    }

    @Test(arguments: [
        (["timeline", "--from", "now"], "expected seconds of the trace's clock"), (["timeline", "--to", "1.0000000000"], "up to nine digits behind the point, as 16.855"),
        (["timeline", "--from", "99999999999999999999"], "a time is at most 18446744073709551615"), (["timeline", "--to", "99999999999999999999.5"], "a time is at most 18446744073709551615"),
        (["timeline", "--cpu", "x"], "expected numbers of CPUs, as 0,2-3"), (["events", "--cpu", "3-1"], "expected numbers of CPUs, as 0,2-3"),
        (["report", "--divergences", "some"], "expected a number from 0 on, or all"),
    ])
    func anInvalidValueIsAnsweredWithTheFormThatIsExpected(_ arguments: [String], _ expected: String) throws {
        let errors = try refusal(arguments + [trace])
        #expect(errors.hasPrefix("lazytlb: The value '\(arguments[2])' is invalid for '\(arguments[1]) "), "\(errors)")
        #expect(errors.contains(expected), "\(errors)")
    }
}
