import LazyTLB
import Replay
import Report

/// All metrics of a report, by name.
///
/// Derived from the document, so that a new counter is one line here. A metric that the document has but does not know is there with the value nil.
public struct MetricCatalogue: Sendable {
    public private(set) var values: [String: (metric: Metric, value: Double?)] = [:]

    public init(_ document: ReportDocument) {
        addRecorded(document)
        for id in RecordedKernel.schemes { addScheme("schemes.\(id)", document.schemes[id]) }
        for comparison in document.comparisons { addComparison("comparisons.\(comparison.old)/\(comparison.new)", comparison) }
        addKernel(document)
        addTrust(document)
        addProcesses(document)
    }

    /// The metrics that every report has: all but those of processes.
    public static let known: [String: Metric] = {
        var document = ReportDocument(tool: .init(version: ""), trace: .init(path: "", cpus: 0, events: 0))
        document.comparisons = RecordedKernel.schemes.dropLast().map { .init(old: $0, new: RecordedKernel.schemes.last!) }
        return MetricCatalogue(document).values.mapValues(\.metric)
    }()

    /// The metric of this name; nil if there can be none.
    public static func metric(named name: String) -> Metric? {
        if let metric = known[name] { return metric }
        guard name.hasPrefix("processes."), processMetrics.contains(where: { name.hasSuffix($0) && name.count > "processes.".count + $0.count })
        else { return nil }
        return Metric(name: name, unit: .count, direction: .higherIsWorse, needs: [.records, .mms])
    }

    /// The NAME of `processes.NAME.…`; nil for all other metrics.
    static func process(of name: String) -> String? {
        guard name.hasPrefix("processes."), let end = processMetrics.first(where: { name.hasSuffix($0) }) else { return nil }
        return String(name.dropFirst("processes.".count).dropLast(end.count))
    }

    /// The schemes that a metric is of, or is made from: two of a comparison.
    ///
    /// - Parameter own: the recorded kernel's.
    static func schemes(of name: String, own: String?) -> [String] {
        let (ids, newest) = (RecordedKernel.schemes, RecordedKernel.schemes.last!)
        if name.hasPrefix("kernel.") {
            guard let own else { return [] }
            let isOfComparison = known["comparisons.\(ids[0])/\(newest).\(name.dropFirst("kernel.".count))"] != nil
            return isOfComparison && own != newest ? [own, newest] : [own]
        }
        if name.hasPrefix("comparisons.") { return ids.filter { name.hasPrefix("comparisons.\($0)/") } + [newest] }
        if name.hasPrefix("processes.") { return name.hasSuffix(".ipi_targets.kernel") ? own.map { [$0] } ?? [] : ids.filter { name.hasSuffix(".ipi_targets.\($0)") } }
        return ids.filter { name.hasPrefix("schemes.\($0).") }
    }

    /// What a baseline judges where no budget says otherwise: the recorded kernel's own events, and what its scheme does for nothing.
    ///
    /// Few, since each of several judged at once needs a larger effect to be seen, and none that only moves with the workload.
    public static let judgedByDefault = [
        "recorded.cr3_loads", "recorded.ipi_sends", "recorded.remote_shootdowns", "kernel.ipi_targets", "kernel.ipi_ignored",
        "kernel.extra_ipi_targets", "kernel.redundant_cr3_loads", "kernel.stale_active_mm_ns", "kernel.divergences.noop-ipi",
        "kernel.divergences.noop-local-flush", "kernel.warnings",
    ]

    /// What regressions are looked for in first, with more of the chance of a false alarm than the others, which have the weight 1. All IPIs are among the
    /// records, those as well that no scheme explains.
    static let weights = ["recorded.ipi_sends": 10.0, "recorded.cr3_loads": 5, "kernel.ipi_targets": 5]

    private static let processMetrics = [".flushes", ".ipi_targets.kernel"] + RecordedKernel.schemes.map { ".ipi_targets.\($0)" }

