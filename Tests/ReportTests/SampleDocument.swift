import Report

/// A report with every part filled in, as a trace of a v4.12 kernel with probe events could give it. The numbers are made up.
func sampleDocument() -> ReportDocument {
    var document = ReportDocument(
        tool: .init(version: "0.0.0"),
        trace: .init(
            path: "fixtures/sample.dat", kernel: "4.12.4", machine: "x86_64", clock: "local", cpus: 4, events: 115_075,
            lostEvents: 12, lostGaps: 2, startNS: 12_345_678_901, durationNS: 7_654_321_000, formatVersion: 7,
            compression: "zstd"))
    document.evidence = .init(kind: "probes")
    document.evidence.switches.total = 3_754
    document.evidence.switches.exact = 3_700
    document.evidence.switches.lifeCycle = 30
    document.evidence.switches.hardware = 10
    document.evidence.switches.convention = 8
    document.evidence.switches.unknown = 6
    document.evidence.unknownTimeNS = 4_200_000
    document.evidence.flushes.total = 9_000
    document.evidence.flushes.attributed = 8_990
    document.evidence.flushes.unknown = 10
    document.evidence.contradictions = 2
    document.evidence.brokenChains = 1
    document.evidence.notes = ["The trace begins while its tasks already run: what they had loaded is unknown until each is seen."]
    document.recorded.scheme = "v4.12"
    document.recorded.contextSwitches = 3_754
    document.recorded.cr3Loads = 2_903
    document.recorded.ipiSends = 9_101
    document.recorded.remoteShootdowns = 9_800
    document.recorded.localShootdowns = 700
    document.recorded.localMMShootdowns = 8_119
    var workload = ReportDocument.Workload()
    workload.switches = 2_400
    workload.tasks = [
        .init(name: "wl", isKernelThread: false, switches: 2_000), .init(name: "kworker", isKernelThread: true, switches: 390),
    ]
    workload.otherSwitches = 10
    document.workload = workload
    document.schemes = [
        "v4.12": sampleScheme(targets: 11_300, ignored: 800),
        "v4.13-parent": sampleScheme(targets: 11_100, ignored: 600),
        "v4.13": sampleScheme(targets: 10_500, ignored: 0),
    ]
    document.schemes["v4.12"]!.warnings = ["BUG: leave_mm with state TLBSTATE_OK": 1]
    var whole = ReportDocument.Comparison(old: "v4.12", new: "v4.13")
    whole.extraIPITargets = 812
    whole.missingIPITargets = 12
    whole.staleActiveMMNS = 1_234_567_890
    whole.redundantCR3Loads = 3
    whole.divergences = [
        "stale-active-mm": 410, "noop-ipi": 22, "extra-ipi": 790, "missing-ipi": 12, "redundant-cr3-load": 3, "warning": 1,
    ]
    var parent = ReportDocument.Comparison(old: "v4.13-parent", new: "v4.13")
    parent.extraIPITargets = 600
    parent.staleActiveMMNS = 1_134_567_890
    parent.divergences = ["stale-active-mm": 408, "extra-ipi": 590, "noop-local-flush": 2]
    document.comparisons = [whole, parent]
    document.divergences = [
        .init(
            kind: "stale-active-mm", timeNS: 12_400_000_001, endNS: 12_400_900_001, cpu: 1, pid: 0, comm: "swapper/1",
            mm: "wl-1201#1", old: "v4.12", new: "v4.13",
            records: [.init(timeNS: 12_400_000_001, cpu: 1, event: "tlb_flush")]),
        .init(
            kind: "extra-ipi", timeNS: 12_500_000_123, cpu: 2, pid: 44, comm: "kswapd0", mm: nil, old: "v4.12", new: "v4.13",
            targets: [0, 1, 3],
            records: [
                .init(timeNS: 12_500_000_123, cpu: 2, event: "tlb_flush"),
                .init(timeNS: 12_499_000_000, cpu: 1, event: "sched_switch"),
            ]),
    ]
    document.interrupters = [
        .init(process: "wl", pid: 1201, flushes: 8_000, ipiTargets: ["v4.12": 9_000, "v4.13-parent": 8_900, "v4.13": 8_700]),
        .init(process: "kswapd0", pid: 44, flushes: 1_101, ipiTargets: ["v4.12": 2_300, "v4.13-parent": 2_200, "v4.13": 1_800]),
    ]
    document.ipiMatrix = .init(
        scheme: "v4.12", cpus: 4,
        pairs: [.init(from: 0, to: 1, count: 6_000), .init(from: 2, to: 0, count: 5_000), .init(from: 2, to: 3, count: 300)])
    document.shootdownLatency.samples = 9_000
    document.shootdownLatency.minNS = 830
    document.shootdownLatency.p50NS = 12_345
    document.shootdownLatency.p90NS = 99_960
    document.shootdownLatency.p99NS = 1_200_000
    document.shootdownLatency.maxNS = 45_000_000
    document.shootdownLatency.sumNS = 390_000_000
    document.shootdownLatency.unanswered = 99
    document.shootdownLatency.cut = 2
    document.flushSizes = [.init(fromPages: 1, toPages: 1, sends: 8_000, local: 2), .init(fromPages: 34, toPages: nil, sends: 1, local: 0), .init(fromPages: nil, toPages: nil, sends: 1_100, local: 40)]
    document.trace.clockSkew = .init(
        inversions: 61, inversionsLeft: 3, largestNS: 79_612,
        corrected: [
            .init(cpu: 2, aheadNS: 103_400, atLeastNS: 79_612, atMostNS: 127_190), .init(cpu: 3, aheadNS: -40_000, atLeastNS: -52_000, atMostNS: -28_100),
        ])
    document.conformance = sampleConformance()
    document.marks = [
        .init(timeNS: 12_346_000_000, text: "lab start begin", vmstat: .init()),
        .init(timeNS: 12_346_000_100, text: "lab start " + counters(5, 7, 100, 200), vmstat: .init()),
        .init(
            timeNS: 19_000_000_000, text: "lab stop " + counters(9_106, 10_507, 3_100, 5_200),
            vmstat: .init(remoteFlush: 9_101, remoteFlushReceived: 10_480, localFlushAll: 3_000, localFlushOne: 5_000)),
    ]
    document.problems = [.init(offset: 40_960, cause: "CPU 3: the sub-buffer's length 5000 is beyond its 4080 bytes")]
    return document
}

