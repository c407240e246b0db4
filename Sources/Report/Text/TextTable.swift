/// Tables of text: columns aligned, two spaces apart, indented by two.
extension ReportTable {
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
                let painted = style.paint(text, cell.emphasis)
                line += "  " + (alignment(column) == .right ? padding + painted : painted + (column == last ? "" : padding))
            }
            return line
        }
    }
}

/// If all columns do not fit into the width, it becomes several tables, one below the other, with the same rows.
extension SideBySide {
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
            if first > 0 { result.append("") }
            result += table(first...last).lines(style)
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
    for word in text.utf8.split(separator: UInt8(ascii: " ")).lazy.map({ String(Substring($0)) }) {
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
