import Report
import Testing

@testable import Checks

/// What sets recordings apart, the most relevant first.
@Suite struct DiffTests {
    @Test func theSameHasNoDifferences() {
        let diff = Diff("a", [Recording(report("a.dat"))], "b", [Recording(report("b.dat"))])
        #expect(diff.changes.isEmpty)
        #expect(diff.exitStatus == 0)
        #expect(diff.text().contains("no differences in "))
    }

    /// What is missing may hide a difference, or make one.
    @Test(arguments: [1_000, 3_000]) func missingRecordsAreNoResult(sends: Int) {
        let (whole, other) = (Recording(report("a.dat")), Recording(report("b.dat") { $0.recorded.ipiSends = sends; $0.trace.lostGaps = 1 }))
        #expect(Diff("a", [whole], "b", [other]).exitStatus == 3)
        #expect(Diff("b", [other], "a", [whole]).exitStatus == 3)
    }

    @Test func whatDiffersMostComesFirst() {
        let more = report { document in
            document.recorded.ipiSends = 3_000
            document.recorded.cr3Loads = 5_100
        }
        let diff = Diff("a", [Recording(report())], "b", [Recording(more)])
        #expect(diff.exitStatus == 1)
        #expect(diff.changes.map(\.metric) == ["recorded.ipi_sends", "recorded.cr3_loads"])
        #expect(diff.changes[0].left == 1_000)
        #expect(diff.changes[0].right == 3_000)
        #expect(diff.changes[0].leftRate == 100)
        #expect(diff.text().contains("recorded.ipi_sends  100 → 300 per 1000 switches (+200.0 %), 1,000 → 3,000 in all"))
    }

    /// Eight of 10,000 switches whose mm is unknown are no difference beside four times the IPIs that are ignored, and never the first.
    @Test func whatIsOfTrustComesLast() throws {
        func document(_ ignored: Int, _ unknown: Int, _ matched: Int, _ p99: UInt64) -> ReportDocument {
            report { document in
                document.schemes["v4.13"]!.ipiIgnored = ignored
                document.evidence.switches.unknown = unknown
                document.shootdownLatency.p99NS = p99
                document.conformance = .init(scheme: "v4.13")
                (document.conformance!.records, document.conformance!.predicted, document.conformance!.matched) = (100_000, 100_000, matched)
            }
        }
        let diff = Diff("a", [Recording(document(100, 0, 100_000, 3_997_695))], "b", [Recording(document(430, 8, 99_999, 4_100_000))])
        #expect(diff.changes.map(\.metric).prefix(2).allSatisfy { $0.hasSuffix(".ipi_ignored") })
        #expect(Set(diff.changes.suffix(2).map(\.metric)) == ["evidence.unknown_switches", "conformance.share"])
        #expect(try #require(diff.changes.first { $0.metric == "evidence.unknown_switches" }?.distance) < 1)
        let text = diff.text()
        #expect(text.contains("conformance.share"))
        #expect(text.contains("  100.00 % → > 99.99 % ("), "\(text)")
        #expect(text.contains("  0 % → 0.08 %\n"))
        #expect(text.contains("  4.00 ms → 4.10 ms (+2.6 %)"))
        let all = Diff("a", [Recording(document(100, 0, 100_000, 1))], "b", [Recording(document(100, 9_000, 100_000, 1))])
        #expect(abs(try #require(all.changes.first?.distance)) > 3)
    }

    @Test func whatOneSideDoesNotKnowIsADifference() {
        let diff = Diff("a", [Recording(report())], "b", [Recording(report(scheme: nil))])
        let change = diff.changes.first { $0.metric == "kernel.ipi_targets" }
        #expect(change?.left == 1_500)
        #expect(change?.right == nil)
        #expect(change?.ratio == nil)
    }

    /// A report of an older version has no times in states: no difference of the recordings.
    @Test func whatAnOlderReportDoesNotHaveIsNoDifference() {
        func timed(_ lazy: UInt64) -> ReportDocument {
            report { document in
                for id in document.schemes.keys {
                    var time = ReportDocument.CPUTime()
                    (time.lazyNS, time.unknownNS) = (lazy, document.trace.cpuTimeNS - lazy)
                    document.schemes[id]!.cpuTime = time
                }
            }
        }
        let (old, new) = ([Recording(report())], [Recording(timed(1_000_000))])
        #expect(Diff("a", old, "b", new).exitStatus == 0 && Diff("b", new, "a", old).exitStatus == 0)
        #expect(Diff("a", new, "b", new).unchanged > Diff("a", old, "b", new).unchanged)
        func borrowing(_ reloads: Int) -> [Recording] { [Recording(report { for id in $0.schemes.keys { ($0.schemes[id]!.savedLoads, $0.schemes[id]!.reloads) = (100, reloads) } })] }
        #expect(Diff("a", old, "b", borrowing(50)).exitStatus == 0)
        func interrupting(_ idle: Int) -> [Recording] { [Recording(report { for id in $0.schemes.keys { ($0.schemes[id]!.ipiIdle, $0.schemes[id]!.ipiKernel) = (idle, 10) } })] }
        #expect(Diff("a", old, "b", interrupting(50)).exitStatus == 0)
        // Where both have them they are compared.
        #expect(Diff("a", interrupting(50), "b", interrupting(900)).changes.contains { $0.metric == "kernel.ipi_idle" })
        #expect(Diff("a", borrowing(50), "b", borrowing(90)).changes.contains { $0.metric == "kernel.cr3_reloads" })
        #expect(Diff("a", new, "b", [Recording(timed(3_000_000))]).changes.contains { $0.metric == "kernel.cpu_time.lazy_ns" })
    }

    /// As the numbers beside it, not as the estimate that a test would make of them.
    @Test func theRatioIsThatOfTheRatesShown() throws {
        func diff(_ left: Int, _ right: Int) -> Diff {
            Diff("a", [Recording(report { $0.recorded.wrongCPU = left })], "b", [Recording(report { $0.recorded.wrongCPU = right })])
        }
        #expect(diff(1, 2).changes.map(\.ratio) == [2])
        #expect(diff(1, 2).text().contains("recorded.wrong_cpu  0.100 → 0.200 per 1000 switches (+100.0 %), 1 → 2 in all"))
        #expect(diff(2, 0).text().contains("(-100.0 %), 2 → 0 in all"))
        // A multiple of nothing says nothing.
        #expect(diff(0, 2).changes.map(\.ratio) == [nil])
        #expect(diff(0, 2).text().contains("0 → 0.200 per 1000 switches, 0 → 2 in all"))
        #expect(abs(try #require(diff(0, 2).changes[0].estimatedRatio) - 5) < 1e-9)
        #expect(try diff(0, 2).json().contains("\"ratio\" : null"))
    }

    @Test func aReasonIsSaidOnceThoughBothSidesHaveIt() {
        let lossy = [Recording(report { $0.trace.lostGaps = 2 })]
        #expect(Diff("a", lossy, "b", lossy).notComparable == ["a.dat: events were lost in 2 places: counts are lower bounds"])
    }

    @Test func whatIsNotComparableIsSaid() {
        let diff = Diff("a", [Recording(report())], "b", [Recording(report { $0.trace.cpus = 8; $0.recorded.ipiSends = 9 })])
        #expect(diff.text().contains("not comparable: CPUs: 8 in b, 4 in a"))
    }
}
