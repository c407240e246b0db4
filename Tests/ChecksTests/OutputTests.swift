import Foundation
import Report
import TestSupport
import Testing

@testable import Checks

/// What each format must be for its readers, whatever names a trace holds.
@Suite struct OutputTests {
    /// Everything that a format could stumble over.
    private static let hostile = "a|b`c<d>&\"'#e%f:g,h@i\u{1}\u{7}\u{1B}[31m\n::error::x\r\t\u{FFFE}\u{202E}é*_[x](y)\\"

    private var result: CheckResult {
        var result = CheckResult(tool: "lazytlb 0", recordings: [Self.hostile])
        result.notes = [Self.hostile]
        result.findings = [
            .init(check: "comparable", subject: "recordings", outcome: .passed, reason: "the same", details: ["x"]),
            .init(check: "baseline", subject: "kernel.ipi_targets", outcome: .failed, reason: "200, 100 in the baseline", numbers: .init(per: "second", rate: 1)),
            .init(check: "baseline", subject: Self.hostile, outcome: .inconclusive, reason: Self.hostile, details: [Self.hostile, "two"]),
            .init(check: "baseline", subject: "c", outcome: .skipped, reason: "not known"),
            .init(check: "conform", subject: "a.dat", bound: "max", outcome: .passed, reason: "99.9 %"),
        ]
        result.conclude()
        return result
    }

    @Test(arguments: CheckFormat.allCases) func `no format has a character that a terminal acts on`(format: CheckFormat) throws {
        let text = try format.render(result)
        #expect(harmful(text).isEmpty)
        #expect(text.contains("é"))
    }

    @Test func `nor has a baseline, or a difference`() throws {
        let recordings = [Recording(report(Self.hostile))]
        let baseline = Baseline(tool: "lazytlb 0", recordings: recordings).json()
        #expect(harmful(baseline).isEmpty)
        #expect(try Baseline(text: baseline, path: "b.json").recordings.map(\.path) == [Self.hostile])
        let diff = Diff(Self.hostile, recordings, Self.hostile, recordings)
        #expect(harmful(try diff.json()).isEmpty)
        #expect(harmful(diff.text()).isEmpty)
    }

    // MARK: JUnit

    private func lint(_ text: String) throws -> Program.Result {
        let schema = Recordings.package.appendingPathComponent("Tests/ChecksTests/junit.xsd").path
        return try withTemporaryFile(Data(text.utf8)) { try Program.run("/usr/bin/xmllint", "--noout", "--schema", schema, $0) }
    }

