import Report

/// Judges recordings by a baseline and a budget.
public struct Check: Sendable {
    public struct Options: Sendable {
        /// That no metric of those judged together gives a false alarm.
        public var confidence = 0.95
        /// One recording beside one: the increase that is allowed.
        public var tolerance = 1.0
        public var forcesComparison = false

        public init() {}
    }

    public var recordings: [Recording]
    public var options: Options

    public init(recordings: [Recording], options: Options = Options()) {
        self.recordings = recordings
        self.options = options
    }

    // MARK: Comparable

    /// Whether the recordings may be judged by this baseline at all.
    public func comparable(_ baseline: Baseline) -> CheckResult.Finding {
        let reasons = Comparability.reasons(recordings, baseline.recordings)
        let notes = Comparability.notes(recordings, baseline.recordings)
        if reasons.isEmpty {
            return .init(check: "comparable", subject: "recordings", outcome: .passed, reason: "the same workload on the same kind of machine", details: notes)
        }
        guard options.forcesComparison else {
            return .init(
                check: "comparable", subject: "recordings", outcome: .inconclusive,
                reason: "not comparable with the baseline; --force-compare compares nevertheless", details: reasons + notes)
        }
        return .init(
            check: "comparable", subject: "recordings", outcome: .passed,
            reason: "compared by force (--force-compare), though not comparable with the baseline", details: reasons + notes)
    }

    // MARK: The baseline

    /// The metrics that are judged by default, beside the baseline's.
    public func againstBaseline(_ baseline: Baseline) -> [CheckResult.Finding] {
        let bounds = MetricCatalogue.judgedByDefault.compactMap { name -> Budget.Bound? in
            guard let metric = MetricCatalogue.metric(named: name) else { return nil }
            return Budget.Bound(metric: metric, rate: .usual(for: metric.unit), maximumIncrease: isStatistical(baseline) ? 0 : options.tolerance)
        }
        return relative(bounds, baseline, check: "baseline", limits: EvidenceLimits())
    }

    /// Whether there are enough recordings for a test; if not there is a tolerance.
    public func isStatistical(_ baseline: Baseline) -> Bool { recordings.count + baseline.recordings.count > 2 }

    /// How decisions beside a baseline are made, for the reader.
    public func method(_ baseline: Baseline, _ budget: Budget? = nil) -> String {
        if isStatistical(baseline) {
            return "\(baseline.recordings.count) in the baseline, \(recordings.count) here: moderated t-test of log rates, one-sided, with "
                + "Holm's adjustment over all metrics judged; confidence \(confidenceText). It takes log rates of recordings of one workload to be "
                + "normally distributed with one variance, and the recordings to be independent. In brackets: the change of the (geometric mean) rate; the \(confidenceText) confidence "
                + "interval of the change that the test takes for it, with half an event more in each recording, so that zero has a logarithm, but of few events; and p, the adjusted "
                + "probability of such a change by chance. More than twice what is allowed in each recording is a regression whatever p is"
        }
        return "one recording in the baseline, one here: no test is possible. \(budget == nil ? "An increase of more than \(exactPercent(options.tolerance))" : "A change of more than is allowed"), "
            + "and of more than three standard errors of counting, is a regression (\(budget == nil ? "--tolerance" : "the budget")). "
            + "Latencies, and what depends on where idle periods fall, must be beyond that by another factor of 2"
    }

    private var confidenceText: String { exactPercent(options.confidence) }

    // MARK: The budget

    public func againstBudget(_ budget: Budget, _ baseline: Baseline?) -> [CheckResult.Finding] {
        var findings = budget.bounds.filter { $0.minimum != nil || $0.maximum != nil }.flatMap { absolute($0, budget.evidence) }
        let relativeBounds = budget.bounds.filter(\.needsBaseline)
        if let baseline { findings += relative(relativeBounds, baseline, check: "budget", limits: budget.evidence) }
        return findings
    }

