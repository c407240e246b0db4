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
                + "interval of the change that the test takes for it, with half an event more in each recording, so that zero has a logarithm; and p, the adjusted "
                + "probability of such a change by chance"
        }
        return "one recording in the baseline, one here: no test is possible. \(budget == nil ? "An increase of more than \(exactPercent(options.tolerance))" : "A change of more than is allowed"), "
            + "and of more than three standard errors of counting, is a regression (\(budget == nil ? "--tolerance" : "the budget"))"
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
            let per = rateText(bound)
            guard let value = recording.value(bound.metric), let exposure = recording.exposure(bound.rate) else {
                let reason = recording.lacks(for: bound.metric, limits) ?? noExposure(recording, bound.rate)
                return .init(check: "budget", subject: subject, outcome: .inconclusive, reason: reason)
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
                        check: "budget", subject: subject, outcome: .failed,
                        reason: "at least \(shown), above the maximum of \(number(bound.maximum!, bound)), though \(lack)", numbers: numbers)
                }
                return .init(check: "budget", subject: subject, outcome: .inconclusive, reason: lack, numbers: numbers)
            }
            let bounded =
                isTooHigh ? "\(shown), above the maximum of \(number(bound.maximum!, bound))"
                : isTooLow ? "\(shown), below the minimum of \(number(bound.minimum!, bound))" : "\(shown), within \(range(bound))"
            let reason = bounded + (recording.absence(of: bound.metric).map { ": \($0)" } ?? "")
            return .init(check: "budget", subject: subject, outcome: isTooHigh || isTooLow ? .failed : .passed, reason: reason, numbers: numbers)
        }
    }

    // MARK: Relative bounds

    private struct Judged {
        var bound: Budget.Bound
        var direction: Metric.Direction
        var allowed: Double
        var comparison: RateComparison
        var place: Int
    }

    private func relative(_ bounds: [Budget.Bound], _ baseline: Baseline, check: String, limits: EvidenceLimits) -> [CheckResult.Finding] {
        var findings: [CheckResult.Finding] = []
        var judged: [Judged] = []
        for bound in bounds {
            let metric = bound.metric
            func note(_ outcome: CheckResult.Outcome, _ reason: String) {
                findings.append(.init(check: check, subject: metric.name, outcome: outcome, reason: reason))
            }
            let hereLack = lack(recordings, bound, limits)
            // A kernel that runs none of the schemes, on both sides: by default what nobody knows is not judged; who asks for it by name is told that it cannot be.
            if check == "baseline", let hereLack, (recordings + baseline.recordings).allSatisfy({ $0.value(metric) == nil }) {
                note(.skipped, "neither here nor in the baseline is it known: \(hereLack)")
                continue
            }
            if let hereLack { note(.inconclusive, hereLack); continue }
            if !baseline.has(metric) { note(.inconclusive, "the baseline does not have it: write it anew with lazytlb baseline"); continue }
            if let lack = lack(baseline.recordings, bound, limits) { note(.inconclusive, "in the baseline: \(lack)"); continue }
            let comparison = RateComparison(
                baseline: samples(baseline.recordings, bound), now: samples(recordings, bound), unit: metric.unit, priorDeviation: metric.priorDeviation)
            if let increase = bound.maximumIncrease {
                judged.append(Judged(bound: bound, direction: .higherIsWorse, allowed: 1 + increase, comparison: comparison, place: findings.count))
                findings.append(.init(check: check, subject: metric.name, outcome: .passed, reason: ""))
            }
            if let decrease = bound.maximumDecrease {
                judged.append(Judged(bound: bound, direction: .lowerIsWorse, allowed: 1 - decrease, comparison: comparison, place: findings.count))
                findings.append(.init(check: check, subject: metric.name, outcome: .passed, reason: ""))
            }
        }
        let isStatistical = isStatistical(baseline)
        // What never happened on either side cannot be significant, and is no test that others must pay for (R. E. Tarone, A modified Bonferroni method
        // for discrete data, 1990).
        let isTest = judged.map { $0.comparison.rate > 0 || $0.comparison.baselineRate > 0 }
        // Who writes a budget weighs by what it names.
        let weights = judged.map { check == "baseline" ? MetricCatalogue.weights[$0.bound.metric.name] ?? 1 : 1 }
        let tests = judged.indices.filter { isTest[$0] }
        let weight = tests.reduce(0) { $0 + weights[$1] }
        let adjusted = holm(
            tests.map { judged[$0].comparison.pValue(allowed: judged[$0].allowed, direction: judged[$0].direction) }, weights: tests.map { weights[$0] })
        var values = [Double](repeating: 1, count: judged.count)
        for (index, value) in zip(tests, adjusted) { values[index] = value }
        for (index, one) in judged.enumerated() {
            let p = values[index]
            let comparison = one.comparison
            let isWorse = isStatistical ? p < 1 - options.confidence : comparison.exceeds(one.allowed, direction: one.direction)
            var numbers = CheckResult.Numbers(per: one.bound.rate.rawValue, rate: comparison.rate, baselineRate: comparison.baselineRate, ratio: comparison.ratio, estimatedRatio: comparison.estimatedRatio)
            var reason = "\(number(comparison.rate, one.bound))\(rateText(one.bound)), \(number(comparison.baselineRate, one.bound)) in the baseline"
            if isStatistical {
                let interval = comparison.interval(confidence: options.confidence)
                (numbers.ratioLow, numbers.ratioHigh) = (interval.lowerBound, interval.upperBound)
                numbers.pValue = p
                if isTest[index] { numbers.detectableRatio = comparison.detectableRatio(confidence: options.confidence, share: weights[index] / weight) }
                if let ratio = comparison.ratio {
                    reason += " (\(changeText(ratio)); \(changeText(interval.lowerBound)) to \(changeText(interval.upperBound)); \(pText(p)))"
                } else if comparison.rate > 0 {
                    // A multiple of nothing says nothing.
                    reason += " (\(pText(p)))"
                }
            } else if let ratio = comparison.ratio {
                reason += " (\(changeText(ratio)))"
            }
            if one.allowed != 1 {
                reason += ", allowed \(one.allowed > 1 ? "+" : "")\(exactPercent(one.allowed - 1))"
                if !isWorse, let beyond = beyond(one) { reason += ": \(beyond), but \(isStatistical ? "not beyond chance" : withinNoise(one))" }
            }
            if let absence = recordings.lazy.compactMap({ $0.absence(of: one.bound.metric) }).first { reason += ": \(absence)" }
            let absences = baseline.recordings.compactMap { $0.absence(of: one.bound.metric) }
            if absences.count == baseline.recordings.count, let absence = absences.first { reason += "; in the baseline: \(absence)" }
            findings[one.place].outcome = isWorse ? .failed : .passed
            findings[one.place].reason = reason
            findings[one.place].numbers = numbers
        }
        return findings
    }

    private func withinNoise(_ one: Judged) -> String {
        one.bound.metric.unit == .count ? "by no more than three standard errors of counting" : "too little to be told apart"
    }

    /// "more" or "less" where the rates shown are further apart than is allowed; nil where they are not.
    private func beyond(_ one: Judged) -> String? {
        // Half a unit of the last digit of a sum is no difference.
        let margin = 1e-9
        guard let ratio = one.comparison.ratio else { return one.direction == .higherIsWorse && one.comparison.rate > 0 ? "more" : nil }
        return one.direction == .higherIsWorse ? (ratio > one.allowed + margin ? "more" : nil) : ratio < one.allowed - margin ? "less" : nil
    }

    private func lack(_ recordings: [Recording], _ bound: Budget.Bound, _ limits: EvidenceLimits) -> String? {
        for recording in recordings {
            let lack = recording.lacks(for: bound.metric, limits) ?? (recording.exposure(bound.rate) == nil ? noExposure(recording, bound.rate) : nil)
            if let lack { return recordings.count > 1 ? "\(printable(recording.path)): \(lack)" : lack }
        }
        return nil
    }

    private func samples(_ recordings: [Recording], _ bound: Budget.Bound) -> [RateComparison.Sample] {
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

    private func rateText(_ bound: Budget.Bound) -> String {
        switch bound.rate {
        case .total: ""
        case .shareOfCPUTime: " of the CPU time"
        default: " per \(bound.rate == .perThousandSwitches ? "1,000 switches" : bound.rate == .perCPUSecond ? "CPU and second" : "second")"
        }
    }

    private func number(_ value: Double, _ bound: Budget.Bound) -> String {
        bound.rate == .shareOfCPUTime || bound.metric.unit == .share ? (bound.metric.unit == .share ? fixedShare(value) : percentText(value)) : numberText(value)
    }

    /// Shares near 1 are told apart by their second decimal.
    private func fixedShare(_ value: Double) -> String { fixed(value * 100, value == value.rounded() ? 0 : 2, roundingDown: true) + " %" }

    private func range(_ bound: Budget.Bound) -> String {
        switch (bound.minimum, bound.maximum) {
        case (let low?, let high?): "\(number(low, bound)) to \(number(high, bound))"
        case (let low?, nil): "the minimum of \(number(low, bound))"
        case (nil, let high?): "the maximum of \(number(high, bound))"
        default: "no bound"
        }
    }

    private func pText(_ p: Double) -> String { p < 0.0001 ? "p < 0.0001" : "p = \(fixed(p, 4))" }
}
