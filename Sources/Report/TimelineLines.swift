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

    /// - Parameter countsTime: the trace's clock counts ns, not something else.
    public init(_ format: Format, to writer: ByteWriter, countsTime: Bool) {
        self.format = format
        times = TimeFormat(unit: countsTime ? .ns : .count)
        self.writer = writer
    }

    /// The line above all rows, where the format has one.
    public func header() {
        switch format {
        case .text: writer.text(Self.row("CPU", "start", "duration", "task", "mm", "loaded mm", "state", "active_mm", "evidence"))
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

    private static func row(
        _ cpu: String, _ start: String, _ duration: String, _ task: String, _ mm: String, _ loaded: String, _ state: String, _ active: String,
        _ evidence: String
    ) -> String {
        func left(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - displayWidth(text))) }
        func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - displayWidth(text))) + text }
        let columns = [
            right(cpu, 3), right(start, 16), right(duration, 9), left(task, 20), left(mm, 16), left(loaded, 16), left(state, 7), left(evidence, 10),
            active,
        ]
        var line = columns.joined(separator: " ")
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }

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

    /// The same row as ``row(_:_:_:_:_:_:_:_:_:)``, piece by piece: there may be millions.
    private mutating func text(_ interval: Interval, _ mms: MMTable) {
        right(Cell(narrow: String(interval.cpu)), 3)
        writer.byte(UInt8(ascii: " "))
        right(Cell(narrow: times.moment(interval.start)), 16)
        writer.byte(UInt8(ascii: " "))
        right(Cell(narrow: times.duration(interval.end - interval.start)), 9)
        writer.byte(UInt8(ascii: " "))
        task(interval)
        writer.byte(UInt8(ascii: " "))
        if interval.mm == .none { left(Cell("-"), 16) } else { left(cell(interval.mm, mms), 16) }
        writer.byte(UInt8(ascii: " "))
        left(cell(interval.loaded, mms), 16)
        writer.byte(UInt8(ascii: " "))
        left(Cell(narrow: interval.state.rawValue), 7)
        writer.byte(UInt8(ascii: " "))
        if interval.active == interval.loaded {
            writer.text(interval.basis.name)
        } else {
            left(Cell(narrow: interval.basis.name), 10)
            writer.text(" active_mm ")
            writer.text(cell(interval.active, mms).text)
        }
        writer.byte(UInt8(ascii: "\n"))
    }

    private func left(_ cell: Cell, _ width: Int) {
        writer.text(cell.text)
        writer.spaces(width - cell.width)
    }

    private func right(_ cell: Cell, _ width: Int) {
        writer.spaces(width - cell.width)
        writer.text(cell.text)
    }

    private mutating func task(_ interval: Interval) {
        guard interval.pid >= 0 else { return left(Cell("?"), 20) }
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
        writer.spaces(20 - name.width - 1 - pid.utf8.count)
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
