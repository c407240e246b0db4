import CTraceEvent

/// The events that a trace declares: how their records are laid out, and what they are to the replay.
///
/// Formats are parsed with libtraceevent while the file is opened. Afterwards nothing changes and no C is called, so streams on
/// different threads share one object.
public final class EventFormats: @unchecked Sendable {
    /// One field of an event.
    public struct Field: Sendable {
        public var name: String
        /// The C type, e.g. `__data_loc char[]`.
        public var type: String
        /// Bytes from the start of the record.
        public var offset: Int
        public var size: Int
        public var elementSize: Int
        public var isSigned: Bool
        public var isArray: Bool
        public var isString: Bool
        /// The field holds a u32: offset (low half) and length (high half) of its value in the record (__data_loc).
        public var isDynamic: Bool
        /// As dynamic, but the offset counts from the end of this field (__rel_loc).
        public var isRelative: Bool
        public var isPointer: Bool
        /// How the event's own print format shows an integer.
        public var style: IntegerStyle
    }

    /// How an integer is shown.
    public enum IntegerStyle: BitwiseCopyable, Sendable { case signed, unsigned, hex }

    /// One event.
    public struct Event: Sendable {
        public var id: Int
        public var system: String
        public var name: String
        public var kind: Record.Kind
        /// Its own fields; the common ones are in every record.
        public var fields: [Field]

        /// Finds a field by its name.
        public func field(_ name: String) -> Field? { fields.first { $0.name == name } }
    }

    /// All events by ascending id.
    public let events: [Event]
    /// Formats that cannot be used.
    public let refused: [Refusal]
    let bigEndian: Bool
    let longSize: Int
    let layout: RecordLayout
    private let indexByID: [Int: Int]

    /// Format texts of a file, as it stores them.
    struct Source {
        var system: String
        var text: UnsafeRawBufferPointer
        /// Where the text is in the file: an error that lacks its cause.
        var place = TraceError(path: "", cause: "")

        func isSame(as other: Source) -> Bool { system == other.system && text.elementsEqual(other.text) }
    }

    /// A format that cannot be used.
    public struct Refusal: Sendable {
        /// Where it is, which one it is, and why.
        public var error: TraceError
        /// The replay reads records of this event, or which event it is cannot be told: without the format they would be missing.
        public var isNeeded: Bool

        init(_ source: Source, _ cause: String) {
            error = source.place
            error.cause = "event format of no use: \(source.system): \(cause)\(source.place.cause)"
            isNeeded = FormatText.name(in: source.text).map { Record.Kind(system: source.system, name: $0, fields: []) != .other } ?? true
        }
    }

    /// The most events that a file may declare. A distribution kernel has 2500.
    static let eventLimit = 65536

    init(_ sources: [Source], bigEndian: Bool, longSize: Int) {
        // It prints warnings to stderr otherwise. The level is the library's, not a handle's.
        tep_set_loglevel(TEP_LOG_NONE)
        var byID: [Int: Event] = [:]
        var refused: [Refusal] = []
        var sourceByID: [Int: Source] = [:]
        var idByName: [String: Int] = [:]
        var common: [Field] = []
        for source in sources {
            // A handle of its own: one that has many events takes long to add another, and as much memory again as they take here.
            let parser = FormatParser(bigEndian: bigEndian, longSize: longSize)
            switch parser.parse(source.text, system: source.system) {
            case .failure(let why):
                refused.append(Refusal(source, why.text))
            case .success(let (event, itsCommon)):
                let name = "\(event.system):\(event.name)"
                if let before = byID[event.id] {
                    // The same once more says nothing new.
                    if sourceByID[event.id]!.isSame(as: source) { continue }
                    var refusal = Refusal(source, "\(event.name) has the id \(event.id), which is that of \(before.system):\(before.name)")
                    // Which of them a record is of cannot be told.
                    refusal.isNeeded = refusal.isNeeded || before.kind != .other
                    refused.append(refusal)
                    continue
                }
                if let id = idByName[name] {
                    refused.append(Refusal(source, "\(event.name) has two ids, \(id) and \(event.id)"))
                    continue
                }
                if common.isEmpty { common = itsCommon }
                byID[event.id] = event
                sourceByID[event.id] = source
                idByName[name] = event.id
            }
        }
        let events = byID.values.sorted { $0.id < $1.id }
        self.events = events
        self.bigEndian = bigEndian
        self.longSize = longSize
        indexByID = Dictionary(uniqueKeysWithValues: events.indices.map { (events[$0].id, $0) })
        var incomplete: [(id: Int, cause: String)] = []
        layout = RecordLayout(events, common: common, incomplete: &incomplete)
        refused += incomplete.map { Refusal(sourceByID[$0.id]!, $0.cause) }
        self.refused = refused
    }

    /// Formats that are not in a trace.dat file.
    package convenience init(texts: [(system: String, text: [UInt8])], path: String, bigEndian: Bool, longSize: Int) {
        let bytes = texts.flatMap(\.text)
        self.init(copying: bytes, texts.map { ($0.system, $0.text.count) }, path: path, bigEndian: bigEndian, longSize: longSize)
    }

