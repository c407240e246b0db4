import Testing

@testable import Checks

/// What YAML 1.2 says of a text, as far as budgets and baselines use it.
@Suite struct YAMLTests {
    private func top(_ text: String) throws -> Located { try Located(text, path: "t.yml") }

    @Test(arguments: [
        ("a: 1", true), ("a: 1.5e3", true), ("a: -2", true), ("a: \"1\"", false), ("a: '1'", false), ("a: one", false), ("a: true", false), ("a: ", false),
        ("{\"a\": 1}", true), ("{\"a\": \"1\"}", false),
    ])
    func onlyWhatHasNoQuotesIsANumber(_ text: String, _ isNumber: Bool) throws {
        let value = try top(text).required("a")
        #expect(((try? value.number()) != nil) == isNumber)
    }

    @Test func nullIsATextWithoutQuotes() throws {
        for text in ["a: null", "a: ~", "a:", "{\"a\": null}"] { #expect(try top(text).required("a").isNull) }
        for text in ["a: \"null\"", "a: ''", "a: 0"] { #expect(try !top(text).required("a").isNull) }
    }

    /// YAML 1.2.2, 5.2; RFC 8259, 8.1.
    @Test(arguments: ["a: 1\n", "{\"a\": 1}", "a: 1\nb: [\n"]) func aByteOrderMarkIsNoPartOfTheText(_ text: String) throws {
        do {
            #expect(try top("\u{feff}\(text)").required("a").number() == 1)
        } catch let error as DocumentError {
            let without = #expect(throws: DocumentError.self) { try top(text) }
            #expect(error == without)
        }
    }

    @Test func truthHasNoQuotes() throws {
        #expect(try top("a: yes").required("a").bool())
        #expect(try !top("a: False").required("a").bool())
        #expect(throws: DocumentError.self) { try top("a: \"true\"").required("a").bool() }
    }

    @Test func anAliasStandsForItsAnchor() throws {
        let text = "a: &limit {max: 3}\nb: *limit\n"
        #expect(try top(text).required("b").required("max").number() == 3)
    }

    @Test func anAliasOfWhatHoldsItIsRefused() {
        #expect(throws: DocumentError(path: "t.yml", line: 1, column: 4, cause: "an alias stands for what it is a part of")) { try top("a: &a [*a]\n") }
    }

    /// Each list holds the one before it ten times: 10^30 texts if they were copied.
    @Test func aliasesAreNotCopied() throws {
        var text = "a0: &a0 [x]\n"
        for depth in 1...30 { text += "a\(depth): &a\(depth) [\(Array(repeating: "*a\(depth - 1)", count: 10).joined(separator: ", "))]\n" }
        #expect(try top(text).required("a30").elements().count == 10)
    }

    @Test func nestingHasAnEnd() {
        #expect(throws: DocumentError(path: "t.yml", cause: "more than 200 brackets are open at once")) { try top(String(repeating: "[", count: 100_000)) }
        #expect(throws: DocumentError(path: "t.yml", line: 1, column: 401, cause: "nested more than 200 deep")) { try top(String(repeating: "- ", count: 50_000)) }
    }

    @Test func aSecondDocumentIsRefusedWithItsLine() {
        #expect(throws: DocumentError(path: "t.yml", line: 3, column: 1, cause: "a second document begins")) { try top("a: 1\n---\nb: 2\n") }
    }

    @Test func whatCannotBeScannedIsRefusedWithItsPlace() {
        #expect(throws: DocumentError(path: "t.yml", line: 2, column: 4, cause: "neither YAML nor JSON: found character that cannot start any token")) { try top("a: 1\nb: @x\n") }
        // A control character: by its byte, since nothing of the text is read then.
        #expect(throws: DocumentError(path: "t.yml", cause: "neither YAML nor JSON: control characters are not allowed at byte 3")) { try top("a: \u{1}\n") }
    }
}
