import Report

/// Bounds beside a baseline: how much more, or less, a metric may be.
extension Check {
    /// A metric that can be judged, in one direction.
    private struct Judged {
        var bound: Budget.Bound
        var direction: Metric.Direction
        var allowed: Double
        var comparison: RateComparison
        /// Of its finding.
        var place: Int
        /// What never happened on either side cannot be significant, and is no test that others must pay for (R. E. Tarone, A modified Bonferroni method for discrete data, 1990).
        var isTest: Bool { comparison.rate > 0 || comparison.baselineRate > 0 }
        var weight = 1.0
        /// Adjusted for all that are judged together.
        var pValue = 1.0
    }

    func relative(_ bounds: [Budget.Bound], _ baseline: Baseline, check: String, limits: EvidenceLimits) -> [CheckResult.Finding] {
        var findings: [CheckResult.Finding] = []
        var judged: [Judged] = []
        for bound in bounds {
            // What is judged by default has one bound.
            func key(_ direction: Metric.Direction) -> String? { check == "baseline" ? nil : direction == .lowerIsWorse ? "max_decrease" : "max_increase" }
            if var finding = hindrance(bound, baseline, check: check, limits: limits) {
                for (limit, direction) in [(bound.maximumIncrease, Metric.Direction.higherIsWorse), (bound.maximumDecrease, .lowerIsWorse)] where limit != nil {
                    finding.bound = key(direction)
                    findings.append(finding)
                }
                continue
            }
            let metric = bound.metric
            let comparison = RateComparison(
                baseline: samples(baseline.recordings, bound), now: samples(recordings, bound), unit: metric.unit, priorDeviation: metric.priorDeviation)
            // Who writes a budget weighs by what it names.
            let weight = check == "baseline" ? MetricCatalogue.weights[metric.name] ?? 1 : 1
            func judge(_ direction: Metric.Direction, _ allowed: Double) {
                judged.append(Judged(bound: bound, direction: direction, allowed: allowed, comparison: comparison, place: findings.count, weight: weight))
                findings.append(.init(check: check, subject: metric.name, bound: key(direction), outcome: .passed, reason: ""))
            }
            if let increase = bound.maximumIncrease { judge(.higherIsWorse, 1 + increase) }
            if let decrease = bound.maximumDecrease { judge(.lowerIsWorse, 1 - decrease) }
        }
        let tests = judged.indices.filter { judged[$0].isTest }
        let adjusted = holm(tests.map { judged[$0].comparison.pValue(allowed: judged[$0].allowed, direction: judged[$0].direction) }, weights: tests.map { judged[$0].weight })
        for (index, value) in zip(tests, adjusted) { judged[index].pValue = value }
        let weight = tests.reduce(0) { $0 + judged[$1].weight }
        for one in judged { decide(one, share: one.weight / weight, baseline, &findings[one.place]) }
        return findings
    }

    /// Why a bound cannot be judged.
    private func hindrance(_ bound: Budget.Bound, _ baseline: Baseline, check: String, limits: EvidenceLimits) -> CheckResult.Finding? {
        let metric = bound.metric
        func finding(_ outcome: CheckResult.Outcome, _ reason: String) -> CheckResult.Finding {
            .init(check: check, subject: metric.name, outcome: outcome, reason: reason)
        }
        if let lack = lack(recordings, bound, limits) {
            // A kernel that runs none of the schemes, on both sides: by default what nobody knows is not judged; who asks for it by name is told that it cannot be.
            let isUnknown = (recordings + baseline.recordings).allSatisfy { $0.value(metric) == nil }
            return check == "baseline" && isUnknown ? finding(.skipped, "neither here nor in the baseline is it known: \(lack)") : finding(.inconclusive, lack)
        }
        if !baseline.has(metric) { return finding(.inconclusive, "the baseline does not have it: write it anew with lazytlb baseline") }
        return lack(baseline.recordings, bound, limits).map { finding(.inconclusive, "in the baseline: \($0)") }
    }

