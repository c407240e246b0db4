import LazyTLB
import Reconstruction
import Replay

/// The timeline as a picture (SVG 1.1): a bar for each CPU, in the colours of the mms that it had loaded.
///
/// The width is fixed, so that a picture of any length has a size that can be looked at. In a column of a pixel's width the height of a colour is its share of the column's
/// time: areas are times, and nothing is left out for being short. It is drawn behind the last interval, since only then it is known which mms were loaded longest.
public final class TimelinePicture: TimelineOutput {
    private let writer: ByteWriter
    private let subject: TimelineSubject
    private var columns: TimelineColumns
    private var mms = MMTable()
    /// What the identifiers of its patterns begin with.
    private let prefix: String

    /// - Parameter prefix: another one for each picture of a document; a letter first.
    public init(to writer: ByteWriter, _ subject: TimelineSubject, prefix: String = "") {
        (self.writer, self.subject, self.prefix) = (writer, subject, prefix)
        columns = TimelineColumns(of: subject.span, most: PictureLayout.columns(cpus: subject.cpus))
    }

    public func begin() {}

    public func add(_ interval: Interval, _ mms: MMTable) {
        self.mms = mms
        columns.add(interval)
    }

    public func end() {
        columns.finish()
        let rows = columns.cpus.indices.filter { columns.cpus[$0] != nil }
        let legend = PictureLegend(columns, mms)
        let lines = explanation(hasStale: legend.stale > 0)
        let layout = PictureLayout(rows: rows.count, columns: columns.count, entries: legend.entries.count, lines: lines.count, hasStale: legend.stale > 0)
        head(layout, legend)
        axis(layout)
        for (place, cpu) in rows.enumerated() { row(cpu, at: layout.top(of: place), isNamed: place % layout.named == 0, layout, legend) }
        entries(layout, legend)
        for (place, line) in lines.enumerated() {
            writer.string("<text x=\"\(PictureLayout.margin)\" y=\"\(layout.explanation + place * 16)\" class=\"small\">\(xml(line))</text>\n")
        }
        writer.text("</svg>\n")
    }

    // MARK: around the bars

    private func head(_ layout: PictureLayout, _ legend: PictureLegend) {
        let trace = xml(printable(subject.trace))
        writer.string(
            """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(layout.width)" height="\(layout.height)" viewBox="0 0 \(layout.width) \(layout.height)" \
            font-family="sans-serif" font-size="12">
            <title>Loaded mm by CPU: \(trace)</title>
            <style>

            """)
        for slot in 0..<PictureLegend.slots { writer.string(".u\(slot){fill:\(PictureLegend.colour(slot))}.l\(slot){fill:url(#\(prefix)l\(slot))}\n") }
        writer.string(".i{fill:\(PictureLegend.initMM)}.x{fill:url(#\(prefix)x)}.s{fill:\(PictureLegend.stale)}.grid{stroke:#000;stroke-opacity:.25}.small{fill:#555}\n</style>\n<defs>\n")
        for slot in 0..<PictureLegend.slots {
            let colour = PictureLegend.colour(slot)
            writer.string(
                "<pattern id=\"\(prefix)l\(slot)\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
                    + "<rect width=\"5\" height=\"5\" fill=\"\(colour)\" fill-opacity=\".25\"/><rect width=\"1.5\" height=\"5\" fill=\"\(colour)\"/></pattern>\n")
        }
        writer.string(
            """
            <pattern id="\(prefix)x" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="#fff"/><circle cx="2.5" cy="2.5" r=".8" fill="#999"/></pattern>
            </defs>
            <rect width="\(layout.width)" height="\(layout.height)" fill="#fff"/>
            <text x="\(PictureLayout.margin)" y="20" font-size="14" font-weight="bold">Loaded mm by CPU: \(trace)</text>
            <text x="\(PictureLayout.margin)" y="38" class="small">\(xml(subtitle))</text>

            """)
    }

    private var subtitle: String {
        let times = TimeFormat(unit: subject.unit)
        let span = columns.span
        let length = times.duration(span.upperBound - span.lowerBound)
        return "\(subject.whose); \(length) from \(times.moment(span.lowerBound)) on, clock \(printable(subject.clock)); evidence \(subject.evidence)"
    }

    private func axis(_ layout: PictureLayout) {
        let ticks = PictureTicks(columns.span, unit: subject.unit)
        let length = Double(max(1, columns.span.upperBound - columns.span.lowerBound))
        for time in ticks.times {
            let place = Double(time - columns.span.lowerBound) / length * Double(PictureLayout.chart)
            let x = fixed(Double(PictureLayout.left) + place, 1).filter { $0 != "," }
            // Not beyond the picture's edge.
            let anchor = place > Double(PictureLayout.chart - 30) ? "end" : "middle"
            writer.string(
                "<path class=\"grid\" d=\"M\(x) \(layout.axis - 4)v4\"/><text x=\"\(x)\" y=\"\(layout.axis - 8)\" text-anchor=\"\(anchor)\" class=\"small\">\(ticks.label(time))</text>\n")
        }
    }

