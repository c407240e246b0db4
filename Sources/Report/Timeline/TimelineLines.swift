import LazyTLB
import Reconstruction
import Replay
import Tables
import TraceData

/// The timeline of the loaded mm, a row an interval.
///
/// There may be millions: a row is written piece by piece, and what recurs is kept as bytes.
public final class TimelineLines: TimelineOutput {
    public enum Format: String, CaseIterable, Sendable { case text, csv, json }

    private let writer: ByteWriter
    private let format: Format
    private let times: TimeFormat
    private let labels = Labels()
    private var mms: MMLabels
    /// By `rawValue`.
    private var bases = FlatList<Labels.Label>()

    /// - Parameter unit: what the trace's clock counts.
    public init(_ format: Format, to writer: ByteWriter, unit: ReportDocument.Trace.TimeUnit) {
        self.format = format
        times = TimeFormat(unit: unit)
        self.writer = writer
        mms = MMLabels(labels) { name in
            switch format {
            case .text: printable(name)
            case .csv: Self.field(name)
            case .json: ByteWriter.string { $0.json(name) }
            }
        }
        for basis in Basis.allCases { bases.append(labels.add(basis.name)) }
    }

    /// Writes the line above all rows, where the format has one.
    public func begin() {
        switch format {
        case .text:
            writer.text("CPU            start  duration task                 mm               loaded mm        state   evidence   active_mm\n")
        case .csv: writer.text("cpu,start_ns,end_ns,pid,comm,mm,loaded_mm,state,active_mm,evidence\n")
        case .json: break
        }
    }

    public func add(_ interval: Interval, _ mms: MMTable) {
        switch format {
        case .text: text(interval, mms)
        case .csv: csv(interval, mms)
        case .json: json(interval, mms)
        }
    }

    public func end() {}

    /// An mm's name in the form that the format asks for.
    @inline(__always)
    private func name(_ mm: MM, _ table: MMTable) -> Labels.Label { mms[mm, table] }

    @inline(__always)
    private func write(_ label: Labels.Label) { labels.write(label, to: writer) }

    /// A column of so many characters, and the space behind it.
    @inline(__always)
    private func left(_ label: Labels.Label, _ width: Int) {
        write(label)
        writer.spaces(max(0, width - Int(label.columns)) + 1)
    }

    // MARK: text

    private static let taskWidth = 20

    private func text(_ interval: Interval, _ table: MMTable) {
        writer.decimal(UInt64(interval.cpu), columns: 3)
        writer.byte(UInt8(ascii: " "))
        writer.moment(interval.start, inNanoseconds: times.unit == .ns, columns: 16)
        writer.byte(UInt8(ascii: " "))
        duration(interval.end - interval.start)
        writer.byte(UInt8(ascii: " "))
        task(interval)
        if interval.mm == .none { writer.text("-                ") } else { left(name(interval.mm, table), 16) }
        left(name(interval.loaded, table), 16)
        let state = Self.name(interval.state)
        writer.text(state)
        writer.spaces(8 - state.utf8CodeUnitCount)
        let basis = bases[Int(interval.basis.rawValue)]
        // No spaces at the end of a line.
        if interval.active == interval.loaded {
            write(basis)
        } else {
            left(basis, 10)
            writer.text("active_mm ")
            write(name(interval.active, table))
        }
        writer.byte(UInt8(ascii: "\n"))
    }

    /// As ``TimeFormat/duration(_:)`` has it, in 9 columns.
    @inline(__always)
    private func duration(_ span: UInt64) {
        // A thousand seconds have a comma.
        guard times.unit == .ns, span < 999_500_000_000 else {
            let text = times.duration(span)
            writer.spaces(9 - displayWidth(text))
            return writer.string(text)
        }
        let figure = TimeFormat.Figure(span)
        let behind = (figure.decimals > 0 ? figure.decimals + 1 : 0) + 1 + figure.unitColumns
        writer.decimal(figure.value / figure.scale, columns: 9 - behind)
        if figure.decimals > 0 {
            writer.byte(UInt8(ascii: "."))
            writer.decimal(figure.value % figure.scale, width: figure.decimals)
        }
        writer.byte(UInt8(ascii: " "))
        writer.text(figure.unit)
    }

