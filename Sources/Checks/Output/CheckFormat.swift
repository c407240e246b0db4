import FoundationEssentials
import Report

/// The forms in which the result of a check can be written: one file each.
public enum CheckFormat: String, Sendable, CaseIterable {
    /// For a person.
    case text
    /// For programs: docs/check.schema.json.
    case json
    /// JUnit's XML, which most CI servers show.
    case junit
    /// Workflow commands, which GitHub shows as annotations.
    case github
    /// For a summary page or a comment.
    case markdown
    /// The kernel's own test format (Documentation/dev-tools/ktap.rst).
    case ktap

    public func render(_ result: CheckResult) throws -> String {
        switch self {
        case .text: renderText(result)
        case .json: try encodedJSON(result)
        case .junit: renderJUnit(result)
        case .github: renderGitHub(result)
        case .markdown: renderMarkdown(result)
        case .ktap: renderKTAP(result)
        }
    }
}

/// Keys are sorted and the layout is fixed, so that results can be compared as text.
func encodedJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return safeForTerminals(json: try encoder.encode(value)) + "\n"
}

extension CheckResult.Finding {
    /// The details, or so many of them and how many more there are.
    func details(atMost limit: Int) -> [String] {
        details.count <= limit ? details : details.prefix(limit) + ["and \(grouped(details.count - limit)) more lines, in the other formats"]
    }
}

extension CheckResult {
    /// The findings of each check, in the order in which the checks were made.
    var groups: [(check: String, findings: [Finding])] {
        var groups: [(check: String, findings: [Finding])] = []
        for finding in findings {
            if groups.last?.check == finding.check {
                groups[groups.count - 1].findings.append(finding)
            } else {
                groups.append((finding.check, [finding]))
            }
        }
        return groups
    }
}