    private func entries(_ layout: PictureLayout, _ legend: PictureLegend) {
        for (place, entry) in legend.entries.enumerated() {
            let (x, y) = layout.entry(place)
            for (index, style) in entry.styles.enumerated() {
                writer.string("<rect x=\"\(x + index * 18)\" y=\"\(y - 10)\" width=\"16\" height=\"11\" class=\"\(style)\" stroke=\"#999\" stroke-width=\".5\"/>")
            }
            writer.string("<text x=\"\(x + 42)\" y=\"\(y)\">\(xml(entry.text))</text>\n")
        }
    }

    private func explanation(hasStale: Bool) -> [String] {
        let width = max(1, columns.span.upperBound - columns.span.lowerBound) / UInt64(max(1, columns.count))
        var lines = [
            "Filled: a task with the mm runs. Hatched: lazy, a task without an mm runs on it. The height of a colour is its share of \(TimeFormat(unit: subject.unit).duration(width)), "
                + "the time of a column; shares in the legend are of the time of all CPUs shown."
        ]
        if hasStale { lines.append("Below a bar: where the scheme's active_mm names another mm than the loaded one.") }
        return lines
    }

    // MARK: bars

    /// A rectangle in units of half a pixel from a bar's lower edge.
    private struct Box {
        var column: Int
        var columns: Int
        var bottom: Int
        var top: Int
    }

    private func row(_ cpu: Int, at y: Int, isNamed: Bool, _ layout: PictureLayout, _ legend: PictureLegend) {
        guard let known = columns.cpus[cpu] else { return }
        if isNamed {
            writer.string("<text x=\"\(PictureLayout.left - 6)\" y=\"\(y + layout.bar / 2 + 4)\" text-anchor=\"end\">CPU \(cpu)</text>\n")
        }
        var boxes: [PictureLegend.Style: [Box]] = [:]
        var times: [PictureLegend.Style: UInt64] = [:]
        var place = known.parts.startIndex
        while place < known.parts.endIndex {
            let column = known.parts[place].column
            let end = known.parts[place...].firstIndex { $0.column != column } ?? known.parts.endIndex
            stack(known.parts[place..<end], layout, legend, &boxes, &times)
            place = end
        }
        writer.string("<g transform=\"translate(\(PictureLayout.left) \(y))\">\n")
        let whole = columns.span.upperBound - columns.span.lowerBound
        for style in boxes.keys.sorted() {
            let title = "CPU \(cpu): \(legend.name(style)), \(percent(times[style]!, of: whole))"
            path(boxes[style]!, height: layout.bar, style.name, title, layout)
        }
        if !known.stale.isEmpty {
            var boxes: [Box] = []
            for (column, time) in known.stale.enumerated() where time > 0 {
                Self.add(Box(column: column, columns: 1, bottom: 0, top: height(time, of: column, layout.strip * 2)), to: &boxes)
            }
            writer.string("<g transform=\"translate(0 \(layout.bar + 1))\">")
            path(boxes, height: layout.strip, "s", "CPU \(cpu): active_mm names another mm, \(percent(known.stale.reduce(0, +), of: whole))", layout)
            writer.text("</g>\n")
        }
        writer.text("</g>\n")
    }

    /// The parts of one column, one on the other.
    private func stack(
        _ parts: ArraySlice<TimelineColumns.Part>, _ layout: PictureLayout, _ legend: PictureLegend, _ boxes: inout [PictureLegend.Style: [Box]],
        _ times: inout [PictureLegend.Style: UInt64]
    ) {
        var sums: [PictureLegend.Style: UInt64] = [:]
        for part in parts { sums[legend.style(part.kind), default: 0] += part.time }
        var (below, bottom) = (0 as UInt64, 0)
        let column = Int(parts.first!.column)
        for (style, time) in sums.sorted(by: { $0.key < $1.key }) {
            times[style, default: 0] += time
            below += time
            let top = height(below, of: column, layout.bar * 2)
            if top > bottom { Self.add(Box(column: column, columns: 1, bottom: bottom, top: top), to: &boxes[style, default: []]) }
            bottom = top
        }
    }

    private func height(_ time: UInt64, of column: Int, _ full: Int) -> Int {
        let whole = columns.start(column + 1) - columns.start(column)
        return Int((Double(time) / Double(whole) * Double(full)).rounded())
    }

    /// Makes the last box wider where this one carries on with it.
    private static func add(_ box: Box, to boxes: inout [Box]) {
        if let last = boxes.last, last.column + last.columns == box.column, last.bottom == box.bottom, last.top == box.top {
            boxes[boxes.count - 1].columns += 1
        } else if box.top > box.bottom {
            boxes.append(box)
        }
    }

    private func path(_ boxes: [Box], height: Int, _ style: String, _ title: String, _ layout: PictureLayout) {
        if boxes.isEmpty { return }
        writer.string("<path class=\"\(style)\" d=\"")
        for box in boxes {
            writer.text("M")
            layout.write(box.column, to: writer)
            writer.text(" ")
            half(height * 2 - box.top)
            writer.text("h")
            layout.write(box.columns, to: writer)
            writer.text("v")
            half(box.top - box.bottom)
            writer.text("h-")
            layout.write(box.columns, to: writer)
            writer.text("z")
        }
        writer.string("\"><title>\(xml(title))</title></path>\n")
    }

    private func half(_ value: Int) {
        writer.decimal(UInt64(value / 2))
        if value % 2 == 1 { writer.text(".5") }
    }
}
