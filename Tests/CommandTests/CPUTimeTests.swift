import Foundation
import Report
import TestSupport
import Testing

/// The time of CPUs in each state, which the replay sums up as it goes: beside the rows of the timeline of each scheme, which are cut by code that shares nothing with it but the schemes.
@Suite struct CPUTimeTests {
    private struct Row: Decodable {
        var start_ns: UInt64
        var end_ns: UInt64
        var state: String
    }

    private func sums(_ trace: String, _ scheme: String, _ options: [String]) throws -> [String: UInt64] {
        let outcome = try lazytlb(["timeline", trace, "--scheme", scheme, "--format", "json"] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try outcome.output.split(separator: UInt8(ascii: "\n")).reduce(into: [:]) { sums, line in
            let row = try JSONDecoder().decode(Row.self, from: Data(line))
            sums[row.state, default: 0] += row.end_ns - row.start_ns
        }
    }

    @Test(arguments: [
        // leave_mm() by the idle loop; reclaim, where the old schemes part; lost records; CPUs that go off.
        ("v4.12-threads-2cpu-truth-c3idle.dat", [] as [String]), ("v4.12-reclaim-4cpu-truth.dat", []), ("v4.12-threads-4cpu-truth-lost.dat", ["--evidence", "no-probes"]),
        ("debian5.10-mixed-4cpu-truth.dat", ["--evidence", "no-probes"]),
    ])
    func itIsThatOfTheRowsOfTheTimeline(_ name: String, _ options: [String]) throws {
        let trace = Recordings.fixture(name)
        let outcome = try lazytlb(["report", trace, "--format", "json"] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        let document = try JSONDecoder().decode(ReportDocument.self, from: outcome.output)
        #expect(document.schemes.count == 3)
        for (id, scheme) in document.schemes {
            let (rows, time) = (try sums(trace, id, options), try #require(scheme.cpuTime))
            #expect(rows == ["user": time.userNS, "lazy": time.lazyNS, "init": time.initNS, "unknown": time.unknownNS].filter { $0.value > 0 }, "\(id)")
            #expect(time.userNS + time.lazyNS + time.initNS + time.unknownNS == document.trace.cpuTimeNS)
            #expect(time.userNS > 0 && time.lazyNS > 0)
            // A stale active_mm is one of a CPU that has init_mm loaded.
            if let comparison = document.comparisons.first(where: { $0.old == id }) { #expect(comparison.staleActiveMMNS <= time.initNS) }
        }
    }
}
