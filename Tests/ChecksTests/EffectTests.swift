import Report
import Testing

@testable import Checks

/// What is said of the size of a change, in words and in numbers: that of the rates that stand beside it.
@Suite struct EffectTests {
    /// A metric of a count in some recordings beside that in others.
    private func judge(_ old: [Int], _ now: [Int], _ bound: String) throws -> CheckResult.Finding {
        func recordings(_ counts: [Int]) -> [ReportDocument] {
            counts.enumerated().map { index, count in report("\(index).dat") { $0.recorded.wrongCPU = count } }
        }
        let budget = try Budget(text: "schema_version: 1\nmetrics: {recorded.wrong_cpu: {\(bound)}}", path: "b.yml")
        return try #require(Check(recordings: recordings(now).map { Recording($0) }).againstBudget(budget, baseline(recordings(old))).first)
    }

    @Test func itIsTheRatioOfTheRatesBesideIt() throws {
        let finding = try judge([1], [3], "max_increase: 100 %")
        #expect(finding.outcome == .passed)
        #expect(finding.reason == "0.300 per 1,000 switches, 0.100 in the baseline (+200.0 %), allowed +100 %: more, but by no more than three standard errors of counting")
        #expect(abs(finding.numbers!.ratio! - 3) < 1e-9)
        #expect(try judge([4], [2], "max_increase: 100 %").reason == "0.200 per 1,000 switches, 0.400 in the baseline (-50.0 %), allowed +100 %")
    }

    @Test func whatIsAboveTheAllowedAndPassesSaysWhy() throws {
        let finding = try judge([10, 10, 10], [15], "max_increase: 10 %")
        #expect(finding.outcome == .passed)
        #expect(finding.reason.hasPrefix("1.50 per 1,000 switches, 1 in the baseline (+50.0 %; "), "\(finding.reason)")
        #expect(finding.reason.contains("), allowed +10 %: more, but not beyond chance"), "\(finding.reason)")
        let less = try judge([10, 10, 10], [7], "max_decrease: 10 %")
        #expect(less.reason.contains("), allowed -10 %: less, but not beyond chance"), "\(less.reason)")
        #expect(try !judge([10, 10, 10], [11], "max_increase: 20 %").reason.contains("more, but"))
        #expect(try judge([100, 100, 100], [9_000], "max_increase: 20 %").reason.hasSuffix("), allowed +20 %"))
    }

    /// Of ten events, or of two recordings that differ, a pass says little. The number is that of the JSON form.
    @Test func whatAPassDoesNotExcludeIsSaidIfItIsMuch() throws {
        let more = try judge([10, 10, 10], [11], "max_increase: 20 %")
        #expect(try #require(more.numbers?.detectableRatio) > 2.4)
        #expect(more.reason.hasSuffix("), allowed +20 %; an increase to less than ×\(numberText(more.numbers!.detectableRatio!)) would not be seen"), "\(more.reason)")
        let less = try judge([10, 10, 10], [9], "max_decrease: 20 %")
        #expect(try #require(less.numbers?.detectableRatio) < 0.4)
        #expect(less.reason.hasSuffix("), allowed -20 %; a decrease to more than ×\(numberText(less.numbers!.detectableRatio!)) would not be seen"), "\(less.reason)")
        #expect(try !judge([1_000, 1_000, 1_000], [1_000], "max_increase: 20 %").reason.contains("would not be seen"))
        // Of nothing there is no multiple.
        #expect(try !judge([0, 0, 0], [1], "max_increase: 20 %").reason.contains("would not be seen"))
    }

    /// What has no counting noise is told apart from 0.05 % of the CPU time on.
    @Test func littleTimeIsNotToldApart() throws {
        func stale(_ time: UInt64) -> ReportDocument { report { $0.comparisons[0].staleActiveMMNS = time } }
        let budget = try Budget(text: "schema_version: 1\nmetrics: {comparisons.v4.12/v4.13.stale_active_mm_ns: {max_increase: 100 %}}", path: "b.yml")
        let finding = Check(recordings: [Recording(stale(3_000_000))]).againstBudget(budget, baseline([stale(1_000_000)]))[0]
        #expect(finding.outcome == .passed)
        #expect(finding.reason == "< 0.1 % of the CPU time, < 0.1 % in the baseline (+200.0 %), allowed +100 %: more, but too little to be told apart")
    }

    @Test func aMultipleOfNothingIsNone() throws {
        for now in [0, 3] {
            let numbers = try #require(try judge([0, 0], [now], "max_increase: 0 %").numbers)
            #expect(numbers.ratio == nil)
            let json = try encodedJSON(numbers)
            #expect(!json.contains("\"ratio\""))
            // What the test takes for it, so that zero has a logarithm.
            #expect(json.contains("\"estimated_ratio\""))
            #expect(json.contains("\"ratio_low\""))
        }
        #expect(try judge([2, 2], [0], "max_increase: 0 %").reason.contains("(-100.0 %; "))
    }

