import Tables

/// Of counts, none of which is negative.
private func clampedSum(_ counts: [Int]) -> Int { Int(clamping: counts.reduce(into: UInt64(0)) { $0.addClamped(UInt64(clamping: $1)) }) }

/// What no report on any trace can say, though each of its numbers could be one: who reads reports need not expect it any more.
struct Contradiction {
    var key: String
    var cause: String
}

extension ReportDocument {
    /// The first contradiction in the report; nil if there is none.
    ///
    /// Whoever edits a report by hand, or writes one with a program of their own, learns of it here instead of by a check that passes for nothing.
    var contradiction: Contradiction? {
        if trace.events > 0, trace.cpus == 0 { return Contradiction(key: "trace.cpus", cause: "events, and no CPU that wrote them") }
        if recorded.contextSwitches > 0, schemes.isEmpty { return Contradiction(key: "schemes", cause: "context switches, and no scheme they were replayed with") }
        return unknownScheme ?? wrongTime ?? wrongLatency ?? parts.lazy.compactMap(\.contradiction).first
    }

    /// A scheme that is named and has no counts.
    private var unknownScheme: Contradiction? {
        var names = [("recorded.scheme", recorded.scheme), ("conformance.scheme", conformance?.scheme)]
        for (index, comparison) in comparisons.enumerated() {
            names += [("comparisons[\(index)].old", comparison.old), ("comparisons[\(index)].new", comparison.new)]
        }
        for case let (key, name?) in names where schemes[name] == nil { return Contradiction(key: key, cause: "the scheme \"\(name)\" is not among schemes") }
        return nil
    }

    /// A scheme whose CPUs are in some state for more or less than the time that there is.
    private var wrongTime: Contradiction? {
        for (name, scheme) in schemes.sorted(by: { $0.key < $1.key }) {
            guard let time = scheme.cpuTime else { continue }
            let sum = [time.userNS, time.lazyNS, time.initNS, time.unknownNS].reduce(into: UInt64(0)) { $0.addClamped($1) }
            if sum != trace.cpuTimeNS {
                return Contradiction(key: "schemes.\(name).cpu_time", cause: "\(sum) ns in all, not the \(trace.cpuTimeNS) ns of the trace's duration on its CPUs")
            }
        }
        return nil
    }

    /// Latencies that are not in order.
    private var wrongLatency: Contradiction? {
        let latency = shootdownLatency
        let times = [("min_ns", latency.minNS), ("p50_ns", latency.p50NS), ("p90_ns", latency.p90NS), ("p99_ns", latency.p99NS), ("max_ns", latency.maxNS)]
        for ((less, low), (more, high)) in zip(times, times.dropFirst()) {
            if let low, let high, low > high { return Contradiction(key: "shootdown_latency.\(less)", cause: "\(low) ns, more than the \(high) of \(more)") }
        }
        guard let sum = latency.sumNS else { return nil }
        let (key, samples) = ("shootdown_latency.sum_ns", UInt64(clamping: latency.samples))
        let (least, most) = (samples.multipliedReportingOverflow(by: latency.minNS ?? 0), samples.multipliedReportingOverflow(by: latency.maxNS ?? 0))
        if !least.overflow, sum < least.partialValue { return Contradiction(key: key, cause: "\(sum) ns, less than samples times min_ns, \(least.partialValue)") }
        if !most.overflow, sum > most.partialValue { return Contradiction(key: key, cause: "\(sum) ns, more than samples times max_ns, \(most.partialValue)") }
        return nil
    }

    private struct Part {
        var key: String
        var count: Int
        var whole: Int
        var wholeKey: String

        var contradiction: Contradiction? {
            count > whole ? Contradiction(key: key, cause: "\(grouped(count)), more than the \(grouped(whole)) of \(wholeKey)") : nil
        }
    }

    /// What is counted as a part of something else.
    private var parts: [Part] {
        var parts = [
            Part(key: "evidence.switches.unknown", count: evidence.switches.unknown, whole: evidence.switches.total, wholeKey: "evidence.switches.total"),
            Part(key: "evidence.flushes.unknown", count: evidence.flushes.unknown, whole: evidence.flushes.total, wholeKey: "evidence.flushes.total"),
            Part(key: "evidence.flushes.unknown_sends", count: evidence.flushes.unknownSends ?? 0, whole: recorded.ipiSends, wholeKey: "recorded.ipi_sends"),
            Part(key: "recorded", count: clampedSum(recorded.counts), whole: trace.events, wholeKey: "trace.events"),
            Part(
                key: "shootdown_latency", count: clampedSum([shootdownLatency.samples, shootdownLatency.unanswered, shootdownLatency.cut]), whole: recorded.ipiSends,
                wholeKey: "recorded.ipi_sends"),
        ]
        if let flushSizes {
            parts.append(Part(key: "flush_sizes: sends", count: clampedSum(flushSizes.map(\.sends)), whole: recorded.ipiSends, wholeKey: "recorded.ipi_sends"))
            parts.append(
                Part(
                    key: "flush_sizes: local", count: clampedSum(flushSizes.map(\.local)), whole: clampedSum([recorded.localShootdowns, recorded.localMMShootdowns]),
                    wholeKey: "recorded.local_shootdowns and local_mm_shootdowns"))
        }
        for (name, scheme) in schemes.sorted(by: { $0.key < $1.key }) {
            let answers = clampedSum([scheme.ipiFlushed, scheme.ipiLeft, scheme.ipiIgnored])
            parts.append(Part(key: "schemes.\(name): ipi_flushed, ipi_left and ipi_ignored", count: answers, whole: scheme.ipiTargets, wholeKey: "ipi_targets"))
            let lazy = clampedSum([scheme.ipiIdle ?? 0, scheme.ipiKernel ?? 0])
            parts.append(Part(key: "schemes.\(name): ipi_idle and ipi_kernel", count: lazy, whole: scheme.ipiTargets, wholeKey: "ipi_targets"))
            parts.append(Part(key: "schemes.\(name).cr3_reloads", count: scheme.reloads ?? 0, whole: scheme.cr3Loads, wholeKey: "cr3_loads"))
            parts.append(
                Part(key: "schemes.\(name): cr3_reloads and cr3_loads_saved", count: clampedSum([scheme.reloads ?? 0, scheme.savedLoads ?? 0]), whole: scheme.contextSwitches, wholeKey: "context_switches"))
        }
        for (index, task) in (workload?.tasks ?? []).enumerated() {
            parts.append(Part(key: "workload.tasks[\(index)].switches", count: task.switches, whole: workload?.switches ?? 0, wholeKey: "workload.switches"))
        }
        guard let conformance else { return parts }
        func matched(_ place: String, _ counts: Conformance.Counts) {
            parts.append(Part(key: "\(place).matched", count: counts.matched, whole: counts.records, wholeKey: "\(place).records"))
            parts.append(Part(key: "\(place).matched", count: counts.matched, whole: counts.predicted, wholeKey: "\(place).predicted"))
        }
        matched("conformance", .init(records: conformance.records, predicted: conformance.predicted, matched: conformance.matched))
        for (reason, counts) in conformance.byReason.sorted(by: { $0.key < $1.key }) { matched("conformance.by_reason.\(reason)", counts) }
        parts.append(Part(key: "conformance.masks_matched", count: conformance.masksMatched ?? 0, whole: conformance.masks ?? 0, wholeKey: "conformance.masks"))
        return parts
    }
}
