import Report

/// GitHub-flavoured Markdown: the verdict, and a table for each check.
///
/// A job's summary has a mebibyte at most: of many details the first ones are in it.
func renderMarkdown(_ result: CheckResult) -> String {
    var lines = ["## lazytlb check: \(title(result.verdict))", "", escaped(result.summary) + ".", ""]
    for note in result.notes { lines += ["- \(escaped(note))."] }
    if !result.notes.isEmpty { lines.append("") }
    for (check, findings) in result.groups {
        lines += ["### \(escaped(check))", "", "| | what | why |", "| --- | --- | --- |"]
        for outcome in [CheckResult.Outcome.failed, .inconclusive, .passed, .skipped] {
            for finding in findings where finding.outcome == outcome {
                let details = finding.details(atMost: 50).map { "<br>" + escaped($0) }.joined()
                lines.append("| \(title(outcome)) | \(escaped(finding.title)) | \(escaped(finding.reason))\(details) |")
            }
        }
        lines.append("")
    }
    return lines.joined(separator: "\n")
}

private func title(_ outcome: CheckResult.Outcome) -> String {
    switch outcome {
    case .passed: "passed"
    case .failed: "**regression**"
    case .inconclusive: "inconclusive"
    case .skipped: "skipped"
    }
}

/// Nothing in it is markup, ends a table's cell, or mentions somebody.
func escaped(_ text: String) -> String {
    var result = ""
    for character in printable(text) {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\\", "|", "`", "*", "_", "[", "]", "#", "~": result += "\\\(character)"
        case "@": result += "&#64;"
        default: result.append(character)
        }
    }
    return result
}
