import TraceData

/// The event formats in a perf.data file, as the tracing directory had them (tools/perf/util/trace-event-info.c, tracing_data_get()): a trace.dat
/// file's metadata, an old version of it.
struct PerfTracingData {
    let bigEndian: Bool
    let headerPage: [UInt8]
    let formats: [(system: String, text: [UInt8])]
    let commandLines: [UInt8]

    /// What all texts together may have, and how many of them there may be.
    private static let sizeLimit: UInt64 = 64 << 20
    private static let countLimit: UInt32 = 1 << 16

    init(_ bytes: UnsafeRawBufferPointer, path: String, offset: UInt64) throws(TraceError) {
        let place = ByteCursor.Place(path: path, base: offset)
        var cursor = ByteCursor(bytes, bigEndian: false, place: place)
        let magic = try cursor.take(10, "the magic of the event formats")
        guard magic.elementsEqual([0x17, 0x08, 0x44] + Array("tracing".utf8)) else {
            throw cursor.error("the event formats begin with \(cursor.quoted(magic)), expected \"\\x17\\x08\\x44tracing\"", at: 0)
        }
        let version = try cursor.string("the version of the event formats", limit: 16)
        let order = try cursor.u8("the byte order of the event formats")
        guard order <= 1 else { throw cursor.error("byte order \(order), expected 0 or 1", at: cursor.position - 1) }
        bigEndian = order == 1
        try cursor.skip(5, "the size of long, and of a page")
        cursor = ByteCursor(bytes, bigEndian: bigEndian, place: place, position: cursor.position)
        var left = Self.sizeLimit
        func text(_ what: String) throws(TraceError) -> [UInt8] {
            let start = cursor.position
            let size = try cursor.u64("the size of \(what)")
            guard size <= left else { throw cursor.error("the event formats have more than \(Self.sizeLimit) bytes", at: start) }
            left -= size
            return Array(try cursor.take(size, what))
        }
        func count(_ what: String) throws(TraceError) -> UInt32 {
            let start = cursor.position
            let count = try cursor.u32("the number of \(what)")
            guard count <= Self.countLimit else { throw cursor.error("\(count) \(what), expected at most \(Self.countLimit)", at: start) }
            return count
        }
        try cursor.expect("header_page")
        headerPage = try text("header_page")
        try cursor.expect("header_event")
        _ = try text("header_event")
        var formats: [(system: String, text: [UInt8])] = []
        for _ in 0..<(try count("formats of the system ftrace")) { formats.append(("ftrace", try text("a format of the system ftrace"))) }
        for _ in 0..<(try count("systems of events")) {
            let system = try cursor.string("the name of a system")
            for _ in 0..<(try count("events of \(system)")) { formats.append((system, try text("a format of \(system)"))) }
        }
        self.formats = formats
        // kallsyms and printk formats.
        for what in ["kallsyms", "the printk formats"] { try cursor.skip(UInt64(try cursor.u32("the size of \(what)")), what) }
        commandLines = version == "0.6" && !cursor.isAtEnd ? try text("the command lines") : []
    }

    /// Size of the recorded kernel's `long`: that of `commit` in header_page; nil if it does not tell.
    var longSize: Int? {
        for line in headerPage.split(separator: 10) {
            let text = String(decoding: line, as: UTF8.self)
            guard text.contains(" commit;"), let part = text.split(separator: ";").first(where: { $0.contains("size:") }) else { continue }
            let size = part.split(separator: ":").last.flatMap { Int($0) }
            return size == 4 || size == 8 ? size : nil
        }
        return nil
    }
}