    private convenience init(copying bytes: [UInt8], _ parts: [(system: String, count: Int)], path: String, bigEndian: Bool, longSize: Int) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        var sources: [Source] = []
        var place = 0
        for (system, count) in parts {
            sources.append(Source(system: system, text: UnsafeRawBufferPointer(rebasing: copy[place..<place + count]), place: TraceError(path: path, cause: "")))
            place += count
        }
        self.init(sources, bigEndian: bigEndian, longSize: longSize)
    }

    /// Bytes that a record of an event must have for all its fields, or for the common ones if nothing else of it is read; nil for an event that is not declared.
    package func smallestRecord(of id: UInt16) -> Int? {
        let entry = layout.entries[Int(id)]
        return entry.isUndeclared ? nil : Int(entry.minimum)
    }

    /// The event of an id.
    public func event(_ id: UInt16) -> Event? { indexByID[Int(id)].map { events[$0] } }

    /// The event of a record.
    public func event(of record: Record) -> Event? { event(record.eventID) }

    /// The event of a name, in any system.
    public func event(named name: String, system: String? = nil) -> Event? {
        events.first { $0.name == name && (system == nil || $0.system == system) }
    }
}

/// One libtraceevent handle.
struct FormatParser: ~Copyable {
    private let tep: OpaquePointer?

    init(bigEndian: Bool, longSize: Int) {
        tep = tep_alloc()
        tep_set_file_bigendian(tep, bigEndian ? TEP_BIG_ENDIAN : TEP_LITTLE_ENDIAN)
        tep_set_long_size(tep, Int32(longSize))
    }

    deinit { tep_free(tep) }

    struct Failure: Error { var text: String }

    /// Parses one format text and gives its event, with the common fields beside it.
    ///
    /// Only the fields are given to the library. The print format is not needed, older libraries refuse some newer ones, and it
    /// is a whole expression grammar of untrusted text.
    func parse(_ text: UnsafeRawBufferPointer, system: String) -> Result<(EventFormats.Event, [EventFormats.Field]), Failure> {
        let fields = Self.withoutPrintFormat(text)
        let shown = String(decoding: fields.prefix(48).prefix { $0 != 10 }, as: UTF8.self)
        if let fault = FormatText.fault(in: fields) { return .failure(Failure(text: "\(shown): the format \(fault)")) }
        var buffer = [CChar](fields.map { CChar(bitPattern: $0) })
        buffer.append(contentsOf: "\nprint fmt: \"\"\n".utf8CString)
        var parsed: UnsafeMutablePointer<tep_event>?
        let status = tep_parse_format(tep, &parsed, buffer, UInt(buffer.count - 1), system)
        // The handle owns the event. On failure the pointer may be stale.
        guard status == TEP_ERRNO__SUCCESS, let parsed else {
            return .failure(Failure(text: "\(shown): \(Self.message(status))"))
        }
        let id = Int(parsed.pointee.id)
        guard let name = parsed.pointee.name, 1..<EventFormats.eventLimit ~= id else {
            return .failure(Failure(text: "\(shown): no name, or its id \(id) is not between 1 and 65535"))
        }
        guard var own = Self.list(parsed.pointee.format.fields), let common = Self.list(parsed.pointee.format.common_fields) else {
            return .failure(Failure(text: "\(shown): a field lies outside of any record"))
        }
        let printFormat = UnsafeRawBufferPointer(rebasing: text[fields.count...])
        let styles = PrintFormat.styles(of: own.map(\.name), in: printFormat)
        for index in own.indices {
            if let style = styles[own[index].name] { own[index].style = style }
        }
        let event = String(cString: name)
        let kind = Record.Kind(system: system, name: event, fields: own)
        return .success((EventFormats.Event(id: id, system: system, name: event, kind: kind, fields: own), common))
    }

    /// The text up to the line of the print format.
    static func withoutPrintFormat(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let mark = Array("\nprint fmt:".utf8)
        var start = 0
        while let newline = text[start...].firstIndex(of: 10) {
            if text[newline...].starts(with: mark) { return UnsafeRawBufferPointer(rebasing: text[..<newline]) }
            start = newline + 1
        }
        return text
    }

    private static func message(_ status: tep_errno) -> String {
        status == TEP_ERRNO__MEM_ALLOC_FAILED ? "out of memory" : "libtraceevent cannot parse it (\(status.rawValue))"
    }

    /// Copies a list of fields; nil if one of them cannot be in a record.
    private static func list(_ first: UnsafeMutablePointer<tep_format_field>?) -> [EventFormats.Field]? {
        var fields: [EventFormats.Field] = []
        var next = first
        while let field = next?.pointee {
            next = field.next
            guard field.offset >= 0, field.size >= 0, Int(field.offset) + Int(field.size) <= 0xffff else { return nil }
            let flags = UInt32(truncatingIfNeeded: field.flags)
            func has(_ flag: tep_format_flags) -> Bool { flags & flag.rawValue != 0 }
            fields.append(
                EventFormats.Field(
                    name: field.name.map { String(cString: $0) } ?? "", type: field.type.map { String(cString: $0) } ?? "",
                    offset: Int(field.offset), size: Int(field.size), elementSize: Int(field.elementsize),
                    isSigned: has(TEP_FIELD_IS_SIGNED), isArray: has(TEP_FIELD_IS_ARRAY), isString: has(TEP_FIELD_IS_STRING),
                    isDynamic: has(TEP_FIELD_IS_DYNAMIC), isRelative: has(TEP_FIELD_IS_RELATIVE),
                    isPointer: has(TEP_FIELD_IS_POINTER),
                    style: has(TEP_FIELD_IS_SIGNED) ? .signed
                        // An unsigned long usually is an address.
                        : has(TEP_FIELD_IS_POINTER) || has(TEP_FIELD_IS_LONG) ? .hex : .unsigned))
        }
        return fields
    }
}
