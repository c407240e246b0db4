/// A table of text: columns aligned, two spaces apart, indented by two.
struct TextTable {
    enum Alignment {
        case left, right
    }

    struct Cell: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        var text: String
        var role: TextStyle.Role

        init(_ text: String, _ role: TextStyle.Role = .plain) {
            self.text = text
            self.role = role
        }

        init(stringLiteral value: String) {
            self.init(value)
        }
    }

    /// The titles; nil for a table without a head.
    var head: [String]?
    /// One for each column, the last one goes on for those beyond.
    var alignments: [Alignment]
    private(set) var rows: [[Cell]] = []

    init(head: [String]? = nil, alignments: [Alignment]) {
        self.head = head
        self.alignments = alignments
    }

    mutating func add(_ cells: [Cell]) {
        rows.append(cells)
    }

    /// Columns of the widest line.
    var width: Int {
        lines(TextStyle(width: .max)).map(displayWidth).max() ?? 0
    }

    /// The lines of the table. Where it is too wide, its first column is shortened, to no less than 12 columns.
    func lines(_ style: TextStyle) -> [String] {
        let all = (head.map { [$0.map { Cell($0, .faint) }] } ?? []) + rows
        let columnCount = all.map(\.count).max() ?? 0
        var widths = [Int](repeating: 0, count: columnCount)
        for row in all {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], displayWidth(cell.text)) }
        }
        let total = widths.reduce(2 * columnCount, +)
        if total > style.width, columnCount > 1 { widths[0] = max(min(12, widths[0]), widths[0] - (total - style.width)) }
        return all.map { row in
            var line = ""
            let last = row.lastIndex { !$0.text.isEmpty } ?? -1
            for (column, cell) in row.prefix(last + 1).enumerated() {
                let text = column == 0 ? truncated(cell.text, toColumns: widths[0]) : cell.text
                let padding = String(repeating: " ", count: max(0, widths[column] - displayWidth(text)))
                let painted = style.paint(text, cell.role)
                line += "  " + (alignment(column) == .right ? padding + painted : painted + (column == last ? "" : padding))
            }
            return line
        }
    }

    private func alignment(_ column: Int) -> Alignment {
        column < alignments.count ? alignments[column] : alignments.last ?? .left
    }
}

/// A table of counters side by side: a row for each counter, a column for each scheme or pair of schemes.
///
/// If all columns do not fit into the width, it becomes several tables, one below the other, with the same rows.
struct SideBySide {
    var columns: [String]
    private var labels: [String] = []
    private var cells: [[TextTable.Cell]] = []

    init(columns: [String]) {
        self.columns = columns
    }

    mutating func add(_ label: String, _ values: [TextTable.Cell]) {
        labels.append(label)
        cells.append(values)
    }

    func lines(_ style: TextStyle) -> [String] {
        let labelWidth = labels.map(displayWidth).max() ?? 0
        let widths = columns.indices.map { column in
            cells.map { displayWidth($0[column].text) }.reduce(displayWidth(columns[column]), max)
        }
        var result: [String] = []
        var first = 0
        while first < columns.count {
            var last = first
            var width = 2 + labelWidth + 2 + widths[first]
            while last + 1 < columns.count, width + 2 + widths[last + 1] <= style.width {
                last += 1
                width += 2 + widths[last]
            }
            var table = TextTable(head: [""] + columns[first...last], alignments: [.left, .right])
            for (label, row) in zip(labels, cells) { table.add([TextTable.Cell(label)] + row[first...last]) }
            if first > 0 { result.append("") }
            result += table.lines(style)
            first = last + 1
        }
        return result
    }
}

/// Text broken at spaces into lines of at most so many columns.
func wrapped(_ text: String, width: Int, indent: String = "  ") -> [String] {
    var lines: [String] = []
    var line = ""
    var used = 0
    for word in text.split(separator: " ") {
        let columns = displayWidth(word)
        if !line.isEmpty, used + 1 + columns > width {
            lines.append(line)
            line = ""
        }
        if line.isEmpty {
            line = indent
            used = displayWidth(indent)
        } else {
            line += " "
            used += 1
        }
        line += word
        used += columns
    }
    if !line.isEmpty { lines.append(line) }
    return lines
}
