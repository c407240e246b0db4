import Report

/// The text form: the verdict first, then each check with what failed or could not be decided before what passed.
func renderText(_ result: CheckResult) -> String {
    var lines = ["\(result.tool): check of \(result.recordings.map(printable).joined(separator: ", "))", "", "  \(printable(result.summary))."]
    for note in result.notes { lines.append("  \(printable(note)).") }
    for (check, findings) in result.groups {
        lines += ["", heading(check)]
        for outcome in [CheckResult.Outcome.failed, .inconclusive, .passed, .skipped] {
            for finding in findings where finding.outcome == outcome {
                let mark = word(outcome)
                lines.append("  \(mark)\(String(repeating: " ", count: 14 - mark.count))\(printable(finding.title)): \(printable(finding.reason))")
                lines += finding.details.map { "                  \(printable($0))" }
            }
        }
    }
    return lines.joined(separator: "\n") + "\n"
}

private func word(_ outcome: CheckResult.Outcome) -> String {
    switch outcome {
    case .failed: "FAILED"
    case .inconclusive: "inconclusive"
    case .passed: "passed"
    case .skipped: "skipped"
    }
}

private func heading(_ check: String) -> String {
    switch check {
    case "comparable": "Comparable with the baseline"
    case "baseline": "Metrics beside the baseline's"
    case "budget": "Budget"
    case "conform": "The recorded kernel beside its own scheme"
    case "no-extra-ipis": "No extra IPIs"
    case "no-stale-active-mm": "No stale active_mm"
    default: printable(check)
    }
}
