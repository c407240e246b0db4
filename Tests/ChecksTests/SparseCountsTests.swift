import Foundation
import Report
import Testing

@testable import Checks

/// Few events, which are counted exactly.
@Suite struct SparseCountsTests {
    private func samples(_ totals: [Double], per exposure: Double = 10) -> [RateComparison.Sample] { totals.map { .init(total: $0, exposure: exposure) } }

    private func comparison(_ old: [Double], _ new: [Double]) -> RateComparison { RateComparison(baseline: samples(old), now: samples(new), unit: .count) }

    /// The sum of the binomial probabilities, one by one.
    @Test(arguments: [(3, 4, 1.0), (0, 5, 2), (9, 9, 0.5), (2, 40, 3)]) func aTailIsTheSumOfItsProbabilities(old: Int, new: Int, ratio: Double) throws {
        // Of 30 switches against 10.
        let counts = try #require(SparseCounts(baseline: samples([Double(old)], per: 30), now: samples([Double(new)])))
        let (n, p) = (old + new, ratio * 10 / (ratio * 10 + 30))
        func probability(_ k: Int) -> Double { exp(lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1)) + Double(k) * log(p) + Double(n - k) * log1p(-p)) }
        let sum = (new...n).reduce(0) { $0 + probability($1) }
        #expect(abs(counts.upperTail(logRatio: log(ratio)) / sum - 1) < 1e-9)
    }

    /// docs/ci.md: with as many as three standard errors are worth, 0.135 %. Twice the rate makes two of three events: (2/3)^16 = 0.00152, (2/3)^17 = 0.00101;
    /// beside one 21 have 0.00160 and 22 have 0.00111 (scipy.special.betainc).
    @Test(arguments: [(0.0, 16.0, false), (0, 17, true), (0, 75, true), (1, 21, false), (1, 22, true)]) func oneBesideOneIsExact(old: Double, new: Double, exceeds: Bool) {
        #expect(comparison([old], [new]).exceeds(2, direction: .higherIsWorse) == exceeds)
        #expect(comparison([new], [old]).exceeds(0.5, direction: .lowerIsWorse) == exceeds)
    }

    /// docs/ci.md: what depends on idle periods must be beyond another e^0.71, so that 4.06 of 5.06 events are: 0.8022^29 = 0.00168, 0.8022^30 = 0.00135 at most.
    @Test(arguments: [(29.0, false), (30, true)]) func whatDependsOnIdlePeriodsMustBeFurtherApart(new: Double, exceeds: Bool) {
        let comparison = RateComparison(baseline: samples([0]), now: samples([new]), unit: .count, priorDeviation: 0.5)
        #expect(comparison.isWild)
        #expect(comparison.exceeds(2, direction: .higherIsWorse) == exceeds)
        let mirrored = RateComparison(baseline: samples([new]), now: samples([0]), unit: .count, priorDeviation: 0.5)
        #expect(mirrored.exceeds(0.5, direction: .lowerIsWorse) == exceeds)
    }

    /// Calculated with scipy.special.betainc and scipy.stats.t (1.17) on a grid of 20,000 steps: p and the limits of the 95 % interval.
    @Test(arguments: [
        ([3.0, 0, 1], [9.0, 14], 0.00056432, 2.59188, 37.6965), ([0, 0], [71], 8.6313e-06, 36.228, .greatestFiniteMagnitude),
        ([0, 0, 0], [3], 0.0161006, 1.22465, .greatestFiniteMagnitude), ([0, 0, 0], [5, 5], 0.000115623, 3.33998, .greatestFiniteMagnitude),
        ([1, 2], [0], 1, 0, 4.96754),
    ])
    func whatRecordingsVaryByIsAddedToCounting(_ old: [Double], _ new: [Double], _ p: Double, _ low: Double, _ high: Double) {
        let found = comparison(old, new)
        func isNear(_ found: Double, _ expected: Double, _ error: Double) -> Bool { found == expected || abs(found / expected - 1) < error }
        #expect(isNear(found.pValue(), p, 0.03), "\(found.pValue())")
        let interval = found.interval(confidence: 0.95)
        #expect(isNear(interval.lowerBound, low, 0.02) && isNear(interval.upperBound, high, 0.02), "\(interval)")
        // The other way round it is as much less.
        #expect(isNear(comparison(new, old).pValue(direction: .lowerIsWorse), p, 0.03))
    }

    @Test func fewEventsSayLittle() {
        // Of three events all are in this one of four recordings.
        let three = comparison([0, 0, 0], [3]).pValue()
        #expect(three > 1.0 / 64 && three < 1.1 / 64)
        #expect(comparison([0, 0, 0], [3_000]).pValue() < 0.001)
        #expect(comparison([5], [0, 0, 0]).pValue() == 1)
        // Three times as many at least are not likely either, but by less.
        #expect(comparison([0, 0, 0], [10]).pValue(allowed: 3) > comparison([0, 0, 0], [10]).pValue())
    }

    /// The two ways to count agree where the one takes over from the other: 9.9 events beside 10.
    @Test func noSmallStepOfACountIsALargeOneOfThePValue() {
        for now in [16.0, 24, 32] {
            let (few, many) = (comparison([9.9, 9.9], [now]), comparison([10, 10], [now]))
            #expect(abs(log(few.pValue() / many.pValue())) < 0.7, "\(few.pValue()), \(many.pValue())")
        }
    }

    /// Poisson counts of log-normal rates, as the prior takes them to be, from a generator with a fixed seed.
    @Test(arguments: [0.5, 2, 8]) func falseAlarmsAreNoMoreThanTheConfidenceAllows(events: Double) {
        var random = Random(seed: 20_170_628)
        let trials = 300
        var alarms = 0
        for _ in 0..<trials {
            func draw(_ count: Int) -> [Double] { (0..<count).map { _ in random.poisson(events * exponential(0.1 * random.normal())) } }
            if comparison(draw(3), draw(2)).pValue() < 0.05 { alarms += 1 }
        }
        // 5 %, and three standard errors of the estimate.
        #expect(Double(alarms) / Double(trials) < 0.05 + 3 * (0.05 * 0.95 / Double(trials)).squareRoot())
    }

    // MARK: In a check

    private func judge(_ metric: String, _ old: [ReportDocument], _ now: [ReportDocument], _ bound: String = "max_increase: 100 %") throws -> CheckResult.Finding {
        let budget = try Budget(text: "schema_version: 1\nmetrics: {\(metric): {\(bound)}}", path: "b.yml")
        return try #require(Check(recordings: now.map { Recording($0) }).againstBudget(budget, baseline(old)).first)
    }

    private func wrong(_ counts: Int...) -> [ReportDocument] { counts.map { count in report("\(count).dat") { $0.recorded.wrongCPU = count } } }

    @Test func whatWasNeverThereAndIsOftenFails() throws {
        #expect(try judge("recorded.wrong_cpu", wrong(0), wrong(75)).outcome == .failed)
        #expect(try judge("recorded.wrong_cpu", wrong(0), wrong(3)).reason.hasSuffix("more, but by no more than three standard errors of counting"))
        #expect(try judge("recorded.wrong_cpu", wrong(0, 0, 0), wrong(5, 5), "max_increase: 0 %").outcome == .failed)
        let numbers = try #require(try judge("recorded.wrong_cpu", wrong(0, 0, 0), wrong(5, 5)).numbers)
        // Of that there is no upper limit.
        #expect(numbers.ratioHigh == nil && numbers.ratioLow != nil)
    }

    /// docs/ci.md: a fault is no rate. The recordings of kernels that are right have none.
    @Test func theFirstWarningFails() throws {
        func warnings(_ counts: Int...) -> [ReportDocument] { counts.map { count in report("\(count).dat") { $0.schemes["v4.13"]!.warnings = count > 0 ? ["loaded-not-in-mask": count] : [:] } } }
        for metric in ["kernel.warnings", "kernel.warnings.loaded-not-in-mask", "schemes.v4.13.warnings"] {
            for old in [warnings(0), warnings(0, 0, 0)] {
                let finding = try judge(metric, old, warnings(1))
                #expect(finding.outcome == .failed)
                #expect(finding.reason.hasSuffix(": a WARN or BUG condition that the baseline never meets"))
            }
        }
        #expect(try judge("kernel.warnings", warnings(1), warnings(2)).outcome == .passed)
        #expect(try judge("kernel.warnings", warnings(0, 0), warnings(0)).outcome == .passed)
        #expect(try judge("kernel.warnings", warnings(0), warnings(1), "max_decrease: 10 %").outcome == .passed)
    }
}