    // MARK: The parts of a report

    private mutating func add(
        _ name: String, _ value: (some BinaryInteger)?, _ unit: Metric.Unit = .count, worse direction: Metric.Direction = .higherIsWorse,
        needs: Metric.Needs
    ) {
        values[name] = (Metric(name: name, unit: unit, direction: direction, needs: needs), value.map { Double($0) })
    }

    private mutating func addRecorded(_ document: ReportDocument) {
        let recorded = document.recorded
        add("recorded.context_switches", recorded.contextSwitches, worse: .neither, needs: .records)
        add("recorded.cr3_loads", recorded.cr3Loads, needs: .records)
        add("recorded.ipi_sends", recorded.ipiSends, needs: .records)
        add("recorded.remote_shootdowns", recorded.remoteShootdowns, needs: .records)
        add("recorded.local_shootdowns", recorded.localShootdowns, needs: .records)
        add("recorded.local_mm_shootdowns", recorded.localMMShootdowns, needs: .records)
        add("recorded.wrong_cpu", recorded.wrongCPU, needs: .records)
        add("recorded.other", recorded.other, worse: .neither, needs: .records)
    }

    private mutating func addScheme(_ prefix: String, _ scheme: ReportDocument.Scheme?) {
        let needs: Metric.Needs = [.records, .mms]
        add("\(prefix).context_switches", scheme?.contextSwitches, worse: .neither, needs: .records)
        add("\(prefix).cr3_loads", scheme?.cr3Loads, needs: needs)
        add("\(prefix).cr3_loads_saved", scheme?.savedLoads, worse: .neither, needs: needs)
        add("\(prefix).cr3_reloads", scheme?.reloads, needs: needs)
        add("\(prefix).leave_mm", scheme?.leaveMM, worse: .neither, needs: needs)
        add("\(prefix).ipi_sends", scheme?.ipiSends, needs: needs)
        add("\(prefix).ipi_targets", scheme?.ipiTargets, needs: needs)
        add("\(prefix).ipi_flushed", scheme?.ipiFlushed, worse: .neither, needs: needs)
        add("\(prefix).ipi_left", scheme?.ipiLeft, worse: .neither, needs: needs)
        add("\(prefix).ipi_ignored", scheme?.ipiIgnored, needs: needs)
        add("\(prefix).ipi_idle", scheme?.ipiIdle, needs: needs)
        add("\(prefix).ipi_kernel", scheme?.ipiKernel, needs: needs)
        add("\(prefix).local_flushes", scheme?.localFlushes, needs: needs)
        add("\(prefix).unknown_switches", scheme?.unknownSwitches, worse: .neither, needs: [])
        add("\(prefix).vmstat.nr_tlb_remote_flush", scheme?.vmstat.remoteFlush, needs: needs)
        add("\(prefix).vmstat.nr_tlb_remote_flush_received", scheme?.vmstat.remoteFlushReceived, needs: needs)
        add("\(prefix).vmstat.nr_tlb_local_flush_all", scheme?.vmstat.localFlushAll, needs: needs)
        add("\(prefix).vmstat.nr_tlb_local_flush_one", scheme?.vmstat.localFlushOne, needs: needs)
        for (name, value) in [("user_ns", scheme?.cpuTime?.userNS), ("lazy_ns", scheme?.cpuTime?.lazyNS), ("init_ns", scheme?.cpuTime?.initNS)] {
            add("\(prefix).cpu_time.\(name)", value, .cpuTime, worse: .neither, needs: [.records, .mms, .loadedTime])
        }
        add("\(prefix).cpu_time.unknown_ns", scheme?.cpuTime?.unknownNS, .cpuTime, needs: .time)
        add("\(prefix).warnings", scheme.map { sum($0.warnings.values) }, needs: needs)
        for (_, name) in Warnings.all { add("\(prefix).warnings.\(name)", scheme.map { $0.warnings[name] ?? 0 }, needs: needs) }
    }

