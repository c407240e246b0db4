import Checks
import Foundation
import Report
import TestSupport

/// What `check`, `baseline` and `diff` read beside traces: reports, baselines and budgets, which others may have written or edited.
///
/// Input: a byte for what it is, the rest is the text.
enum ChecksTarget {
    private static let golden = Recordings.package.appendingPathComponent("fixtures/golden")
    /// A report of one's own, which the text is judged beside.
    private static let own: [ReportDocument] = {
        guard let data = try? Data(contentsOf: golden.appendingPathComponent("report-v4.13-threads/expected.json")), let reports = try? readReports(json: data) else {
            preconditionFailure("no report in fixtures/golden")
        }
        return reports
    }()
    private static let recordings = own.map { Recording($0) }
    private static let baseline = Baseline(tool: "fuzz", recordings: recordings + recordings)

    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: input[1...])
        switch input[0] % 4 {
        case 0, 1: if let reports = try? readReports(json: bytes) { judge(reports) }
        case 2: if let found = try? Baseline(text: String(decoding: bytes, as: UTF8.self), path: "b") { judge(found) }
        default: if let found = try? Budget(text: String(decoding: bytes, as: UTF8.self), path: "b") { judge(found) }
        }
    }

    private static func judge(_ reports: [ReportDocument]) {
        for report in reports {
            render([KernelChecks.conform(report), KernelChecks.noExtraIPIs(report), KernelChecks.noStaleActiveMM(report)])
            _ = renderText(report, style: TextStyle(), divergenceLimit: .max)
        }
        let found = reports.map { Recording($0) }
        against(found, baseline)
        let diff = Diff("a", found, "b", recordings)
        _ = diff.text()
        demand((try? diff.json()) != nil, "a diff has no JSON")
        // What a baseline is made of can be read again.
        let text = (try? Baseline(tool: "fuzz", recordings: found).json()) ?? ""
        demand((try? Baseline(text: text, path: "b")) != nil || found.isEmpty, "a baseline of what was read cannot be read")
    }

    private static func judge(_ found: Baseline) { against(recordings, found) }

    private static func judge(_ budget: Budget) {
        render(Check(recordings: recordings).againstBudget(budget, baseline))
        render(Check(recordings: recordings + recordings).againstBudget(budget, nil))
    }

    private static func against(_ recordings: [Recording], _ baseline: Baseline) {
        var check = Check(recordings: recordings)
        check.options.forcesComparison = true
        render([check.comparable(baseline)] + check.againstBaseline(baseline))
    }

    private static func render(_ findings: [CheckResult.Finding]) {
        var result = CheckResult(tool: "fuzz", recordings: ["a"])
        result.findings = findings
        result.conclude()
        for format in CheckFormat.allCases { demand((try? format.render(result)) != nil, "a result cannot be shown as \(format)") }
    }

    /// Reports, baselines and budgets to begin with.
    static func seeds() throws -> [(name: String, bytes: [UInt8])] {
        var seeds: [(name: String, bytes: [UInt8])] = []
        for name in ["report-v4.13-threads", "report-v4.13-reclaim-plain"] {
            seeds.append((name, [0] + Array(try Data(contentsOf: golden.appendingPathComponent("\(name)/expected.json")))))
        }
        seeds.append(("baseline", [2] + Array(try baseline.json().utf8)))
        for (index, metrics) in ["recorded.ipi_sends: {max: 3, per: second}", "kernel.ipi_targets: {max_increase: 10 %}\n  evidence.unknown_switches: {max: 1 %}"].enumerated() {
            seeds.append(("budget-\(index)", [3] + Array("schema_version: 1\nevidence: {max_unknown: 1 %}\nmetrics:\n  \(metrics)\n".utf8)))
        }
        return seeds
    }
}
