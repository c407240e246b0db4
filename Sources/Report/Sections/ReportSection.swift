/// A part of a report: what it says, whatever form it is written in.
struct ReportSection {
    enum Block {
        case table(ReportTable)
        /// Counters, a column for each of what is compared.
        case counters(SideBySide)
        /// A remark that belongs to the table before or behind it.
        case line(String)
        /// Sentences.
        case paragraph(String)
        /// One of a list: where, what, and more of it, a sentence each.
        case entry(place: String, kind: String, details: [String])
    }

    var title: String
    /// How the title stands out: ``Emphasis/bad`` if it is bad news.
    var emphasis = Emphasis.heading
    var blocks: [Block]

    init(_ title: String, emphasis: Emphasis = .heading, _ blocks: [Block]) { (self.title, self.emphasis, self.blocks) = (title, emphasis, blocks) }
}

/// What a piece of a report is, which decides how it looks.
enum Emphasis {
    case plain, heading, good, bad, faint
}

/// Rows of cells.
struct ReportTable {
    enum Alignment {
        case left, right
    }

    struct Cell: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        var text: String
        var emphasis: Emphasis

        init(_ text: String, _ emphasis: Emphasis = .plain) {
            self.text = text
            self.emphasis = emphasis
        }

        init(stringLiteral value: String) {
            self.init(value)
        }
    }

    /// The titles; nil for a table without a head.
    var head: [String]?
    /// One for each column, the last one goes on for those beyond.
    private let alignments: [Alignment]
    private(set) var rows: [[Cell]] = []

    init(head: [String]? = nil, alignments: [Alignment]) {
        self.head = head
        self.alignments = alignments
    }

    mutating func add(_ cells: [Cell]) {
        rows.append(cells)
    }

    func alignment(_ column: Int) -> Alignment {
        column < alignments.count ? alignments[column] : alignments.last ?? .left
    }
}

/// A table of counters side by side: a row for each counter, a column for each scheme or pair of schemes.
struct SideBySide {
    let columns: [String]
    /// Two spaces before one that is a part of the one above it.
    private(set) var labels: [String] = []
    private(set) var cells: [[ReportTable.Cell]] = []

    init(columns: [String]) {
        self.columns = columns
    }

    mutating func add(_ label: String, _ values: [ReportTable.Cell]) {
        labels.append(label)
        cells.append(values)
    }

    /// Some of the columns, as a table.
    func table(_ range: ClosedRange<Int>) -> ReportTable {
        var table = ReportTable(head: [""] + columns[range], alignments: [.left, .right])
        for (label, row) in zip(labels, cells) { table.add([ReportTable.Cell(label)] + row[range]) }
        return table
    }
}
