import LazyTLB
import Reconstruction
import Replay
import TraceData

/// The timeline of the loaded mm, a row an interval.
public struct TimelineLines {
    public enum Format: String, CaseIterable, Sendable { case text, csv, json }

    private let writer: ByteWriter
    private let format: Format
    private let times: TimeFormat
    /// Names of mms, as they were written last: escaped for the format.
    private var names: [Int32: String] = [:]
    private var cells: [Int32: Cell] = [:]
    private var comms: [Comm: Cell] = [:]

    /// - Parameter unit: what the trace's clock counts.
    public init(_ format: Format, to writer: ByteWriter, unit: ReportDocument.Trace.TimeUnit) {
        self.format = format
        times = TimeFormat(unit: unit)
        self.writer = writer
    }

    /// The line above all rows, where the format has one.
    public func header() {
        switch format {
        case .text:
            numbers("CPU", "start", "duration")
            left(Cell(narrow: "task"), Self.taskWidth)
            rest(mm: Cell(narrow: "mm"), loaded: Cell(narrow: "loaded mm"), state: "state", evidence: "evidence", active: "active_mm")
        case .csv: writer.text("cpu,start_ns,end_ns,pid,comm,mm,loaded_mm,state,active_mm,evidence\n")
        case .json: break
        }
    }

    public mutating func line(_ interval: Interval, _ mms: MMTable) {
        switch format {
        case .text: text(interval, mms)
        case .csv: csv(interval, mms)
        case .json: json(interval, mms)
        }
    }

    /// The task's own mm: empty for none.
    private mutating func own(_ mm: MM, _ mms: MMTable) -> String { mm == .none ? "" : name(mm, mms) }

    private mutating func name(_ mm: MM, _ mms: MMTable) -> String {
        if let known = names[mm.index] { return known }
        let name = mms.name(mm)
        names[mm.index] = name
        return name
    }

    private static func comm(_ interval: Interval) -> String {
        if interval.pid == 0 { return "swapper/\(interval.cpu)" }
        return interval.pid < 0 ? "" : nameFromTrace(interval.comm.bytes)
    }

    // MARK: text

    /// A text that is fit for a terminal, and the columns that it takes.
    private struct Cell {
        var text: String
        var width: Int

        init(_ text: String) {
            self.text = text
            width = displayWidth(text)
        }

        /// A text of characters that take one column each.
        init(narrow text: String) {
            self.text = text
            width = text.unicodeScalars.count
        }
    }

    private static let taskWidth = 20

    /// A row is written piece by piece, not made of one string: there may be millions.
    private mutating func text(_ interval: Interval, _ mms: MMTable) {
        numbers(String(interval.cpu), times.moment(interval.start), times.duration(interval.end - interval.start))
        task(interval)
        rest(
            mm: interval.mm == .none ? Cell(narrow: "-") : cell(interval.mm, mms), loaded: cell(interval.loaded, mms), state: interval.state.rawValue,
            evidence: interval.basis.name, active: interval.active == interval.loaded ? nil : "active_mm " + cell(interval.active, mms).text)
    }

    private func numbers(_ cpu: String, _ start: String, _ duration: String) {
        right(Cell(narrow: cpu), 3)
        right(Cell(narrow: start), 16)
        right(Cell(narrow: duration), 9)
    }

    private func rest(mm: Cell, loaded: Cell, state: String, evidence: String, active: String?) {
        left(mm, 16)
        left(loaded, 16)
        left(Cell(narrow: state), 7)
        // No spaces at the end of a line.
        guard let active else { return writer.text(evidence + "\n") }
        left(Cell(narrow: evidence), 10)
        writer.text(active + "\n")
    }

    /// A column of so many characters, and the space behind it.
    private func left(_ cell: Cell, _ width: Int) {
        writer.text(cell.text)
        writer.spaces(max(0, width - cell.width) + 1)
    }

    private func right(_ cell: Cell, _ width: Int) {
        writer.spaces(width - cell.width)
        writer.text(cell.text)
        writer.spaces(1)
    }

    private mutating func task(_ interval: Interval) {
        guard interval.pid >= 0 else { return left(Cell(narrow: "?"), Self.taskWidth) }
        let name: Cell
        if interval.pid == 0 {
            name = Cell("swapper/\(interval.cpu)")
        } else if let known = comms[interval.comm] {
            name = known
        } else {
            name = Cell(printable(nameFromTrace(interval.comm.bytes)))
            // A damaged trace may have any number of names.
            if comms.count < 65_536 { comms[interval.comm] = name }
        }
        writer.text(name.text)
        let pid = String(interval.pid)
        writer.byte(UInt8(ascii: "-"))
        writer.text(pid)
        writer.spaces(max(0, Self.taskWidth - name.width - 1 - pid.utf8.count) + 1)
    }

    private mutating func cell(_ mm: MM, _ mms: MMTable) -> Cell {
        if let known = cells[mm.index] { return known }
        let cell = Cell(printable(mms.name(mm)))
        cells[mm.index] = cell
        return cell
    }

    // MARK: CSV (RFC 4180)

    private mutating func csv(_ interval: Interval, _ mms: MMTable) {
        writer.decimal(UInt64(interval.cpu))
        writer.byte(UInt8(ascii: ","))
        writer.decimal(interval.start)
        writer.byte(UInt8(ascii: ","))
        writer.decimal(interval.end)
        writer.byte(UInt8(ascii: ","))
        if interval.pid >= 0 { writer.signed(Int64(interval.pid)) }
        field(Self.comm(interval))
        field(own(interval.mm, mms))
        field(name(interval.loaded, mms))
        field(interval.state.rawValue)
        field(interval.active == interval.loaded ? "" : name(interval.active, mms))
        field(interval.basis.name)
        writer.byte(UInt8(ascii: "\n"))
    }

    private func field(_ text: String) {
        writer.byte(UInt8(ascii: ","))
        let text = printable(text)
        guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x2c }) else { return writer.text(text) }
        writer.text("\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\"")
    }

    // MARK: JSON, an object a line

    private mutating func json(_ interval: Interval, _ mms: MMTable) {
        var object = JSONObject(writer)
        object.number("cpu", interval.cpu)
        object.number("start_ns", interval.start)
        object.number("end_ns", interval.end)
        object.number("pid", interval.pid < 0 ? nil : interval.pid)
        object.string("comm", interval.pid < 0 ? nil : Self.comm(interval))
        object.string("mm", interval.mm == .none ? nil : name(interval.mm, mms))
        object.string("loaded_mm", name(interval.loaded, mms))
        object.string("state", interval.state.rawValue)
        object.string("active_mm", interval.active == interval.loaded ? nil : name(interval.active, mms))
        object.string("evidence", interval.basis.name)
        object.end()
        writer.byte(UInt8(ascii: "\n"))
    }
}
