/// The text form of a report, for a person at a terminal or in a log.
///
/// - Parameter divergenceLimit: how many divergences to list at most, if the document has the list.
public func renderText(_ document: ReportDocument, style: TextStyle, divergenceLimit: Int) -> String {
    let sections = ReportSections(document, width: style.width)
    let head = [style.paint(sections.title, .heading), ""] + sections.headline.flatMap { wrapped($0, width: style.width) }
    return ([head] + sections.all(divergenceLimit: divergenceLimit).map { $0.lines(style) }).map { $0.joined(separator: "\n") + "\n" }.joined(separator: "\n")
}

extension ReportSection {
    fileprivate func lines(_ style: TextStyle) -> [String] {
        [style.paint(title, emphasis)] + blocks.flatMap { block in
            switch block {
            case .table(let table): table.lines(style)
            case .counters(let table): table.lines(style)
            case .line(let text): ["  " + text]
            case .paragraph(let text): wrapped(text, width: style.width)
            case .entry(let place, let kind, let details):
                ["  \(place) \(style.paint(kind, .bad))"] + details.flatMap { wrapped($0, width: style.width, indent: "      ") }
            }
        }
    }
}
