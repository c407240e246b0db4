import Foundation
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

    @Test(arguments: [["--scheme", "v4.14"], ["--cpu", "x"], ["--from", "now"], ["--to", "1.0000000000"], ["--evidence", "some"], ["--format", "svg"]])
    func aBadOptionHasStatus2(_ options: [String]) throws {
        let outcome = try lazytlb(["timeline", trace] + options)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("lazytlb: "))
    }
}
