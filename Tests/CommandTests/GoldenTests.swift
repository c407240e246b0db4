import Foundation
import Testing

/// Runs the cases of fixtures/golden with the built program. What a case is, its README says; tools/update-goldens renews them.
@Suite struct GoldenTests {
    /// The expected files of all cases, as NAME/expected.FORMAT.
    static let expectations: [String] = {
        let folder = packageFolder.appendingPathComponent("fixtures/golden").path
        return ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.contains("/expected.") }.sorted()
    }()

    @Test func thereAreCases() { #expect(Self.expectations.count >= 10) }

    @Test(arguments: expectations)
    func theOutputIsAsExpected(_ expectation: String) throws {
        let file = packageFolder.appendingPathComponent("fixtures/golden").appendingPathComponent(expectation)
        let words = try String(contentsOf: file.deletingLastPathComponent().appendingPathComponent("args"), encoding: .utf8)
        var arguments = words.split(whereSeparator: \.isWhitespace).map(String.init)
        if file.pathExtension != "txt" { arguments += ["--format", file.pathExtension] }

        let outcome = try lazytlb(arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let output = String(decoding: outcome.output, as: UTF8.self)
        let expected = try String(contentsOf: file, encoding: .utf8)
        guard output != expected else { return }
        let got = output.split(separator: "\n", omittingEmptySubsequences: false)
        let wanted = expected.split(separator: "\n", omittingEmptySubsequences: false)
        let line = zip(got, wanted).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(got.count, wanted.count)
        Issue.record(
            """
            \(expectation) differs at line \(line + 1) (tools/update-goldens if it should)
            expected: \(line < wanted.count ? wanted[line] : "(end)")
            got:      \(line < got.count ? got[line] : "(end)")
            """)
    }
}