    @Test func jUnitIsValid() throws {
        let outcome = try lint(CheckFormat.junit.render(result))
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test(arguments: [("<failure", "<failing"), ("name=", "nam="), ("type=", "typ="), ("tests=\"5\"", "tests=\"five\"")])
    func theSchemaNoticesWhatIsWrong(_ old: String, _ new: String) throws {
        let text = try CheckFormat.junit.render(result).replacing(old, with: new).replacing("</failure>", with: old == "<failure" ? "</failing>" : "</failure>")
        let status = try lint(text).status
        #expect(status != 0)
    }

    @Test func jUnitCountsFailuresAndErrorsBySuite() throws {
        let text = try CheckFormat.junit.render(result)
        #expect(text.contains("<testsuites name=\"lazytlb check\" tests=\"5\" failures=\"1\" errors=\"1\">"))
        #expect(text.contains("<testsuite name=\"lazytlb.baseline\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"1\">"))
        #expect(text.contains("<failure message=\"200, 100 in the baseline\" type=\"regression\">"))
    }

    @Test func whatXMLForbidsIsShown() {
        #expect(xml("\u{1}\u{1B}[0m\u{FFFE}") == "\\x01\\x1B[0m\\u{FFFE}")
        #expect(xml("<a & \"b\">\n") == "&lt;a &amp; &quot;b&quot;&gt;&#10;")
    }

    // MARK: KTAP

    @Test func ktapIsReadByAParserOfItsSpecification() throws {
        let tests = try KTAPParser.parse(try CheckFormat.ktap.render(result))
        #expect(tests.map(\.name) == ["lazytlb.comparable", "lazytlb.baseline", "lazytlb.conform"])
        #expect(tests.map(\.isOK) == [true, false, true])
        #expect(tests[1].children.map(\.isOK) == [false, false, true])
        #expect(tests[1].children.map { $0.directive?.prefix(5) } == [nil, "ERROR", "SKIP "])
        #expect(tests[1].children[0].diagnostics == ["200, 100 in the baseline"])
        #expect(tests[1].children[1].name.hasPrefix("a|b`c<d>&\"'\\x23e"))
    }

    @Test(arguments: [("1..3", "1..4"), ("KTAP version 1\n1..", "KTAP version 2\n1.."), ("  ok 1 recordings", "  ok 2 recordings"), ("# SKIP", "# SKOP"), ("not ok 2 lazytlb.baseline", "bad 2 lazytlb.baseline")])
    func theParserNoticesWhatIsWrong(_ old: String, _ new: String) throws {
        let text = try CheckFormat.ktap.render(result)
        #expect(text.contains(old))
        #expect(throws: KTAPParser.Failure.self) { try KTAPParser.parse(text.replacing(old, with: new)) }
    }

    /// A metric with three bounds is three tests, of which each has its own history in a CI server; also where none of them can be judged.
    @Test(arguments: [0, 1]) func eachBoundHasAName(lostGaps: Int) throws {
        let budget = try Budget(text: "schema_version: 1\nmetrics: {recorded.ipi_sends: {max: 1, max_increase: 10 %, max_decrease: 10 %}, recorded.wrong_cpu: {min: 0, max: 1}}", path: "b.yml")
        var bounded = CheckResult(tool: "t", recordings: ["a.dat"])
        bounded.findings = Check(recordings: [Recording(report { $0.trace.lostGaps = lostGaps })]).againstBudget(budget, baseline())
        bounded.conclude()
        let names = ["recorded.ipi_sends max", "recorded.wrong_cpu min and max", "recorded.ipi_sends max_increase", "recorded.ipi_sends max_decrease"]
        let junit = try CheckFormat.junit.render(bounded)
        for name in names { #expect(junit.contains("name=\"\(name)\"")) }
        #expect(try KTAPParser.parse(try CheckFormat.ktap.render(bounded))[0].children.map(\.name) == names)
        #expect(try CheckFormat.text.render(bounded).contains(" recorded.ipi_sends max_decrease: "))
        #expect(bounded.findings.allSatisfy { $0.subject.hasPrefix("recorded.") && !$0.subject.contains(" ") })
        // What is judged by default has one bound, and no name for it.
        #expect(Check(recordings: [Recording(report())]).againstBaseline(baseline()).allSatisfy { $0.bound == nil && $0.title == $0.subject })
    }

    // MARK: GitHub

    @Test func anAnnotationIsOneLineThatNothingBreaksOutOf() throws {
        let lines = try CheckFormat.github.render(result).split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0] == "::error title=lazytlb baseline%3A kernel.ipi_targets::200, 100 in the baseline")
        #expect(lines[1].hasPrefix("::warning title=lazytlb baseline%3A a|b`c<d>&\"'#e%25f%3Ag%2Ch@i"))
        #expect(lines[2].hasPrefix("::notice title=lazytlb check::Regression: kernel.ipi_targets"))
        for line in lines { #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 }) }
    }

    // MARK: Long lists

    /// What has a limit on length gets the first details, and how many more there are.
    @Test(arguments: [(CheckFormat.github, 20), (.markdown, 50)])
    func aThousandDetailsAreCutWhereTheReaderHasALimit(_ format: CheckFormat, _ limit: Int) throws {
        var long = CheckResult(tool: "lazytlb 0", recordings: ["a.dat"])
        long.findings = [.init(check: "conform", subject: "a.dat", outcome: .failed, reason: "90 %", details: (1...1000).map { "deviation<\($0)>" })]
        long.conclude()
        let text = try format.render(long)
        #expect(text.contains("\(limit)") && !text.contains("deviation<\(limit + 1)>") && !text.contains("deviation&lt;\(limit + 1)&gt;"))
        #expect(text.contains("and \(1000 - limit) more lines, in the other formats"))
        #expect(try CheckFormat.junit.render(long).contains("deviation&lt;1000&gt;"))
        #expect(try CheckFormat.ktap.render(long).contains("# deviation<1000>"))
    }

    // MARK: Markdown, text, JSON

    @Test func aCellOfMarkdownHasNoMarkup() throws {
        let lines = try CheckFormat.markdown.render(result).split(separator: "\n")
        let rows = lines.filter { $0.hasPrefix("| inconclusive") }
        #expect(rows.count == 1)
        #expect(rows[0].hasPrefix("| inconclusive | a\\|b\\`c&lt;d&gt;&amp;"))
        // Bars that are not escaped: four of three columns.
        #expect(rows[0].replacing("\\|", with: "").filter { $0 == "|" }.count == 4)
        #expect(!rows[0].contains("<d>"))
    }

    @Test func textShowsWhatFailedFirstAndMovesNoCursor() throws {
        let text = try CheckFormat.text.render(result)
        let failed = try #require(text.range(of: "  FAILED        kernel.ipi_targets: 200"))
        let skipped = try #require(text.range(of: "  skipped       c: not known"))
        #expect(failed.lowerBound < skipped.lowerBound)
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 })
    }

    @Test func resultsBaselinesAndDifferencesAreValidJSON() throws {
        let left = [Recording(report(Self.hostile))]
        var more = report("b.dat")
        more.recorded.ipiSends = 5_000
        more.recorded.scheme = nil
        let texts = [
            try CheckFormat.json.render(result), Baseline(tool: "lazytlb 0", recordings: left + left).json(),
            try Diff("a", left, "b", [Recording(more)]).json(),
        ]
        let validator = Recordings.package.appendingPathComponent("tools/validate-report").path
        for text in texts {
            try withTemporaryFile(Data(text.utf8)) { path in
                let outcome = try Program.run("/usr/bin/python3", validator, "-v", path)
                #expect(outcome.text.hasSuffix(": valid\n"), "\(outcome.text)")
            }
            let broken = text.replacing("\"schema_version\"", with: "\"version\"")
            try withTemporaryFile(Data(broken.utf8)) { path in
                let status = try Program.run("/usr/bin/python3", validator, path).status
                #expect(status == 1)
            }
        }
    }
}
