/// The rate of one metric in some recordings beside that in others of the same workload.
///
/// Rates of recordings are compared by their logarithms, so that an effect is a ratio. A log rate varies between recordings of the same workload
/// by more than the counting noise of its events (1 / count, Poisson): by what differs between runs, too. That part is pooled over both sides
/// (equal variances: it is the same workload). Few recordings tell little of it, so that where they vary by less than a prior it is drawn towards that:
/// `variance = (d₀ s₀² + d s²) / (d₀ + d)` with d₀ + d degrees of freedom, the moderated t-test of G. K. Smyth (Linear models and empirical Bayes
/// methods for assessing differential expression in microarray experiments, 2004). Without it two recordings that happen to agree would make everything
/// significant. Where they vary by more than the prior, d₀ falls off as s₀² / s²: the more they do the more they alone are believed, and no small step of s
/// is a large one of p. That keeps false alarms near the confidence for workloads of up to 1.5 s₀ (as simulated in the tests). The counting noise is known, so
/// that a sum of which it is a part has more degrees of freedom: those of F. E. Satterthwaite (An approximate distribution of estimates of variance components, 1946).
/// Where a side has few events ``SparseCounts`` takes the place of the noise.
public struct RateComparison: Sendable, Equatable {
    /// s₀, where a metric has no other: how much log rates of recordings of a workload vary beyond counting noise.
    public static let priorDeviation = 0.1
    /// From such a prior on what recordings vary by counts besides, one beside one: of latencies, and of what depends on where idle periods fall.
    private static let wildDeviation = 0.5
    /// d₀: for how many recordings the prior counts.
    public static let priorWeight = 2.0
    /// Beyond this many degrees of freedom Student's distribution is the normal one.
    private static let mostDegreesOfFreedom = 10_000.0

    /// What the rates' totals and exposures are.
    public struct Sample: Sendable, Equatable {
        public var total: Double
        public var exposure: Double

        public init(total: Double, exposure: Double) {
            self.total = total
            self.exposure = exposure
        }
    }

    private struct Between: Equatable {
        var error: Double
        var df: Double
    }

    private struct Reach: Equatable {
        var higher: Double
        var lower: Double
    }

    /// The mean log rate of the new recordings less that of the baseline's.
    public let difference: Double
    /// Its standard error.
    public let error: Double
    public let degreesOfFreedom: Double
    public let baselineRate: Double
    public let rate: Double
    /// The counting noise of the difference alone.
    private let noise: Double
    /// By how much one recording beside one must be beyond what is allowed where recordings vary so much that counting tells little of it: the standard deviation of the difference, which
    /// nothing in one recording tells. 0 elsewhere.
    private let variation: Double
    /// The same, and three standard errors of counting.
    private let margin: Double
    /// What recordings vary by besides: the standard error of the difference by that alone, and with how many degrees of freedom it is estimated.
    private let between: Between
    private let sparse: SparseCounts?
    /// By how much the means must be apart, beyond a ratio, for each recording to be beyond it, and three standard errors of counting, of each of the others.
    private let reach: Reach
    private let unit: Metric.Unit
    private let priorDeviation: Double
    private let baseline: [Sample]
    private let now: [Sample]

    /// - Parameters:
    ///   - unit: events have counting noise, time has not: there rates below 0.05 % of the CPU time are told apart no more, nor shares below 1 %.
    ///   - priorDeviation: s₀, ``Metric/priorDeviation``.
    public init(baseline: [Sample], now: [Sample], unit: Metric.Unit, priorDeviation: Double = Self.priorDeviation) {
        (self.baseline, self.now, self.unit, self.priorDeviation) = (baseline, now, unit, priorDeviation)
        let counts = unit == .count
        // Half an event (or a piece of time) more, so that zero has a logarithm.
        func offset(_ sample: Sample) -> Double {
            switch unit {
            case .count: 0.5
            case .cpuTime: 0.0005 * sample.exposure
            case .share: 0.01
            case .ns: 1
            }
        }
        func logs(_ samples: [Sample]) -> [Double] { samples.map { logarithm(($0.total + offset($0)) / $0.exposure) } }
        func poisson(_ samples: [Sample]) -> Double { counts ? average(samples.map { 1 / ($0.total + 0.5) }) : 0 }
        let (old, new) = (logs(baseline), logs(now))
        difference = average(new) - average(old)
        let d = Double(old.count + new.count - 2)
        let pooled = d > 0 ? (squares(old) + squares(new)) / d : 0
        let beyond = max(0, pooled - (poisson(baseline) * Double(old.count) + poisson(now) * Double(new.count)) / Double(old.count + new.count))
        let prior = priorDeviation * priorDeviation
        let weight = Self.priorWeight * min(1, prior / max(beyond, .leastNormalMagnitude))
        let all = weight + d
        let variance = (weight * prior + d * beyond) / all * (1 / Double(old.count) + 1 / Double(new.count))
        noise = poisson(baseline) / Double(old.count) + poisson(now) / Double(new.count)
        error = (variance + noise).squareRoot()
        between = Between(error: variance.squareRoot(), df: all)
        sparse = counts ? SparseCounts(baseline: baseline, now: now) : nil
        variation = priorDeviation >= Self.wildDeviation ? priorDeviation * 2.0.squareRoot() : 0
        margin = variation + 3 * noise.squareRoot()
        let single = variation + 3 * (poisson(baseline) + poisson(now)).squareRoot()
        reach = Reach(
            higher: single + (old.max() ?? 0) - average(old) + average(new) - (new.min() ?? 0), lower: single + average(old) - (old.min() ?? 0) + (new.max() ?? 0) - average(new))
        // What is estimated: the variance between recordings, and with it the part of the noise that was taken off.
        let estimated = (variance + noise * d / all) / (variance + noise)
        degreesOfFreedom = min(all / (estimated * estimated), Self.mostDegreesOfFreedom)
        baselineRate = Self.mean(baseline)
        rate = Self.mean(now)
    }

