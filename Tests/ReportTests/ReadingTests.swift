import Report
import Testing

/// Reports come from files that anybody can have written: what no trace gives is refused, with its key, before anything is calculated from it.
@Suite struct ReadingTests {
    /// What is said of a text, or of the sample, with `old` replaced; empty if it is read.
    private func error(_ old: String, _ new: String, in text: String? = nil) throws -> String {
        let text = try text ?? renderJSON([sampleDocument()])
        try #require(text.contains(old), "\(old) is not in the sample")
        do { _ = try readReports(json: text.replacing(old, with: new, maxReplacements: 1).utf8) } catch { return "\(error)" }
        return ""
    }

    @Test(arguments: [
        ("\"cpus\" : 4", "\"cpus\" : -1", "-1 (at trace.cpus)"),
        ("\"cpus\" : 4", "\"cpus\" : 1.5", "1.5 (at trace.cpus)"),
        ("\"cpus\" : 4", "\"cpus\" : 18446744073709551616", "1.8446744073709552e+19 (at trace.cpus)"),
        ("TLBSTATE_OK\" : 1", "TLBSTATE_OK\" : -1", "-1 (at schemes.v4.12.warnings.BUG: leave_mm with state TLBSTATE_OK)"),
    ])
    func aNumberThatIsNoCountIsNamedWithItsKey(_ old: String, _ new: String, _ place: String) throws {
        let said = try error(old, new)
        #expect(said.hasPrefix("not a lazytlb report: expected a whole number from 0 to 9223372036854775807, found "), "\(said)")
        #expect(said.contains(place), "\(said)")
    }

    @Test func whereAListIsGivenThePlaceInItIsNamed() throws {
        var second = sampleDocument()
        second.trace.cpus = -7
        let said = try error("\"cpus\" : -7", "\"cpus\" : -7", in: renderJSON([sampleDocument(), second]))
        #expect(said.hasSuffix("found -7 (at [1].trace.cpus)"), "\(said)")
        var third = sampleDocument()
        third.interrupters[0].flushes = -2
        #expect(try error("-2", "-2", in: renderJSON([third])).hasSuffix("found -2 (at interrupters[0].flushes)"))
        third.interrupters[0].flushes = 2
        third.shootdownLatency.p99NS = 77
        #expect(try error("\"p99_ns\" : 77", "\"p99_ns\" : -77", in: renderJSON([third])).hasSuffix("from 0 to 18446744073709551615, found -77 (at shootdown_latency.p99_ns)"))
    }

    /// Differences of clocks, pids as hostile traces have them, -1 for all pages, and what a workload wrote.
    @Test func whatMayBeBelowZeroIsRead() throws {
        var document = sampleDocument()
        document.trace.clockSkew = .init(inversions: 1, inversionsLeft: 0, largestNS: 5, corrected: [.init(cpu: 0, aheadNS: -5, atLeastNS: -7, atMostNS: -1)])
        document.interrupters[0].pid = -1
        document.conformance!.deviations = [.init(kind: "mask", timeNS: 1, cpu: 0, pid: -1, comm: nil, mm: nil, pages: -1)]
        document.marks = [.init(timeNS: 1, text: "nr_tlb_remote_flush=-1 nr_tlb_remote_flush_received=2 nr_tlb_local_flush_all=3 nr_tlb_local_flush_one=4", vmstat: .init())]
        #expect(try readReports(json: renderJSON([document]).utf8) == [document])
    }

    /// A report of a newer version of the tool may have more keys, whatever they hold.
    @Test func whatIsNotKnownIsLeftAlone() throws {
        #expect(try error("\"cpus\" : 4", "\"load\" : -1.5, \"cpus\" : 4").isEmpty)
    }