    private func task(_ interval: Interval) {
        let pid = UInt64(UInt32(bitPattern: interval.pid))
        var columns: Int
        if interval.pid < 0 {
            writer.text("?")
            return writer.spaces(Self.taskWidth)
        } else if interval.pid == 0 {
            writer.text("swapper/")
            writer.decimal(UInt64(interval.cpu))
            columns = 8 + decimalDigits(UInt64(interval.cpu))
        } else if interval.comm == .empty {
            writer.text("<...>")
            columns = 5
        } else if writer.plain(interval.comm) {
            columns = interval.comm.count
        } else {
            let name = printable(interval.comm.description)
            writer.string(name)
            columns = displayWidth(name)
        }
        writer.byte(UInt8(ascii: "-"))
        writer.decimal(pid)
        columns += 1 + decimalDigits(pid)
        writer.spaces(max(0, Self.taskWidth - columns) + 1)
    }

    // MARK: CSV (RFC 4180)

    private func csv(_ interval: Interval, _ table: MMTable) {
        writer.decimal(UInt64(interval.cpu))
        writer.byte(UInt8(ascii: ","))
        writer.decimal(interval.start)
        writer.byte(UInt8(ascii: ","))
        writer.decimal(interval.end)
        writer.byte(UInt8(ascii: ","))
        if interval.pid >= 0 { writer.decimal(UInt64(interval.pid)) }
        writer.byte(UInt8(ascii: ","))
        comm(interval)
        writer.byte(UInt8(ascii: ","))
        if interval.mm != .none { write(name(interval.mm, table)) }
        writer.byte(UInt8(ascii: ","))
        write(name(interval.loaded, table))
        writer.byte(UInt8(ascii: ","))
        writer.text(Self.name(interval.state))
        writer.byte(UInt8(ascii: ","))
        if interval.active != interval.loaded { write(name(interval.active, table)) }
        writer.byte(UInt8(ascii: ","))
        write(bases[Int(interval.basis.rawValue)])
        writer.byte(UInt8(ascii: "\n"))
    }

    private static func field(_ text: String) -> String {
        let text = printable(text)
        guard text.utf8.contains(where: { $0 == 0x22 || $0 == 0x2c }) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    private static func name(_ state: Interval.State) -> StaticString {
        switch state {
        case .user: "user"
        case .lazy: "lazy"
        case .`init`: "init"
        case .unknown: "unknown"
        }
    }

    /// The task's name; nothing if the task is not known.
    private func comm(_ interval: Interval) {
        if interval.pid < 0 { return }
        if interval.pid == 0 {
            writer.text("swapper/")
            return writer.decimal(UInt64(interval.cpu))
        }
        let isQuoted = interval.comm.withBytes { bytes in bytes.contains { $0 == 0x22 || $0 == 0x2c } }
        if isQuoted || !writer.plain(interval.comm) { writer.string(Self.field(interval.comm.description)) }
    }

    // MARK: JSON, an object a line

    private func json(_ interval: Interval, _ table: MMTable) {
        var object = JSONObject(writer)
        object.number("cpu", interval.cpu)
        object.number("start_ns", interval.start)
        object.number("end_ns", interval.end)
        object.number("pid", interval.pid < 0 ? nil : interval.pid)
        object.raw("comm") {
            if interval.pid < 0 || interval.pid > 0 && interval.comm == .empty { return writer.text("null") }
            if interval.pid > 0 { return interval.comm.withBytes { writer.json($0) } }
            writer.text("\"swapper/")
            writer.decimal(UInt64(interval.cpu))
            writer.text("\"")
        }
        name("mm", interval.mm == .none ? nil : interval.mm, &object, table)
        name("loaded_mm", interval.loaded, &object, table)
        object.string("state", interval.state.rawValue)
        name("active_mm", interval.active == interval.loaded ? nil : interval.active, &object, table)
        object.string("evidence", interval.basis.name)
        object.end()
        writer.byte(UInt8(ascii: "\n"))
    }

    private func name(_ key: StaticString, _ mm: MM?, _ object: inout JSONObject, _ table: MMTable) {
        let label = mm.map { name($0, table) }
        object.raw(key) { if let label { write(label) } else { writer.text("null") } }
    }
}
