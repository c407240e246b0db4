import Report

/// Workflow commands of GitHub Actions: an error for each regression, a warning for what is inconclusive, and a notice with the verdict.
///
/// A message that is too long is not shown: of many details the first ones are in it.
func renderGitHub(_ result: CheckResult) -> String {
    var lines: [String] = []
    for finding in result.findings {
        let command: String
        switch finding.outcome {
        case .failed: command = "error"
        case .inconclusive: command = "warning"
        case .passed, .skipped: continue
        }
        let message = ([finding.reason] + finding.details(atMost: 20)).map(printable).joined(separator: "\n")
        lines.append("::\(command) title=\(property("lazytlb \(finding.name)"))::\(data(message))")
    }
    lines.append("::notice title=lazytlb check::\(data(printable(result.summary)))")
    return lines.joined(separator: "\n") + "\n"
}

/// What follows `::` (escapeData of actions/toolkit, packages/core/src/command.ts).
private func data(_ text: String) -> String {
    text.replacing("%", with: "%25").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
}

/// The value of a property (escapeProperty, ibid.).
private func property(_ text: String) -> String {
    data(printable(text)).replacing(":", with: "%3A").replacing(",", with: "%2C")
}