private func sampleScheme(targets: Int, ignored: Int) -> ReportDocument.Scheme {
    var scheme = ReportDocument.Scheme()
    scheme.contextSwitches = 3_754
    scheme.cr3Loads = 2_900
    (scheme.savedLoads, scheme.reloads) = (640, 170)
    scheme.leaveMM = 210
    scheme.ipiSends = 9_101
    scheme.ipiTargets = targets
    scheme.ipiLeft = 400
    scheme.ipiIgnored = ignored
    (scheme.ipiIdle, scheme.ipiKernel) = (310, 75)
    scheme.ipiFlushed = targets - 400 - ignored
    scheme.localFlushes = 8_800
    scheme.unknownSwitches = 6
    scheme.vmstat = .init(remoteFlush: 9_101, remoteFlushReceived: 10_500, localFlushAll: 3_000, localFlushOne: 5_000)
    // Of 7.654321 s on 4 CPUs.
    var time = ReportDocument.CPUTime()
    (time.userNS, time.lazyNS, time.initNS, time.unknownNS) = (20_000_000_000, 9_000_000_000, 1_613_084_000, 4_200_000)
    scheme.cpuTime = time
    return scheme
}

private func sampleConformance() -> ReportDocument.Conformance {
    var conformance = ReportDocument.Conformance(scheme: "v4.12")
    conformance.records = 30_623
    conformance.predicted = 30_630
    conformance.matched = 30_600
    conformance.byReason = [
        "TLB_FLUSH_ON_TASK_SWITCH": .init(records: 2_903, predicted: 2_900, matched: 2_899),
        "TLB_REMOTE_SEND_IPI": .init(records: 9_101, predicted: 9_101, matched: 9_101),
    ]
    conformance.masks = 40_000
    conformance.masksMatched = 39_900
    conformance.deviationCounts = ["missing-ipi": 1, "mask": 1]
    conformance.deviations = [
        .init(
            kind: "missing-ipi", timeNS: 12_600_000_000, cpu: 2, pid: 1201, comm: "wl", mm: "wl:1201", pages: 1, targets: [0, 3]),
        .init(kind: "mask", timeNS: 12_700_000_000, cpu: 1, pid: nil, comm: nil, mm: "wl:1201", detail: "read 0x3, the scheme has 0x1"),
    ]
    return conformance
}

private func counters(_ remote: Int, _ received: Int, _ all: Int, _ one: Int) -> String {
    "nr_tlb_remote_flush=\(remote) nr_tlb_remote_flush_received=\(received) nr_tlb_local_flush_all=\(all) "
        + "nr_tlb_local_flush_one=\(one) TLB=1,2,3,4"
}
