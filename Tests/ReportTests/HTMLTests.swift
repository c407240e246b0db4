import Foundation
import FoundationXML
import Testing

@testable import Report

/// The page is XML as well, so that a parser can be asked.
@Suite struct HTMLTests {
    private final class Page: NSObject, XMLParserDelegate {
        /// The texts of elements by name, in their order.
        var texts: [String: [String]] = [:]
        private var open: [(name: String, text: String)] = []

        func parser(_ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String] = [:]) { open.append((name, "")) }

        func parser(_ parser: XMLParser, foundCharacters characters: String) {
            for index in open.indices { open[index].text += characters }
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            let element = open.removeLast()
            texts[element.name, default: []].append(element.text)
        }
    }

    private func page(_ html: String) throws -> Page {
        let (parser, page) = (XMLParser(data: Data(html.utf8)), Page())
        parser.delegate = page
        try #require(parser.parse(), "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
        return page
    }

    @Test func theSampleReadsAsItsGolden() throws {
        try expectGolden(renderHTML([(sampleDocument(), nil)], divergenceLimit: 10), "sample.html")
    }

    /// Word for word, in the same order; but for the spaces of columns and lines.
    @Test func itSaysWhatTheTextFormSays() throws {
        func words(_ text: String) -> [Substring] { text.split(whereSeparator: \.isWhitespace) }
        let text = renderText(sampleDocument(), style: TextStyle(width: 260), divergenceLimit: 10)
        let html = renderHTML([(sampleDocument(), nil)], divergenceLimit: 10)
            // Cells are words of their own.
            .replacing("</th>", with: " </th>").replacing("</td>", with: " </td>").replacing("</p>", with: " </p>")
        let body = try #require(try page(html).texts["body"]?.first)
        #expect(words(body) == words(text))
    }

    @Test func aHostileNameStaysAText() throws {
        let evil = "</p><script>alert(1)</script>\u{1B}[2J\u{202E}&\"'"
        var document = sampleDocument()
        document.trace.path = evil
        document.trace.kernel = evil
        document.evidence.notes = [evil]
        document.schemes[evil] = document.schemes["v4.12"]
        document.divergences![0].comm = evil
        document.divergences![0].kind = evil
        document.interrupters[0].process = evil
        document.problems = [.init(offset: 1, cause: evil)]
        let html = renderHTML([(document, nil)], divergenceLimit: 10)
        let found = try page(html).texts
        #expect(found["script"] == nil)
        #expect(found["h1"]?.first?.contains("</p><script>alert(1)</script>\\x1B[2J\\u{202E}&\"'") == true)
        for scalar in html.unicodeScalars where scalar != "\n" {
            #expect(scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format)
        }
    }

    /// It can be sent to somebody who has no network.
    @Test func itRefersToNothingElse() {
        let html = renderHTML([(sampleDocument(), nil)], divergenceLimit: 10)
        for reference in ["http", "src=", "href=", "url(", "@import"] { #expect(!html.contains(reference), "\(reference)") }
    }

    @Test func anEmptyReportIsStillAPage() throws {
        let empty = ReportDocument(tool: .init(version: "1"), trace: .init(path: "x", cpus: 0, events: 0))
        let found = try page(renderHTML([(empty, nil), (empty, nil)], divergenceLimit: 0)).texts
        #expect(found["article"]?.count == 2)
        #expect(found["p"]?.contains("No scheme was replayed.") == true)
    }
}