    private var contradictions: [(message: String, change: (inout ReportDocument) -> Void)] {
        [
            ("trace.cpus: events, and no CPU that wrote them", { $0.trace.cpus = 0 }),
            ("schemes: context switches, and no scheme they were replayed with", { $0.schemes = [:] }),
            ("recorded.scheme: the scheme \"v9\" is not among schemes", { $0.recorded.scheme = "v9" }),
            ("comparisons[0].old: the scheme \"v9\" is not among schemes", { $0.comparisons[0].old = "v9" }),
            ("evidence.switches.unknown: 3,755, more than the 3,754 of evidence.switches.total", { $0.evidence.switches.unknown = 3_755 }),
            ("evidence.flushes.unknown_sends: 9,102, more than the 9,101 of recorded.ipi_sends", { $0.evidence.flushes.unknownSends = 9_102 }),
            ("schemes.v4.13.cpu_time: 30617284001 ns in all, not the 30617284000 ns of the trace's duration on its CPUs", { $0.schemes["v4.13"]!.cpuTime!.lazyNS += 1 }),
            ("recorded: 1,000,014, more than the 14 of trace.events", { $0.trace.events = 14; $0.recorded = .init(); $0.recorded.scheme = "v4.12"; $0.recorded.cr3Loads = 1_000_014; $0.evidence.flushes.unknownSends = 0; $0.shootdownLatency = .init() }),
            ("schemes.v4.12.cr3_reloads: 9, more than the 8 of cr3_loads", { $0.schemes["v4.12"]!.cr3Loads = 8; $0.schemes["v4.12"]!.reloads = 9 }),
            ("schemes.v4.12: cr3_reloads and cr3_loads_saved: 9, more than the 8 of context_switches", { $0.schemes["v4.12"]!.contextSwitches = 8; $0.schemes["v4.12"]!.reloads = 4; $0.schemes["v4.12"]!.savedLoads = 5 }),
            ("schemes.v4.12: ipi_flushed, ipi_left and ipi_ignored: 9, more than the 8 of ipi_targets", { $0.schemes["v4.12"]!.ipiTargets = 8; $0.schemes["v4.12"]!.ipiFlushed = 4; $0.schemes["v4.12"]!.ipiLeft = 3; $0.schemes["v4.12"]!.ipiIgnored = 2 }),
            ("schemes.v4.12: ipi_idle and ipi_kernel: 9, more than the 8 of ipi_targets", { $0.schemes["v4.12"] = .init(); $0.schemes["v4.12"]!.ipiTargets = 8; $0.schemes["v4.12"]!.ipiIdle = 5; $0.schemes["v4.12"]!.ipiKernel = 4 }),
            ("shootdown_latency: 9,102, more than the 9,101 of recorded.ipi_sends", { $0.shootdownLatency.samples = 9_100; $0.shootdownLatency.unanswered = 1; $0.shootdownLatency.cut = 1 }),
            ("shootdown_latency.sum_ns: 18 ns, more than samples times max_ns, 17", { $0.shootdownLatency = .init(); $0.shootdownLatency.samples = 1; $0.shootdownLatency.maxNS = 17; $0.shootdownLatency.sumNS = 18 }),
            ("shootdown_latency.sum_ns: 11 ns, less than samples times min_ns, 12", { $0.shootdownLatency = .init(); $0.shootdownLatency.samples = 2; $0.shootdownLatency.minNS = 6; $0.shootdownLatency.maxNS = 6; $0.shootdownLatency.sumNS = 11 }),
            ("shootdown_latency.sum_ns: 1 ns, more than samples times max_ns, 0", { $0.shootdownLatency = .init(); $0.shootdownLatency.sumNS = 1 }),
            ("shootdown_latency.p99_ns: 7 ns, more than the 6 of max_ns", { $0.shootdownLatency.minNS = 1; $0.shootdownLatency.p50NS = 1; $0.shootdownLatency.p90NS = 7; $0.shootdownLatency.p99NS = 7; $0.shootdownLatency.maxNS = 6 }),
            ("workload.tasks[0].switches: 2,401, more than the 2,400 of workload.switches", { $0.workload!.tasks[0].switches = 2_401 }),
            ("conformance.matched: 9, more than the 8 of conformance.predicted", { $0.conformance!.records = 9; $0.conformance!.matched = 9; $0.conformance!.predicted = 8 }),
            ("conformance.by_reason.TLB_OTHER.matched: 2, more than the 1 of conformance.by_reason.TLB_OTHER.records", { $0.conformance!.byReason["TLB_OTHER"] = .init(records: 1, predicted: 2, matched: 2) }),
        ]
    }

    @Test func aReportThatContradictsItselfIsRefused() throws {
        for (message, change) in contradictions {
            var document = sampleDocument()
            change(&document)
            let error = #expect(throws: ReportReadingError.self) { try readReports(json: renderJSON([document]).utf8) }
            #expect(error?.description == "not a lazytlb report: \(message)")
            let second = #expect(throws: ReportReadingError.self) { try readReports(json: renderJSON([sampleDocument(), document]).utf8) }
            #expect(second?.description == "not a lazytlb report: [1].\(message)")
        }
    }
}
