import TraceData

/// Writes the records of one trace, a line each: text as `trace-cmd report -R -t` has it, or NDJSON.
public struct EventLines {
    public enum Format: String, Sendable, CaseIterable { case text, json }

    private let writer: ByteWriter
    private let format: Format
    private let formats: EventFormats
    private let inNanoseconds: Bool
    /// Written into every object, to tell the traces of one run from each other.
    private let path: String?
    private var plans: [Plan] = []
    private var planByID: [Int32] = Array(repeating: -1, count: 1 << 16)

    /// The fixed parts of an event's lines.
    private struct Plan {
        var name: [UInt8]
        var fields: [(prefix: [UInt8], field: EventFormats.Field)]
    }

    public init(_ file: TraceFile, _ format: Format, to writer: ByteWriter, path: String? = nil) {
        self.writer = writer
        self.format = format
        self.path = path
        formats = file.formats
        inNanoseconds = file.clock.unit == .nanoseconds
    }

    /// Writes a record; `comm` is the name of the task that was current, nil if unknown.
    public mutating func write(_ record: Record, comm: Comm?) {
        switch (format, record.kind) {
        case (.text, .lost): lostText(record)
        case (.json, .lost): lostJSON(record)
        case (.text, _): text(record, comm)
        case (.json, _): json(record, comm)
        }
    }

    private mutating func plan(_ id: UInt16) -> Int {
        let known = planByID[Int(id)]
        if known >= 0 { return Int(known) }
        let event = formats.event(id)
        let fields = (event?.fields ?? []).enumerated().map { index, field in
            let prefix = format == .text ? (index == 0 ? "" : " ") + field.name + "=" : (index == 0 ? "" : ",") + "\"\(field.name)\":"
            return (prefix: Array(prefix.utf8), field: field)
        }
        plans.append(Plan(name: Array((event?.name ?? "event-\(id)").utf8), fields: fields))
        planByID[Int(id)] = Int32(plans.count - 1)
        return plans.count - 1
    }

    // MARK: Text

    private mutating func text(_ record: Record, _ comm: Comm?) {
        let index = plan(record.eventID)
        withBytes(of: comm) { name in
            writer.spaces(16 - name.count)
            writer.printable(name)
        }
        writer.byte(UInt8(ascii: "-"))
        writer.signed(Int64(record.pid))
        writer.spaces(5 - digits(record.pid))
        writer.text(" [")
        writer.decimal(UInt64(UInt32(bitPattern: record.cpu)), width: 3)
        writer.text("] ")
        time(record.time)
        writer.text(": ")
        writer.bytes(plans[index].name)
        writer.text(": ")
        writer.spaces(21 - plans[index].name.count)
        for (prefix, field) in plans[index].fields {
            guard let value = formats.value(of: field, record.data) else { continue }
            writer.bytes(prefix)
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

    private func time(_ time: UInt64) {
        guard inNanoseconds else {
            writer.spaces(15 - digits(time))
            writer.decimal(time)
            return
        }
        writer.spaces(5 - digits(time / 1_000_000_000))
        writer.decimal(time / 1_000_000_000)
        writer.byte(UInt8(ascii: "."))
        writer.decimal(time % 1_000_000_000, width: 9)
    }

    private func digits(_ value: Int32) -> Int { digits(UInt64(value.magnitude)) + (value < 0 ? 1 : 0) }

    private func digits(_ value: UInt64) -> Int {
        var count = 1
        var rest = value / 10
        while rest != 0 {
            count += 1
            rest /= 10
        }
        return count
    }

    private func withBytes(of comm: Comm?, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard let comm else { return "<...>".utf8.withContiguousStorageIfAvailable { body(UnsafeRawBufferPointer($0)) } ?? () }
        comm.withBytes(body)
    }

    // MARK: JSON

    private mutating func json(_ record: Record, _ comm: Comm?) {
        let index = plan(record.eventID)
        jsonHead(record)
        writer.text(",\"pid\":")
        writer.signed(Int64(record.pid))
        writer.text(",\"comm\":")
        if let comm { comm.withBytes { writer.json($0) } } else { writer.text("null") }
        writer.text(",\"event\":\"")
        writer.bytes(plans[index].name)
        writer.text("\",\"flags\":")
        writer.decimal(UInt64(record.flags))
        writer.text(",\"fields\":{")
        for (prefix, field) in plans[index].fields {
            guard let value = formats.value(of: field, record.data) else { continue }
            writer.bytes(prefix)
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
