/// A reader of KTAP version 1 that knows nothing of the writer: Documentation/dev-tools/ktap.rst, and nothing beyond it.
struct KTAPParser {
    struct Test: Equatable {
        var isOK: Bool
        var name: String
        var directive: String?
        var children: [Test]
        var diagnostics: [String]
    }

    struct Failure: Error, Equatable {
        var line: Int
        var cause: String
    }

    private var lines: [Substring]
    private var next = 0

    static func parse(_ text: String) throws(Failure) -> [Test] {
        var parser = KTAPParser(lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        guard parser.lines.last == "" else { throw Failure(line: parser.lines.count, cause: "the last line does not end") }
        parser.lines.removeLast()
        let tests = try parser.document(indent: 0)
        if parser.next < parser.lines.count { throw Failure(line: parser.next + 1, cause: "text behind the plan") }
        return tests
    }

    private func fail(_ cause: String) -> Failure { Failure(line: next + 1, cause: cause) }

    /// The line at the reader, without the indentation of its level; nil at the end or on another level.
    private func line(_ indent: Int) -> Substring? {
        guard next < lines.count else { return nil }
        let line = lines[next]
        let spaces = line.prefix { $0 == " " }.count
        return spaces == indent ? line.dropFirst(indent) : nil
    }

    private mutating func document(indent: Int) throws(Failure) -> [Test] {
        guard line(indent) == "KTAP version 1" else { throw fail("expected the version line") }
        next += 1
        while let text = line(indent), text.hasPrefix("# ") { next += 1 }
        guard let plan = line(indent), plan.hasPrefix("1.."), let count = Int(plan.dropFirst(3)) else { throw fail("expected the plan") }
        next += 1
        var tests: [Test] = []
        while tests.count < count { tests.append(try test(indent: indent, number: tests.count + 1)) }
        return tests
    }

    private mutating func test(indent: Int, number: Int) throws(Failure) -> Test {
        var (children, diagnostics): ([Test], [String]) = ([], [])
        while next < lines.count {
            if line(indent + 2) == "KTAP version 1" {
                children = try document(indent: indent + 2)
            } else if let text = line(indent), text.hasPrefix("# ") {
                diagnostics.append(String(text.dropFirst(2)))
                next += 1
            } else {
                break
            }
        }
        guard let text = line(indent) else { throw fail("expected a result") }
        let isOK = text.hasPrefix("ok ")
        guard isOK || text.hasPrefix("not ok ") else { throw fail("expected ok or not ok") }
        var rest = text.dropFirst(isOK ? 3 : 7)
        guard rest.prefix(while: \.isNumber) == "\(number)" else { throw fail("expected number \(number)") }
        rest = rest.drop(while: \.isNumber)
        if rest.hasPrefix(" - ") { rest = rest.dropFirst(3) } else { rest = rest.dropFirst(1) }
        next += 1
        // A description cannot include a `#`: what follows the first is the directive.
        let hash = rest.firstIndex(of: "#")
        var name = String(rest[..<(hash ?? rest.endIndex)])
        let directive = hash.map { String(rest[rest.index(after: $0)...].drop { $0 == " " }) }
        let words = ["SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"]
        if let directive, !words.contains(where: { directive.hasPrefix($0) }) { throw Failure(line: next, cause: "unknown directive \(directive)") }
        while name.last == " " { name.removeLast() }
        return Test(isOK: isOK, name: name, directive: directive, children: children, diagnostics: diagnostics)
    }
}