    private mutating func addComparison(_ prefix: String, _ comparison: ReportDocument.Comparison?) {
        let needs: Metric.Needs = [.records, .mms]
        add("\(prefix).extra_ipi_targets", comparison?.extraIPITargets, needs: needs)
        add("\(prefix).missing_ipi_targets", comparison?.missingIPITargets, worse: .neither, needs: needs)
        add("\(prefix).stale_active_mm_ns", comparison?.staleActiveMMNS, .cpuTime, needs: [.records, .mms, .loadedTime])
        add("\(prefix).redundant_cr3_loads", comparison?.redundantCR3Loads, needs: needs)
        add("\(prefix).divergences", comparison.map { sum($0.divergences.values) }, worse: .neither, needs: needs)
        for kind in Divergence.Kind.allCases {
            add("\(prefix).divergences.\(kind.rawValue)", comparison.map { $0.divergences[kind.rawValue] ?? 0 }, needs: needs)
        }
    }

    /// The recorded kernel's own scheme, and that scheme beside the newest: the newest differs in nothing from itself.
    private mutating func addKernel(_ document: ReportDocument) {
        let own = document.recorded.scheme
        addScheme("kernel", own.flatMap { document.schemes[$0] })
        var comparison = own.flatMap { own in document.comparisons.first { $0.old == own } }
        if comparison == nil, let own, own == RecordedKernel.schemes.last { comparison = .init(old: own, new: own) }
        addComparison("kernel", comparison)
    }

    private mutating func addTrust(_ document: ReportDocument) {
        let latency = document.shootdownLatency
        for (name, value) in [("p50_ns", latency.p50NS), ("p90_ns", latency.p90NS), ("p99_ns", latency.p99NS), ("max_ns", latency.maxNS)] {
            add("shootdown_latency.\(name)", value, .ns, needs: [.records, .time])
        }
        add("shootdown_latency.sum_ns", latency.sumNS, .cpuTime, needs: [.records, .time])
        let conformance = document.conformance
        addShare("conformance.share", conformance?.matched, of: conformance.map { max($0.records, $0.predicted) }, worse: .lowerIsWorse)
        addShare("conformance.masks_share", conformance?.masksMatched, of: conformance?.masks, worse: .lowerIsWorse)
        let evidence = document.evidence
        addShare("evidence.unknown_switches", evidence.switches.unknown, of: evidence.switches.total, worse: .higherIsWorse)
        addShare("evidence.unknown_flushes", evidence.flushes.unknown, of: evidence.flushes.total, worse: .higherIsWorse)
        add("evidence.unknown_time_ns", evidence.unknownTimeNS, .cpuTime, needs: .time)
        add("evidence.contradictions", evidence.contradictions, needs: [])
    }

    private mutating func addShare(_ name: String, _ part: Int?, of whole: Int?, worse: Metric.Direction) {
        var share: Double?
        if let part, let whole { share = whole > 0 ? Double(part) / Double(whole) : 0 }
        values[name] = (Metric(name: name, unit: .share, direction: worse, needs: []), share)
    }

    /// By name: all processes of one name together. What is not listed is zero only if all are listed.
    private mutating func addProcesses(_ document: ReportDocument) {
        var sums: [String: (flushes: Int, targets: [String: Int])] = [:]
        for process in document.interrupters {
            var all = sums[process.process] ?? (0, [:])
            all.flushes = sum([all.flushes, process.flushes])
            all.targets.merge(process.ipiTargets) { sum([$0, $1]) }
            sums[process.process] = all
        }
        for (name, all) in sums {
            add("processes.\(name).flushes", all.flushes, needs: [.records, .mms])
            for (scheme, targets) in all.targets { add("processes.\(name).ipi_targets.\(scheme)", targets, needs: [.records, .mms]) }
            add("processes.\(name).ipi_targets.kernel", document.recorded.scheme.flatMap { all.targets[$0] }, needs: [.records, .mms])
        }
    }
}
