import Foundation
import TestSupport
import Testing

/// How often a check errs on recordings of which nothing changed, and on those with more shootdowns: docs/ci.md has the figures of all of them.
@Suite struct CalibrationTests {
    private static let traces = ["-rec-boot", "-rec-global", "-rec-v6", "-rec-nofilter", "-rec-v7none"].compactMap {
        Recordings.shared("v4.12-threads-4cpu-plain\($0).dat")
    }

    @Test(.enabled(if: traces.count == 5, "the recordings are not among the fixtures"))
    func falseAlarmsAreFewerThanTheConfidenceAllowsAndExtraIPIsAreSeen() throws {
        let program = URL(fileURLWithPath: Program.lazytlb).deletingLastPathComponent().appendingPathComponent("calibrate").path
        let outcome = try Program.run(program, with: Self.traces)
        #expect(outcome.status == 0)
        // | all |  | in the baseline | checked | checks | false alarms (share) | found (share) | …
        let rows = outcome.text.split(separator: "\n").filter { $0.hasPrefix("| all |") }.map { $0.split(separator: "|").map(String.init) }
        #expect(rows.count == 3)
        var (checks, alarms, found) = (0, 0, 0)
        func number(_ cell: String) throws -> Int { try #require(Int(cell.drop { $0 == " " }.prefix(while: \.isNumber))) }
        for row in rows {
            checks += try number(row[row.count - 5])
            alarms += try number(row[row.count - 4])
            found += try number(row[row.count - 1])
        }
        #expect(checks > 150)
        #expect(alarms * 20 <= checks, "\(alarms) of \(checks)")
        #expect(found > alarms)
    }
}
