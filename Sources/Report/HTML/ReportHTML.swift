/// The HTML form of reports: a page that needs nothing beside it, to be kept with a CI run or sent to somebody.
///
/// - Parameters:
///   - reports: each with a picture of its timeline (SVG), if there is one.
///   - divergenceLimit: how many divergences to list at most, if a document has the list.
public func renderHTML(_ reports: [(document: ReportDocument, picture: String?)], divergenceLimit: Int) -> String {
    let bodies = reports.map { document, picture in
        let sections = ReportSections(document, width: HTML.columns)
        return """
            <article>
            <h1>\(xml(sections.title))</h1>
            \(sections.headline.map { "<p class=\"headline\">\(xml($0))</p>" }.joined(separator: "\n"))
            \(picture.map { "<figure>\n\($0)</figure>\n" } ?? "")\
            \(sections.all(divergenceLimit: divergenceLimit).map(HTML.section).joined(separator: "\n"))
            </article>
            """
    }
    let title = reports.map { printable($0.document.trace.path) }.joined(separator: ", ")
    return """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width"/>
        <title>lazytlb: \(xml(title))</title>
        <style>
        \(HTML.style)
        </style>
        </head>
        <body>
        \(bodies.joined(separator: "\n"))
        </body>
        </html>

        """
}

private enum HTML {
    /// How wide a table of numbers may be: what a window of some 1,900 pixels shows.
    static let columns = 260

    static let style = """
        body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 2em auto; max-width: 1340px; padding: 0 1em }
        h1 { font-size: 1.3em; overflow-wrap: anywhere } h2 { font-size: 1.05em; margin: 1.8em 0 .4em }
        article + article { border-top: 2px solid #ccc; margin-top: 3em }
        .headline { font-size: 1.1em; margin: .3em 0 } p { margin: .3em 0; max-width: 75em }
        figure { margin: 1.5em 0; overflow-x: auto }
        .scroll { overflow-x: auto } table { border-collapse: collapse; margin: .3em 0 }
        th, td { padding: .1em .8em .1em 0; text-align: left; vertical-align: top; font-variant-numeric: tabular-nums; white-space: nowrap }
        thead th { border-bottom: 1px solid #ccc; font-weight: 600 } tbody th { font-weight: normal } tbody tr:hover { background: #f2f6fa }
        .right { text-align: right } .part { padding-left: 1.5em } .faint { color: #767676 } .bad { color: #b00020; font-weight: 600 } .good { color: #1b6e3c }
        li { margin: .3em 0 } li p { margin: 0 }
        """

    static func section(_ section: ReportSection) -> String {
        var parts = ["<section>", "<h2\(attribute(section.emphasis == .bad ? ["bad"] : []))>\(xml(section.title))</h2>"]
        var isInList = false
        for block in section.blocks {
            var isEntry = false
            if case .entry = block { isEntry = true }
            if isEntry != isInList { parts.append(isEntry ? "<ul>" : "</ul>") }
            isInList = isEntry
            switch block {
            case .table(let rows): parts.append(table(rows))
            case .counters(let counters): parts.append(counters.columns.isEmpty ? "" : table(counters.table(0...counters.columns.count - 1)))
            case .line(let text), .paragraph(let text): parts.append("<p>\(xml(text))</p>")
            case .entry(let place, let kind, let details):
                let more = details.map { "<p class=\"faint\">\(xml($0))</p>" }.joined()
                parts.append("<li><p>\(xml(place)) <span class=\"bad\">\(xml(kind))</span></p>\(more)</li>")
            }
        }
        if isInList { parts.append("</ul>") }
        return (parts + ["</section>"]).joined(separator: "\n")
    }

    private static func table(_ table: ReportTable) -> String {
        var lines = ["<div class=\"scroll\"><table>"]
        if let head = table.head {
            let cells = head.enumerated().map { column, title in "<th scope=\"col\"\(attribute(table.alignment(column) == .right ? ["right"] : []))>\(xml(title))</th>" }
            lines.append("<thead><tr>\(cells.joined())</tr></thead>")
        }
        lines.append("<tbody>")
        for row in table.rows {
            let cells = row.enumerated().map { column, cell in
                // What a row is called stands in its first cell, indented if it is a part of the row above.
                let (element, scope) = column == 0 ? ("th", " scope=\"row\"") : ("td", "")
                var classes = table.alignment(column) == .right ? ["right"] : []
                if column == 0, cell.text.hasPrefix("  ") { classes.append("part") }
                classes += name(cell.emphasis)
                return "<\(element)\(scope)\(attribute(classes))>\(xml(String(cell.text.drop { $0 == " " })))</\(element)>"
            }
            lines.append("<tr>\(cells.joined())</tr>")
        }
        return (lines + ["</tbody></table></div>"]).joined(separator: "\n")
    }

    private static func attribute(_ classes: [String]) -> String { classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"" }

    private static func name(_ emphasis: Emphasis) -> [String] {
        switch emphasis {
        case .plain, .heading: []
        case .good: ["good"]
        case .bad: ["bad"]
        case .faint: ["faint"]
        }
    }
}
