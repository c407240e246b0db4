import Report

/// KTAP version 1 (Documentation/dev-tools/ktap.rst): a test for each check, a subtest for each finding. What is inconclusive is `not ok` with the
/// directive ERROR.
func renderKTAP(_ result: CheckResult) -> String {
    let groups = result.groups
    var lines = ["KTAP version 1", "1..\(groups.count)"]
    for (number, group) in groups.enumerated() {
        lines += ["  KTAP version 1", "  # Subtest: \(name("lazytlb.\(group.check)"))", "  1..\(group.findings.count)"]
        for (index, finding) in group.findings.enumerated() {
            lines += ([finding.reason] + finding.details).map { "  # \(printable($0))" }
            let line = "\(index + 1) \(name(finding.title))"
            switch finding.outcome {
            case .passed: lines.append("  ok \(line)")
            case .failed: lines.append("  not ok \(line)")
            case .inconclusive: lines.append("  not ok \(line) # ERROR \(name(finding.reason))")
            case .skipped: lines.append("  ok \(line) # SKIP \(name(finding.reason))")
            }
        }
        let isFine = group.findings.allSatisfy { $0.outcome == .passed || $0.outcome == .skipped }
        lines.append("\(isFine ? "ok" : "not ok") \(number + 1) \(name("lazytlb.\(group.check)"))")
    }
    return lines.joined(separator: "\n") + "\n"
}

/// One line without a `#`, which would begin a directive: descriptions cannot include one, and know no escape.
private func name(_ text: String) -> String {
    printable(text).replacing("#", with: "\\x23")
}