    /// Every recording must keep an absolute bound.
    private func absolute(_ bound: Budget.Bound, _ limits: EvidenceLimits) -> [CheckResult.Finding] {
        recordings.map { recording in
            let subject = bound.metric.name + (recordings.count > 1 ? " of \(printable(recording.path))" : "")
            let key = bound.minimum == nil ? "max" : bound.maximum == nil ? "min" : "min and max"
            let per = rateText(bound)
            guard let value = recording.value(bound.metric), let exposure = recording.exposure(bound.rate) else {
                let reason = recording.lacks(for: bound.metric, limits) ?? noExposure(recording, bound.rate)
                return .init(check: "budget", subject: subject, bound: key, outcome: .inconclusive, reason: reason)
            }
            let rate = value / exposure
            let numbers = CheckResult.Numbers(per: bound.rate.rawValue, rate: rate, minimum: bound.minimum, maximum: bound.maximum)
            let shown = "\(number(rate, bound))\(per)"
            let isTooHigh = bound.maximum.map { rate > $0 } ?? false
            let isTooLow = bound.minimum.map { rate < $0 } ?? false
            if let lack = recording.lacks(for: bound.metric, limits) {
                // What is counted has happened: a total with events missing is too high already.
                if isTooHigh, bound.rate == .total, bound.metric.unit.isSum {
                    return .init(
                        check: "budget", subject: subject, bound: key, outcome: .failed,
                        reason: "at least \(beyond("above the maximum", bound.maximum!)), though \(lack)", numbers: numbers)
                }
                return .init(check: "budget", subject: subject, bound: key, outcome: .inconclusive, reason: lack, numbers: numbers)
            }
            func beyond(_ what: String, _ limit: Double) -> String {
                let (value, limit) = texts(rate, beside: limit, bound)
                return "\(value)\(per), \(what) of \(limit)"
            }
            let bounded =
                isTooHigh ? beyond("above the maximum", bound.maximum!) : isTooLow ? beyond("below the minimum", bound.minimum!) : "\(shown), within \(range(bound))"
            let reason = bounded + (recording.absence(of: bound.metric).map { ": \($0)" } ?? "")
            return .init(check: "budget", subject: subject, bound: key, outcome: isTooHigh || isTooLow ? .failed : .passed, reason: reason, numbers: numbers)
        }
    }

    func lack(_ recordings: [Recording], _ bound: Budget.Bound, _ limits: EvidenceLimits) -> String? {
        for recording in recordings {
            let lack = recording.lacks(for: bound.metric, limits) ?? (recording.exposure(bound.rate) == nil ? noExposure(recording, bound.rate) : nil)
            if let lack { return recordings.count > 1 ? "\(printable(recording.path)): \(lack)" : lack }
        }
        return nil
    }

    func samples(_ recordings: [Recording], _ bound: Budget.Bound) -> [RateComparison.Sample] {
        recordings.map { .init(total: $0.value(bound.metric) ?? 0, exposure: $0.exposure(bound.rate) ?? 1) }
    }

    // MARK: Words

    private func noExposure(_ recording: Recording, _ rate: Rate) -> String {
        switch rate {
        case .perThousandSwitches: "the recording has no context switch"
        case .total: "the report does not know it"
        default: recording.countsTime ? "the recording has no duration" : "the clock \(printable(recording.clock)) does not count time"
        }
    }

    func rateText(_ bound: Budget.Bound) -> String {
        switch bound.rate {
        case .total: ""
        case .shareOfCPUTime: " of the CPU time"
        default: " per \(bound.rate == .perThousandSwitches ? "1,000 switches" : bound.rate == .perCPUSecond ? "CPU and second" : "second")"
        }
    }

    func number(_ value: Double, _ bound: Budget.Bound) -> String {
        // Shares near 1 are told apart by their second decimal.
        bound.metric.unit == .share ? percentText(value, decimals: 2) : bound.rate == .shareOfCPUTime ? percentText(value) : bound.metric.unit == .ns ? latencyText(value) : numberText(value)
    }

    /// A bound as somebody has chosen it.
    private func limit(_ value: Double, _ bound: Budget.Bound) -> String {
        bound.metric.unit == .share || bound.rate == .shareOfCPUTime ? exactPercent(value) : number(value, bound)
    }

    /// A value and the bound that it misses, with more decimals where they would be the same without.
    private func texts(_ value: Double, beside limit: Double, _ bound: Budget.Bound) -> (value: String, limit: String) {
        let isShare = bound.rate == .shareOfCPUTime || bound.metric.unit == .share
        let time = TimeFormat.unit(of: wholeNS(limit))
        let (scale, unit) = isShare ? (100.0, " %") : bound.metric.unit == .ns ? (1 / Double(time.ns), " \(time.name)") : (1, "")
        let usual = (value: number(value, bound), limit: self.limit(limit, bound))
        let least = bound.metric.unit == .share ? 2 : isShare ? 1 : max(decimals(value * scale), decimals(limit * scale))
        let (value, limit) = (value * scale, limit * scale)
        let isWithinAStep = usual.value.hasPrefix("<") || usual.value.hasPrefix(">")
        if !isWithinAStep, fixed(value, least) != fixed(limit, least) { return usual }
        let decimals = decimals(apart: value, limit, atLeast: least + 1)
        return (fixed(value, decimals) + unit, fixed(limit, decimals) + unit)
    }

    private func range(_ bound: Budget.Bound) -> String {
        switch (bound.minimum, bound.maximum) {
        case (let low?, let high?): "\(limit(low, bound)) to \(limit(high, bound))"
        case (let low?, nil): "the minimum of \(limit(low, bound))"
        case (nil, let high?): "the maximum of \(limit(high, bound))"
        default: "no bound"
        }
    }

    func pText(_ p: Double) -> String { p < 0.0001 ? "p < 0.0001" : "p = \(fixed(p, 4))" }
}
