import Foundation
import Testing

@testable import Checks

/// The numbers behind a decision, beside tables and exact values.
@Suite struct StatisticsTests {
    /// Critical values of Student's t (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
    @Test(arguments: [(1.0, 0.05, 6.314), (4.0, 0.05, 2.132), (10.0, 0.01, 2.764), (30.0, 0.001, 3.385), (100.0, 0.025, 1.984)])
    func criticalValuesAreThoseOfTheTables(_ df: Double, _ tail: Double, _ t: Double) {
        #expect(abs(StudentT.quantile(tail: tail, df: df) - t) < 0.001)
        #expect(abs(StudentT.upperTail(t, df: df) - tail) < tail * 0.002)
    }

    /// With one degree of freedom it is Cauchy's distribution.
    @Test func withOneDegreeOfFreedomATailIsAnArcTangent() {
        #expect(abs(StudentT.upperTail(1, df: 1) - 0.25) < 1e-12)
        #expect(StudentT.upperTail(0, df: 7) == 0.5)
        #expect(abs(StudentT.upperTail(-1, df: 1) - 0.75) < 1e-12)
    }

    @Test func holmMultipliesTheSmallestByAllAndNeverFalls() {
        let adjusted = holm([0.01, 0.04, 0.03, 0.005])
        for (found, expected) in zip(adjusted, [0.03, 0.06, 0.06, 0.02]) { #expect(abs(found - expected) < 1e-12) }
        #expect(holm([0.9, 0.8]) == [1, 1])
        #expect(holm([]).isEmpty)
    }

    /// Of the chance of a false alarm the first may use three quarters: 0.02 · 4 / 3; then the second has all.
    @Test func holmGivesEachItsWeight() {
        let adjusted = holm([0.02, 0.03], weights: [3, 1])
        for (found, expected) in zip(adjusted, [0.02 * 4 / 3, 0.03]) { #expect(abs(found - expected) < 1e-12) }
        #expect(holm([0.01, 0.04, 0.03, 0.005], weights: [2, 2, 2, 2]) == holm([0.01, 0.04, 0.03, 0.005]))
    }

    /// Calculated with scipy.stats.t (1.17) by the formulas of RateComparison: p, degrees of freedom, and the limits of the 95 % interval.
    @Test(arguments: [
        // Less than the prior: moderated.
        ([10_000.0, 10_400, 9_900], [12_000.0, 12_300], 0.013658627671240696, 5.082561478551013, 1.0311169287728148, 1.4038654386420513),
        // More: the prior has less weight.
        ([10_000, 14_000, 12_000], [20_000, 17_000], 0.014770846578016585, 3.8662044093277266, 1.0750223636568934, 2.237906722654137),
        // Counting noise, which is known, is a part of it.
        ([20, 30, 25], [50], 0.0032931653190203273, 10.66721623294623, 1.2699849768941625, 3.1699682965934266),
    ])
    func theTestIsThatOfItsDescription(_ old: [Double], _ new: [Double], _ p: Double, _ df: Double, _ low: Double, _ high: Double) {
        let comparison = RateComparison(baseline: samples(old), now: samples(new), unit: .count)
        func isNear(_ found: Double, _ expected: Double) -> Bool { abs(found / expected - 1) < 1e-6 }
        #expect(isNear(comparison.pValue(), p))
        #expect(isNear(comparison.degreesOfFreedom, df))
        let interval = comparison.interval(confidence: 0.95)
        #expect(isNear(interval.lowerBound, low))
        #expect(isNear(interval.upperBound, high))
    }

    /// A baseline of which one recording has a little more says a little less: not nothing. (With 165 p was below 0.0001 once, and with 170 it was 0.06.)
    @Test(arguments: [1.0, 23]) func noSmallStepOfTheSpreadIsALargeOneOfThePValue(factor: Double) {
        func p(_ other: Double) -> Double { RateComparison(baseline: samples([1_300, other]), now: samples([1_000 * factor]), unit: .count).pValue() }
        var last = p(1_300)
        for other in stride(from: 1_302.0, to: 2_600, by: 2) {
            let next = p(other)
            #expect(abs(log(next / last)) < 0.1, "\(other): \(last), \(next)")
            last = next
        }
    }

    /// docs/ci.md: each beside each by more than twice what is allowed, beyond three standard errors of counting (0.0116 and 0.0109 of the large ones).
    @Test(arguments: [
        ([1_000.0, 100_000], [203_000.0], 1.0, true), ([1_000, 100_000], [201_000], 1, false), ([1_000, 100_000], [304_000, 190_000], 1, false),
        ([1_000, 100_000], [304_000], 1.5, true), ([1_000, 100_000], [303_000], 1.5, false), ([20, 2], [60], 1, false), ([20, 2], [90], 1, true),
    ])
    func whatIsTwiceTheAllowedInEachRecordingIsEvident(_ old: [Double], _ now: [Double], _ allowed: Double, _ isEvident: Bool) {
        #expect(RateComparison(baseline: samples(old), now: samples(now), unit: .count).isEvident(allowed, direction: .higherIsWorse) == isEvident)
        // The other way round it is as much less.
        #expect(RateComparison(baseline: samples(now), now: samples(old), unit: .count).isEvident(1 / allowed, direction: .lowerIsWorse) == isEvident)
    }

    /// docs/ci.md: one recording beside errors of counting noise, of the logarithm of two counts sqrt(1 / (a + 0.5) + 1 / (b + 0.5)).
    @Test(arguments: [20.0, 1_000, 100_000]) func countingNoiseIsThreeStandardErrors(count: Double) {
        for errors in [2.5, 2.9, 3.1, 3.5] {
            // The count so many errors above, found by halving: the error hangs on both.
            var (low, high) = (count, 20 * count)
            func distance(_ more: Double) -> Double { log((more + 0.5) / (count + 0.5)) / (1 / (count + 0.5) + 1 / (more + 0.5)).squareRoot() }
            while high - low > 1e-6 * count { if distance((low + high) / 2) < errors { low = (low + high) / 2 } else { high = (low + high) / 2 } }
            let comparison = RateComparison(baseline: samples([count]), now: samples([low]), unit: .count)
            #expect(comparison.exceeds(1, direction: .higherIsWorse) == (errors > 3), "\(errors)")
        }
    }

    /// exp((t(confidence) + t(80 %)) · error): t with 4 degrees of freedom is 2.132 for 5 %, 3.747 for 1 % and 0.941 for 20 % (the tables above).
    @Test(arguments: [(1.0, 2.132), (0.2, 3.747)]) func whatIsOneOfManyNeedsMoreToBeSeen(share: Double, t: Double) {
        // Time has no counting noise: four degrees of freedom, two of them the prior's.
        let comparison = RateComparison(baseline: samples([10_000, 10_000]), now: samples([10_000, 10_000]), unit: .cpuTime)
        #expect(abs(comparison.degreesOfFreedom - 4) < 1e-9)
        #expect(abs(log(comparison.detectableRatio(allowed: 1, direction: .higherIsWorse, confidence: 0.95, share: share)) / comparison.error - (t + 0.941)) < 0.002)
    }

    /// What is allowed is no regression that could be seen, and a decrease that could be is below it.
    @Test func whatCouldBeSeenIsBeyondWhatIsAllowed() {
        let comparison = RateComparison(baseline: samples([10_000, 10_000]), now: samples([10_000, 10_000]), unit: .cpuTime)
        func detectable(_ allowed: Double, _ direction: Metric.Direction) -> Double { comparison.detectableRatio(allowed: allowed, direction: direction, confidence: 0.95, share: 1) }
        let factor = exp((2.132 + 0.941) * comparison.error)
        #expect(abs(detectable(1.5, .higherIsWorse) / (1.5 * factor) - 1) < 0.001)
        #expect(abs(detectable(0.5, .lowerIsWorse) / (0.5 / factor) - 1) < 0.001)
    }

    /// Rates that differ by 23 times leave the test little; twice the larger of them is evident. The log rates' mean is half of ln 23 below that.
    @Test func whatIsEvidentCouldBeSeen() {
        let comparison = RateComparison(baseline: samples([1e9, 23e9]), now: samples([1e9]), unit: .count)
        let power = StudentT.quantile(tail: 0.2, df: comparison.degreesOfFreedom) * comparison.error
        let detectable = comparison.detectableRatio(allowed: 1, direction: .higherIsWorse, confidence: 0.95, share: 1)
        #expect(abs(log(detectable) - log(2) - log(23) / 2 - power) < 0.001)
    }

    @Test func shownRatesAreThoseOfTheRatio() {
        let comparison = RateComparison(baseline: samples([20_000, 80_000]), now: samples([50_000]), unit: .count)
        #expect(abs(comparison.baselineRate - 4_000) < 1e-6)
        #expect(comparison.ratio == comparison.rate / comparison.baselineRate)
        #expect(abs(comparison.rate / comparison.baselineRate - comparison.estimatedRatio) < 1e-4)
        #expect(RateComparison(baseline: samples([0, 10]), now: samples([10]), unit: .count).baselineRate == 0.5)
    }

    private func samples(_ totals: [Double], per exposure: Double = 10) -> [RateComparison.Sample] {
        totals.map { .init(total: $0, exposure: exposure) }
    }

    @Test func theEffectIsTheRatioOfTheRates() {
        let comparison = RateComparison(baseline: samples([10_000, 10_000]), now: samples([24_000, 24_000], per: 20), unit: .count)
        #expect(comparison.ratio == 1.2)
        #expect(abs(comparison.estimatedRatio - 1.2) < 0.001)
        #expect(comparison.baselineRate == 1_000)
        #expect(comparison.rate == 1_200)
    }

    @Test func recordingsThatHappenToAgreeDoNotMakeASmallEffectCertain() {
        let comparison = RateComparison(baseline: samples([10_000, 10_000, 10_000]), now: samples([10_300, 10_300]), unit: .count)
        #expect(comparison.pValue() > 0.2)
    }

    @Test func moreRecordingsMakeTheSameEffectSurer() {
        let few = RateComparison(baseline: samples([10_000, 10_100]), now: samples([12_000, 12_100]), unit: .count)
        let many = RateComparison(
            baseline: samples([10_000, 10_100, 10_050, 9_950, 10_000]), now: samples([12_000, 12_100, 12_050, 11_950, 12_000]), unit: .count)
        #expect(many.pValue() < few.pValue() / 10)
        func detectable(_ comparison: RateComparison) -> Double { comparison.detectableRatio(allowed: 1, direction: .higherIsWorse, confidence: 0.95, share: 0.1) }
        #expect(detectable(many) < detectable(few))
    }

    /// JSON has no infinity, and a degree of freedom no quantile that it could not come to.
    @Test func noRatioIsInfinite() {
        let comparison = RateComparison(baseline: samples([0, 1e-300]), now: samples([1.8e19]), unit: .count)
        let interval = comparison.interval(confidence: 0.999999999999)
        for value in [comparison.ratio ?? .infinity, comparison.estimatedRatio, interval.lowerBound, interval.upperBound, comparison.detectableRatio(allowed: 1, direction: .higherIsWorse, confidence: 0.999999999999, share: 0.01)] {
            #expect(value.isFinite)
        }
    }

    @Test func aDecreaseIsNoRegressionUnlessItIsWorse() {
        let comparison = RateComparison(baseline: samples([10_000, 10_100]), now: samples([5_000, 5_050]), unit: .count)
        #expect(comparison.pValue() > 0.99)
        #expect(comparison.pValue(direction: .lowerIsWorse) < 0.01)
    }

    @Test func whatIsAllowedShiftsTheTest() {
        let comparison = RateComparison(baseline: samples([10_000, 10_100, 9_900]), now: samples([15_000, 15_100, 14_900]), unit: .count)
        #expect(comparison.pValue(allowed: 1.05) < 0.01)
        #expect(comparison.pValue(allowed: 1.6) > 0.5)
    }

    /// Log-normal rates with counting noise, as the test takes them to be, from a generator with a fixed seed: the share of false alarms among
    /// several metrics, of which three have the weight of the leading ones, stays below what the confidence allows; of few events, and of few recordings.
    @Test(arguments: [0.03, 0.1, 0.15], [(2_000.0, 4), (100, 4), (2_000, 2)])
    func falseAlarmsAreNoMoreThanTheConfidenceAllows(_ spread: Double, _ size: (events: Double, baseline: Int)) {
        let (share, error) = falseAlarms(spread, size.events, size.baseline, size.baseline / 2)
        #expect(share < 0.05 + 3 * error)
    }

    /// docs/ci.md has these figures: a workload that varies by more than the prior takes.
    @Test(arguments: [(0.2, 2, 1, 0.06), (0.3, 2, 1, 0.15), (0.2, 4, 2, 0.08), (0.3, 4, 2, 0.08), (0.2, 6, 3, 0.07), (0.3, 6, 3, 0.06)])
    func falseAlarmsOfWhatVariesMoreAreAsDocumented(_ spread: Double, _ baseline: Int, _ now: Int, _ most: Double) {
        let (share, error) = falseAlarms(spread, 2_000, baseline, now)
        #expect(share < most + 3 * error)
    }

    /// The share of checks with a false alarm, by the test or since it is evident, and the standard error of 5 %.
    private func falseAlarms(_ spread: Double, _ events: Double, _ baseline: Int, _ now: Int) -> (share: Double, error: Double) {
        var random = Random(seed: 20_170_628)
        let weights = [10.0, 5, 5, 1, 1, 1, 1, 1]
        var alarms = 0
        let trials = 1_000
        for _ in 0..<trials {
            let comparisons = weights.map { _ in
                func draw(_ count: Int) -> [RateComparison.Sample] {
                    (0..<count).map { _ in
                        let expected = events * exponential(spread * random.normal())
                        return .init(total: max(0, (expected + expected.squareRoot() * random.normal()).rounded()), exposure: 10)
                    }
                }
                return RateComparison(baseline: draw(baseline), now: draw(now), unit: .count)
            }
            let isSignificant = holm(comparisons.map { $0.pValue() }, weights: weights).contains { $0 < 0.05 }
            if isSignificant || comparisons.contains(where: { $0.isEvident(1, direction: .higherIsWorse) }) { alarms += 1 }
        }
        return (Double(alarms) / Double(trials), (0.05 * 0.95 / Double(trials)).squareRoot())
    }
}

/// SplitMix64, and normal numbers by the sum of twelve uniform ones.
struct Random {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((z ^ (z >> 31)) >> 11) / Double(1 << 53)
    }

    mutating func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + uniform() } }

    /// As many uniform numbers as have a product above exp(-mean) (Knuth).
    mutating func poisson(_ mean: Double) -> Double {
        var (count, product) = (0.0, uniform())
        while product > exp(-mean) { (count, product) = (count + 1, product * uniform()) }
        return count
    }
}
