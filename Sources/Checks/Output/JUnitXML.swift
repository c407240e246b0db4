import Report

/// JUnit's XML as Jenkins describes it (junit-10.xsd): a suite for each check, a case for each finding. What is inconclusive is an error, not a failure.
func renderJUnit(_ result: CheckResult) -> String {
    func counts(_ findings: [CheckResult.Finding]) -> String {
        func count(_ outcome: CheckResult.Outcome) -> Int { findings.filter { $0.outcome == outcome }.count }
        return "tests=\"\(findings.count)\" failures=\"\(count(.failed))\" errors=\"\(count(.inconclusive))\""
    }
    var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites name=\"lazytlb check\" \(counts(result.findings))>"]
    for (check, findings) in result.groups {
        let skipped = findings.filter { $0.outcome == .skipped }.count
        lines.append("  <testsuite name=\"\(xml("lazytlb.\(check)"))\" \(counts(findings)) skipped=\"\(skipped)\">")
        for finding in findings {
            let head = "    <testcase classname=\"\(xml("lazytlb.\(check)"))\" name=\"\(xml(finding.title))\""
            let body = ([finding.reason] + finding.details).joined(separator: "\n")
            switch finding.outcome {
            case .passed:
                lines += [head + ">", "      <system-out>\(xml(body))</system-out>", "    </testcase>"]
            case .failed, .inconclusive:
                let element = finding.outcome == .failed ? "failure" : "error"
                let type = finding.outcome == .failed ? "regression" : "inconclusive"
                lines += [head + ">", "      <\(element) message=\"\(xml(finding.reason))\" type=\"\(type)\">\(xml(body))</\(element)>", "    </testcase>"]
            case .skipped:
                lines += [head + ">", "      <skipped message=\"\(xml(finding.reason))\"/>", "    </testcase>"]
            }
        }
        lines.append("  </testsuite>")
    }
    return (lines + ["</testsuites>"]).joined(separator: "\n") + "\n"
}
