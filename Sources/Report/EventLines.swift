import Tables
import TraceData

/// Writes the records of one trace, a line each: text as `trace-cmd report -R -t` has it, or NDJSON.
public final class EventLines {
    public enum Format: String, Sendable, CaseIterable { case text, json }

    private let writer: ByteWriter
    private let format: Format
    private let formats: EventFormats
    private let inNanoseconds: Bool
    /// To tell the traces of one run from each other: written into every object, or above the lines of text.
    private let path: String?
    /// By id of the event; -1 for those that no line was written of yet.
    private let planByID = Flat<Int32>(repeating: -1, count: 1 << 16)
    private var plans = FlatList<Plan>()
    /// Each prefix begins with what separates the field from the one before: which is the first one of a record shows when its value is read.
    private var fields = FlatList<(prefix: Labels.Label, reader: FieldReader)>()
    private let labels = Labels()

    /// The fixed parts of an event's lines.
    private struct Plan {
        var name: Labels.Label
        /// As indices of ``fields``.
        var fields: Range<Int32>
    }

    public init(_ file: TraceFile, _ format: Format, to writer: ByteWriter, path: String? = nil) {
        self.writer = writer
        self.format = format
        self.path = path
        formats = file.formats
        inNanoseconds = file.clock.unit == .nanoseconds
        if format == .text, let path { writer.string("# \(printable(path))\n") }
    }

    /// Writes a record; `comm` is the name of the task that was current, nil if unknown.
    public func write(_ record: Record, comm: Comm?) {
        switch (format, record.kind) {
        case (.text, .lost): lostText(record)
        case (.json, .lost): lostJSON(record)
        case (.text, _): text(record, comm)
        case (.json, _): json(record, comm)
        }
    }

    @inline(__always)
    private func plan(_ id: UInt16) -> Plan {
        let known = planByID[Int(id)]
        return known >= 0 ? plans[Int(known)] : newPlan(id)
    }

    @inline(never)
    private func newPlan(_ id: UInt16) -> Plan {
        let event = formats.event(id)
        let first = Int32(fields.count)
        for field in event?.fields ?? [] {
            let prefix = format == .text ? " \(field.name)=" : ",\"\(field.name)\":"
            fields.append((prefix: labels.add(prefix), reader: formats.reader(of: field)))
        }
        let plan = Plan(name: labels.add(event?.name ?? "event-\(id)"), fields: first..<Int32(fields.count))
        planByID[Int(id)] = Int32(plans.count)
        plans.append(plan)
        return plan
    }

    // MARK: Text

    private func text(_ record: Record, _ comm: Comm?) {
        let plan = plan(record.eventID)
        if let comm { writer.printable(comm, columns: 16) } else { writer.text("           <...>") }
        writer.byte(UInt8(ascii: "-"))
        writer.signed(Int64(record.pid))
        writer.spaces((record.pid < 0 ? 4 : 5) - decimalDigits(UInt64(record.pid.magnitude)))
        writer.text(" [")
        writer.decimal(UInt64(UInt32(bitPattern: record.cpu)), width: 3)
        writer.text("] ")
        writer.moment(record.time, inNanoseconds: inNanoseconds, columns: 15)
        writer.text(": ")
        labels.write(plan.name, to: writer)
        writer.text(": ")
        writer.spaces(21 - Int(plan.name.count))
        let fields = fields.base
        var isFirst = true
        for index in plan.fields {
            let (prefix, reader) = fields[Int(index)]
            guard let value = reader.value(record.data) else { continue }
            labels.write(prefix, without: isFirst ? 1 : 0, to: writer)
            isFirst = false
            switch value {
            case .signed(let number): writer.signed(number)
            case .unsigned(let number): writer.decimal(number)
            case .hex(let number): writer.hex(number)
            case .text(let bytes):
                // A line of trace_marker ends with a newline of its own.
                writer.printable(bytes.last == 10 ? UnsafeRawBufferPointer(rebasing: bytes.dropLast()) : bytes)
            case .numbers(let bytes, let size, _):
                writer.text("ARRAY[")
                for position in 0..<bytes.count / size {
                    if position > 0 { writer.text(", ") }
                    if size == 1 { writer.hexByte(bytes[position]) } else { writer.hex(formats.number(bytes, position, size: size)) }
                }
                writer.byte(UInt8(ascii: "]"))
            }
        }
        writer.byte(UInt8(ascii: "\n"))
    }

    private func lostText(_ record: Record) {
        writer.text("CPU:")
        writer.signed(Int64(record.cpu))
        if record.word0 > 0 {
            writer.text(" [")
            writer.decimal(record.word0)
            writer.text(" EVENTS DROPPED]\n")
        } else {
            writer.text(" [EVENTS DROPPED]\n")
        }
    }

    // MARK: JSON

    private func json(_ record: Record, _ comm: Comm?) {
        let plan = plan(record.eventID)
        jsonHead(record)
        writer.text(",\"pid\":")
        writer.signed(Int64(record.pid))
        writer.text(",\"comm\":")
        if let comm { comm.withBytes { writer.json($0) } } else { writer.text("null") }
        writer.text(",\"event\":\"")
        labels.write(plan.name, to: writer)
        writer.text("\",\"flags\":")
        writer.decimal(UInt64(record.flags))
        writer.text(",\"fields\":{")
        let fields = fields.base
        var isFirst = true
        for index in plan.fields {
            let (prefix, reader) = fields[Int(index)]
            guard let value = reader.value(record.data) else { continue }
            labels.write(prefix, without: isFirst ? 1 : 0, to: writer)
            isFirst = false
            switch value {
            case .signed(let number): writer.signed(number)
            case .unsigned(let number): writer.decimal(number)
            case .hex(let number): jsonHex(number)
            case .text(let bytes):
                writer.json(bytes.last == 10 ? UnsafeRawBufferPointer(rebasing: bytes.dropLast()) : bytes)
            case .numbers(let bytes, let size, let hex):
                writer.byte(UInt8(ascii: "["))
                for position in 0..<bytes.count / size {
                    if position > 0 { writer.byte(UInt8(ascii: ",")) }
                    let number = formats.number(bytes, position, size: size)
                    if hex { jsonHex(number) } else { writer.decimal(number) }
                }
                writer.byte(UInt8(ascii: "]"))
            }
        }
        writer.text("}}\n")
    }

    /// A string: addresses do not fit into the numbers of most JSON readers.
    private func jsonHex(_ number: UInt64) {
        writer.byte(UInt8(ascii: "\""))
        writer.hex(number)
        writer.byte(UInt8(ascii: "\""))
    }

    private func lostJSON(_ record: Record) {
        jsonHead(record)
        writer.text(",\"pid\":null,\"comm\":null,\"event\":\"lost\",\"flags\":0,\"fields\":{\"events\":")
        if record.word0 > 0 { writer.decimal(record.word0) } else { writer.text("null") }
        writer.text(",\"after_ns\":")
        if record.word1 > 0 { writer.decimal(record.word1) } else { writer.text("null") }
        writer.text("}}\n")
    }

    private func jsonHead(_ record: Record) {
        writer.byte(UInt8(ascii: "{"))
        if let path {
            writer.text("\"trace\":")
            writer.json(path)
            writer.byte(UInt8(ascii: ","))
        }
        writer.text("\"time_ns\":")
        writer.decimal(record.time)
        writer.text(",\"cpu\":")
        writer.signed(Int64(record.cpu))
    }
}