    /// The geometric mean of the rates, of which the effect is the ratio; with a zero among them the arithmetic one.
    static func mean(_ samples: [Sample]) -> Double {
        let rates = samples.map { $0.total / $0.exposure }
        if Set(rates).count == 1 { return rates[0] }
        return rates.allSatisfy { $0 > 0 } ? exponential(average(rates.map(logarithm))) : average(rates)
    }

    /// Recordings of one workload vary so much in it that one beside one must be beyond that, too.
    public var isWild: Bool { variation > 0 }

    /// The effect: the new rate as a multiple of the baseline's; nil where that is zero.
    public var ratio: Double? { baselineRate > 0 ? min(rate / baselineRate, .greatestFiniteMagnitude) : nil }

    /// What the test takes for the effect: with half an event (or a piece of time) more in each recording, so that zero has a logarithm. ``interval(confidence:)`` is around it.
    public var estimatedRatio: Double { Self.ratio(ofLogarithm: difference) }

    /// A number that JSON has, however far apart the rates are.
    private static func ratio(ofLogarithm difference: Double) -> Double { min(exponential(difference), .greatestFiniteMagnitude) }

    /// The probability of a difference as large in the bad direction, if the true ratio were `allowed`.
    public func pValue(allowed: Double = 1, direction: Metric.Direction = .higherIsWorse) -> Double {
        if let sparse {
            return direction == .lowerIsWorse
                ? sparse.mirrored.pValue(allowed: 1 / allowed, between: between.error, df: between.df) : sparse.pValue(allowed: allowed, between: between.error, df: between.df)
        }
        let excess = difference - logarithm(allowed)
        return StudentT.upperTail((direction == .lowerIsWorse ? -excess : excess) / error, df: degreesOfFreedom)
    }

    /// The ratios that the recordings are compatible with, at this confidence; up to the largest number where there is no limit, as beside no event.
    public func interval(confidence: Double) -> ClosedRange<Double> {
        if let sparse {
            let tail = (1 - confidence) / 2
            let low = sparse.lowerLimit(tail: tail, between: between.error, df: between.df)
            let high = sparse.mirrored.lowerLimit(tail: tail, between: between.error, df: between.df).map { -$0 }
            return (low.map(Self.ratio) ?? 0)...(high.map(Self.ratio) ?? .greatestFiniteMagnitude)
        }
        let width = StudentT.quantile(tail: (1 - confidence) / 2, df: degreesOfFreedom) * error
        return Self.ratio(ofLogarithm: difference - width)...Self.ratio(ofLogarithm: difference + width)
    }

    /// The ratio that such recordings show with a probability of 80 %, by the test or since it is evident: what a pass does not exclude.
    ///
    /// - Parameter share: this metric's part of the chance of a false alarm, among all that are judged at once.
    public func detectableRatio(allowed: Double, direction: Metric.Direction, confidence: Double, share: Double) -> Double {
        let power = StudentT.quantile(tail: 0.2, df: degreesOfFreedom) * error
        let significant = StudentT.quantile(tail: (1 - confidence) * share, df: degreesOfFreedom) * error
        let evident = logarithm(2) + (direction == .lowerIsWorse ? reach.lower : reach.higher)
        let distance = min(significant, evident) + power
        return Self.ratio(ofLogarithm: logarithm(allowed) + (direction == .lowerIsWorse ? -distance : distance))
    }

    /// One recording beside one: whether the change is beyond a ratio, and beyond what counting noise of three standard errors would explain, and what recordings vary by (``isWild``).
    public func exceeds(_ allowed: Double, direction: Metric.Direction) -> Bool {
        if let sparse {
            let tail =
                direction == .lowerIsWorse
                ? sparse.mirrored.upperTail(logRatio: variation - logarithm(allowed)) : sparse.upperTail(logRatio: logarithm(allowed) + variation)
            return tail < SparseCounts.threeErrors
        }
        let change = direction == .lowerIsWorse ? -difference : difference
        let bound = direction == .lowerIsWorse ? -logarithm(allowed) : logarithm(allowed)
        return change > bound + margin
    }

    /// Whether each of the recordings is beyond twice what is allowed of each of the baseline's, by the rule of one beside one: no test is needed to see that, and
    /// more recordings that all say so are no less than two.
    public func isEvident(_ allowed: Double, direction: Metric.Direction) -> Bool {
        let bound = direction == .lowerIsWorse ? allowed / 2 : allowed * 2
        return now.allSatisfy { one in baseline.allSatisfy { RateComparison(baseline: [$0], now: [one], unit: unit, priorDeviation: priorDeviation).exceeds(bound, direction: direction) } }
    }
}
