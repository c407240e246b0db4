/// Few events in some recordings beside those in others, exactly.
///
/// The logarithm of few events has no normal error: that of half an event, which stands for none, would be √2, so that 75 beside none were within three of it.
/// But of all events of two sides those of one are binomial, by the exposures E and the ratio r of the rates: with r·E / (r·E + E₀) each
/// (J. Przyborowski, H. Wilenski, Homogeneity of results in testing samples from Poisson series, 1940). The probability of so many or more, as a function of
/// ln r, is the distribution of what ln r the counts are compatible with; what recordings vary by besides is added to that.
struct SparseCounts: Sendable, Equatable {
    /// A side with fewer events than this in a recording, on average, is sparse.
    static let fewest = 10.0
    /// The probability of being three standard errors of a normal distribution above its mean.
    static let threeErrors = 0.00135
    /// More events than this tell no more, and are more than the functions are exact for.
    private static let most = 1e6

    private let baseline: RateComparison.Sample
    private let now: RateComparison.Sample

    private init(_ baseline: RateComparison.Sample, _ now: RateComparison.Sample) { (self.baseline, self.now) = (baseline, now) }

    /// Nil if neither side is sparse.
    init?(baseline: [RateComparison.Sample], now: [RateComparison.Sample]) {
        func all(_ samples: [RateComparison.Sample]) -> RateComparison.Sample {
            let (total, exposure) = (samples.reduce(0) { $0 + $1.total }, samples.reduce(0) { $0 + $1.exposure })
            let part = min(1, Self.most / max(total, 1))
            return .init(total: total * part, exposure: exposure * part)
        }
        func isSparse(_ samples: [RateComparison.Sample]) -> Bool { average(samples.map(\.total)) < Self.fewest }
        guard isSparse(baseline) || isSparse(now) else { return nil }
        self.init(all(baseline), all(now))
    }

    /// The other way round, so that less is more.
    var mirrored: Self { Self(now, baseline) }

    /// The probability of so many events now, or more, if the rate were so many times the baseline's.
    func upperTail(logRatio: Double) -> Double {
        guard now.total > 0 else { return 1 }
        return incompleteBeta(1 / (1 + baseline.exposure / now.exposure * exponential(-logRatio)), now.total, baseline.total + 1)
    }

    /// Where ``upperTail(logRatio:)`` comes to a probability, by halving.
    private func logRatio(at probability: Double) -> Double {
        var (low, high) = (-200.0, 200.0)
        while high - low > 1e-3 {
            let middle = (low + high) / 2
            if upperTail(logRatio: middle) < probability { low = middle } else { high = middle }
        }
        return high
    }

    /// The ln r that the counts are compatible with, and how likely each of them is, but for the outermost ones.
    private func distribution(steps: Int, least: Double) -> [(logRatio: Double, probability: Double)] {
        let (low, high) = (logRatio(at: least), logRatio(at: 1 - least))
        var last = 0.0
        return (1...steps).map { step in
            let end = low + (high - low) * Double(step) / Double(steps)
            let tail = step == steps ? 1 : upperTail(logRatio: end)
            defer { last = tail }
            return (end - (high - low) / Double(2 * steps), tail - last)
        }
    }

    /// The probability of so many events now, or more, if the rate were `allowed` times the baseline's and varied besides.
    ///
    /// - Parameter between: the standard error of ln r by what recordings vary beyond counting, as estimated with so many degrees of freedom.
    func pValue(allowed: Double, between: Double, df: Double) -> Double {
        guard now.total > 0 else { return 1 }
        return Self.tail(distribution(steps: 200, least: 1e-12), logarithm(allowed), between, df)
    }

    private static func tail(_ distribution: [(logRatio: Double, probability: Double)], _ logAllowed: Double, _ between: Double, _ df: Double) -> Double {
        min(1, distribution.reduce(0) { $0 + $1.probability * StudentT.upperTail(($1.logRatio - logAllowed) / between, df: df) })
    }

    /// The ln r below which such counts would have that probability; nil if there is no such limit, as of no event.
    func lowerLimit(tail: Double, between: Double, df: Double) -> Double? {
        guard now.total > 0 else { return nil }
        let distribution = distribution(steps: 80, least: tail / 1000)
        func isBelow(_ logRatio: Double) -> Bool { Self.tail(distribution, logRatio, between, df) < tail }
        var (low, high) = (distribution[0].logRatio - 1, distribution[79].logRatio + 1)
        var reach = 1.0
        while !isBelow(low), reach < 1e3 { (low, reach) = (low - reach, reach * 2) }
        while isBelow(high), reach < 1e3 { (high, reach) = (high + reach, reach * 2) }
        while high - low > 1e-4 {
            let middle = (low + high) / 2
            if isBelow(middle) { low = middle } else { high = middle }
        }
        return low
    }
}