    // MARK: Latencies

    private func latency(_ old: [UInt64], _ now: [UInt64], _ bound: String = "max_increase: 100 %") throws -> CheckResult.Finding {
        func recordings(_ times: [UInt64]) -> [ReportDocument] { times.enumerated().map { index, time in report("\(index).dat") { $0.shootdownLatency.p99NS = time } } }
        let budget = try Budget(text: "schema_version: 1\nmetrics: {shootdown_latency.p99_ns: {\(bound)}}", path: "b.yml")
        return try #require(Check(recordings: recordings(now).map { Recording($0) }).againstBudget(budget, baseline(recordings(old))).first)
    }

    /// docs/ci.md: recordings of one workload vary by 0.5, two of them differ by e^0.71, and so far from each other have no error that a report would tell.
    @Test func aLatencyIsBeyondWhatLatenciesVaryBy() throws {
        #expect(try latency([1_000_000], [4_000_000]).outcome == .passed)
        #expect(try latency([1_000_000], [4_100_000]).outcome == .failed)
        #expect(try latency([1_000_000], [4_000_000]).reason == "4.00 ms, 1.00 ms in the baseline (+300.0 %), allowed +100 %: more, but by no more than recordings of one workload vary")
        // Three beside two, which happen to agree: 0.5 · sqrt(1/3 + 1/2) · 2.4 is ln 3.
        #expect(try latency([1_000_000, 1_000_000, 1_000_000], [1_700_000, 1_700_000], "max_increase: 0 %").outcome == .passed)
        #expect(try latency([1_000_000, 1_000_000, 1_000_000], [5_000_000, 5_000_000], "max_increase: 0 %").outcome == .failed)
    }

    @Test func aLatencyHasAUnit() throws {
        #expect(try latency([1], [3_997_695], "max: 5000000").reason == "4.00 ms, within the maximum of 5.00 ms")
        #expect(try latency([1], [5_000_100], "max: 5000000").reason == "5.0001 ms, above the maximum of 5.0000 ms")
        #expect(try latency([1], [999_499], "max: 999").reason == "999 µs, above the maximum of 999 ns")
        #expect(try latency([1], [43_200], "min: 44000").reason == "43.2 µs, below the minimum of 44.0 µs")
    }

    // MARK: Shares in words

    /// As the report has them: rounded to the nearest, but never to nothing or to all.
    @Test(arguments: [(0, "0 %"), (1, "< 0.01 %"), (12_345, "12.35 %"), (99_985, "99.99 %"), (99_995, "> 99.99 %"), (100_000, "100.00 %")])
    func aShareIsWrittenAsInTheReport(part: Int, text: String) {
        #expect(percentText(Double(part) / 100_000, decimals: 2) == text)
        #expect(percent(part, of: 100_000, decimals: 2) == text)
        #expect(percentText(0.9996) == "> 99.9 %")
        #expect(percentText(1) == "100.0 %")
    }

    /// 9,985 of 10,000, by the same rule; and what is less than is asked does not look like as much.
    @Test func whatAKernelConformsByIsThatOfTheReport() {
        func reason(_ matched: Int, _ records: Int = 10_000) -> String {
            KernelChecks.conform(report { document in
                document.evidence.kind = "probes"
                document.conformance = .init(scheme: "v4.13")
                (document.conformance!.records, document.conformance!.predicted, document.conformance!.matched) = (records, records, matched)
            }).reason
        }
        #expect(reason(999_850, 1_000_000).contains("(99.99 %)"))
        #expect(reason(999_999, 1_000_000).contains("(> 99.99 %)"))
        #expect(reason(997_996, 1_000_000).contains("(99.7996 %): less than 99.8 %"), "\(reason(997_996, 1_000_000))")
    }

    // MARK: Options in words

    @Test func whatIsAllowedIsSaidExactly() throws {
        #expect(try judge([1], [1], "max_increase: 0.05 %").reason.hasSuffix("(+0.0 %), allowed +0.05 %"))
        var options = Check.Options()
        (options.tolerance, options.confidence) = (0.0005, 0.999999999999)
        let check = Check(recordings: [Recording(report())], options: options)
        #expect(check.method(baseline([report()])).contains("An increase of more than 0.05 %, "))
        #expect(check.method(baseline()).contains("; confidence 99.9999999999 %."))
        #expect(changeText(1.5e46) == "beyond measure")
        #expect(changeText(12_345) == "×12,345")
    }
}