    /// - Parameter share: of the weight of all that are tested together.
    private func decide(_ one: Judged, share: Double, _ baseline: Baseline, _ finding: inout CheckResult.Finding) {
        let comparison = one.comparison
        let isStatistical = isStatistical(baseline)
        let isSignificant = one.pValue < 1 - options.confidence
        let isEvident = isStatistical && !isSignificant && comparison.isEvident(one.allowed, direction: one.direction)
        let isFirstFault = one.bound.metric.isFault && one.direction == .higherIsWorse && comparison.baselineRate == 0 && comparison.rate > 0
        let isWorse = isFirstFault || (isStatistical ? isSignificant || isEvident : comparison.exceeds(one.allowed, direction: one.direction))
        var numbers = CheckResult.Numbers(
            per: one.bound.rate.rawValue, rate: comparison.rate, baselineRate: comparison.baselineRate, ratio: comparison.ratio, estimatedRatio: comparison.estimatedRatio)
        var reason = "\(number(comparison.rate, one.bound))\(rateText(one.bound)), \(number(comparison.baselineRate, one.bound)) in the baseline"
        let told = one.allowed == 1 || beyond(one) == nil ? nil : one.allowed
        if isStatistical {
            let interval = comparison.interval(confidence: options.confidence)
            numbers.ratioLow = interval.lowerBound
            if interval.upperBound < .greatestFiniteMagnitude { numbers.ratioHigh = interval.upperBound }
            numbers.pValue = one.pValue
            if one.isTest {
                numbers.detectableRatio = comparison.detectableRatio(allowed: one.allowed, direction: one.direction, confidence: options.confidence, share: share)
            }
            if let ratio = comparison.ratio {
                reason += " (\(changeText(ratio, beside: told)); \(changeText(interval.lowerBound)) to \(changeText(interval.upperBound)); \(pText(one.pValue)))"
            } else if comparison.rate > 0 {
                // A multiple of nothing says nothing.
                reason += " (\(pText(one.pValue)))"
            }
        } else if let ratio = comparison.ratio {
            reason += " (\(changeText(ratio, beside: told)))"
        }
        if one.allowed != 1 {
            reason += ", allowed \(one.allowed > 1 ? "+" : "")\(exactPercent(one.allowed - 1))"
            if !isWorse, let beyond = beyond(one) { reason += ": \(beyond), but \(isStatistical ? "not beyond chance" : withinNoise(one))" }
        }
        if !isWorse, let unseen = unseen(one, numbers.detectableRatio) { reason += "; \(unseen) would not be seen" }
        if isFirstFault {
            reason += ": a WARN or BUG condition that the baseline never meets"
        } else if isEvident {
            let what = one.direction == .lowerIsWorse ? "less than half" : "more than twice"
            reason += ": evident, whatever the test says: \(what) what is allowed, in each recording beside each of the baseline's"
        }
        if let absence = recordings.lazy.compactMap({ $0.absence(of: one.bound.metric) }).first { reason += ": \(absence)" }
        let absences = baseline.recordings.compactMap { $0.absence(of: one.bound.metric) }
        if absences.count == baseline.recordings.count, let absence = absences.first { reason += "; in the baseline: \(absence)" }
        finding.outcome = isWorse ? .failed : .passed
        finding.reason = reason
        finding.numbers = numbers
    }

    /// What a pass does not exclude, where that is more than twice what is allowed; of nothing there is no multiple.
    private func unseen(_ one: Judged, _ detectable: Double?) -> String? {
        guard let detectable, one.comparison.ratio != nil else { return nil }
        if one.direction == .lowerIsWorse { return detectable < one.allowed / 2 ? "a decrease to more than ×\(numberText(detectable))" : nil }
        return detectable > one.allowed * 2 ? "an increase to less than ×\(numberText(detectable))" : nil
    }

    private func withinNoise(_ one: Judged) -> String {
        if one.comparison.isWild { return "by no more than recordings of one workload vary" }
        return one.bound.metric.unit == .count ? "by no more than three standard errors of counting" : "too little to be told apart"
    }

    /// "more" or "less" where the rates shown are further apart than is allowed; nil where they are not.
    private func beyond(_ one: Judged) -> String? {
        // Half a unit of the last digit of a sum is no difference.
        let margin = 1e-9
        guard let ratio = one.comparison.ratio else { return one.direction == .higherIsWorse && one.comparison.rate > 0 ? "more" : nil }
        return one.direction == .higherIsWorse ? (ratio > one.allowed + margin ? "more" : nil) : ratio < one.allowed - margin ? "less" : nil
    }
}
