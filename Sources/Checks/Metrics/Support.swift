import Report

/// How much of a recording may be unknown before what it says of a metric is not taken for an answer.
public struct EvidenceLimits: Sendable, Equatable {
    /// Of the context switches, and of the flushes: without mm.
    public var unknown = 0.01
    /// Of the CPU time: without a known loaded mm. More, since the first milliseconds of each CPU are never known.
    public var unknownTime = 0.1
    /// Of the context switches: that do not continue where their CPU's last one ended, in an inferred history.
    static let brokenChains = 0.002

    public init() {}
}

extension Recording {
    /// Why the recording cannot support the metric, in words for the reader; nil if it can.
    public func lacks(for metric: Metric, _ limits: EvidenceLimits) -> String? {
        if value(metric) == nil { return missingReason(metric) }
        if metric.needs.contains(.records) {
            if let missing = missingRecords { return missing }
            // Probe events name the new pid of a thread that calls exec too late; without them it is known. docs/ci.md has the figures.
            let mostBroken = evidence == "probes" ? limits.unknown : min(limits.unknown, EvidenceLimits.brokenChains)
            if let share = share(brokenChains, of: switches, above: mostBroken) {
                return "\(share) of the switches do not continue where their CPU's last one ended: records were left out, by a filter perhaps"
            }
        }
        if metric.needs.contains(.mms) {
            if let share = share(unknownSwitches, of: switches, above: limits.unknown) { return "the mm of \(share) of the switches is unknown" }
            for (scheme, unknown) in unknowns("unknown_switches", of: metric) {
                if let share = share(unknown, of: switches, above: limits.unknown) { return "what \(scheme) makes of \(share) of the switches is unknown" }
            }
            if let share = share(unknownFlushes, of: flushes, above: limits.unknown) { return "the mm of \(share) of the flushes is unknown" }
        }
        if metric.needs.contains(.loadedTime), countsTime {
            if Double(unknownTimeNS) > limits.unknownTime * cpuTimeNS {
                return "what CPUs had loaded is unknown for \(percentText(Double(unknownTimeNS) / cpuTimeNS)) of the CPU time"
            }
            for (scheme, unknown) in unknowns("cpu_time.unknown_ns", of: metric) where unknown > limits.unknownTime * cpuTimeNS {
                return "what CPUs would have loaded under \(scheme) is unknown for \(percentText(unknown / cpuTimeNS)) of the CPU time"
            }
        }
        if !metric.needs.isDisjoint(with: [.time, .loadedTime]), !countsTime { return "the clock \(clock) does not count time" }
        return nil
    }

    /// What is unknown under each scheme that the metric is made from, which may be more than what the trace leaves open: those follow from each other. Reports and baselines of older
    /// versions do not have the times.
    private func unknowns(_ name: String, of metric: Metric) -> [(scheme: String, value: Double)] {
        MetricCatalogue.schemes(of: metric.name, own: scheme).compactMap { id in (values["schemes.\(id).\(name)"] ?? nil).map { (id, $0) } }
    }

    /// Why counts are lower bounds, as far as the recording itself tells; nil if they are not.
    public var missingRecords: String? {
        // What could not be read leaves gaps, which are no lost events.
        if problems > 0 { return "parts of the recording are missing, or could not be read: counts are lower bounds" }
        if unexplainedAnswers > 0 { return "\(unexplainedAnswers) remote flushes answer CPUs that are not recorded: counts are lower bounds" }
        return lostGaps > 0 ? "events were lost in \(lostGaps) \(lostGaps == 1 ? "place" : "places"): counts are lower bounds" : nil
    }

    /// What the reader should know of a zero: no such process was recorded. It may be misspelt, or a thread's name. nil for all other numbers.
    func absence(of metric: Metric) -> String? {
        guard values[metric.name] == nil, value(metric) == 0, let name = MetricCatalogue.process(of: metric.name) else { return nil }
        let known = Set(values.keys.compactMap(MetricCatalogue.process)).sorted()
        let others = known.isEmpty ? "" : "; there \(known.count == 1 ? "is" : "are") \(list(known.prefix(5).map(printable) + (known.count > 5 ? ["\(known.count - 5) more"] : []), "and"))"
        return "no process \(printable(name)) was recorded with a flush\(others)"
    }

    private func missingReason(_ metric: Metric) -> String {
        let isOfOwnScheme = metric.name.hasPrefix("kernel.") || metric.name.hasPrefix("conformance.") || metric.name.hasSuffix(".ipi_targets.kernel")
        if metric.name.hasPrefix("processes."), !(isOfOwnScheme && scheme == nil) {
            return "the report lists only the processes that interrupt most, and not this one"
        }
        if isOfOwnScheme, scheme == nil {
            return "the recorded kernel\(kernel.map { " (\($0))" } ?? "") runs none of the schemes, as far as is known"
        }
        return metric.name.hasSuffix("masks_share") ? "the trace has no probe events that show masks" : "there is no value for it"
    }

    private func share(_ part: Int, of whole: Int, above limit: Double) -> String? { share(Double(part), of: whole, above: limit) }

    private func share(_ part: Double, of whole: Int, above limit: Double) -> String? {
        guard whole > 0, part > limit * Double(whole) else { return nil }
        return percentText(part / Double(whole))
    }
}
