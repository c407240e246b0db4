import TraceData

/// What perf keeps of tracefs beside its samples: the formats of the events, in the form that trace.dat had at first (tools/perf/util/trace-event-info.c).
struct TracingData {
    let bigEndian: Bool
    let longSize: Int
    let headerPage: [UInt8]
    let headerEvent: [UInt8]
    let formats: [(system: String, text: [UInt8])]

    /// - Parameter cursor: over the section.
    init(_ section: ByteCursor) throws(TraceError) {
        var cursor = section
        let magic = try cursor.take(10, "the tracing data's magic")
        guard magic.elementsEqual([0x17, 0x08, 0x44] + Array("tracing".utf8)) else {
            throw cursor.error("expected the tracing data's magic, found \(cursor.quoted(magic))", at: 0)
        }
        let version = try cursor.string("the tracing data's version", limit: 16)
        guard version == "0.5" || version == "0.6" else { throw cursor.error("tracing data of version \"\(version)\", expected 0.5 or 0.6", at: 10) }
        let order = try cursor.u8("the byte order")
        guard order <= 1 else { throw cursor.error("byte order \(order), expected 0 or 1", at: cursor.position - 1) }
        _ = try cursor.u8("the size of long")
        cursor = ByteCursor(section.bytes, bigEndian: order == 1, place: section.place, position: cursor.position)
        _ = try cursor.u32("the page size")
        try cursor.expect("header_page")
        let headerPage = try cursor.take(try cursor.u64("the size of header_page"), "header_page")
        guard let longSize = HeaderPage.longSize(headerPage) else { throw cursor.error("header_page names no commit field of 4 or 8 bytes") }
        try cursor.expect("header_event")
        let headerEvent = try cursor.take(try cursor.u64("the size of header_event"), "header_event")
        var formats: [(system: String, text: [UInt8])] = []
        func add(_ system: String) throws(TraceError) {
            let count = try cursor.u32("the number of \(system) events")
            guard Int(count) <= 65536 - formats.count else { throw cursor.error("\(count) events are stated for \(system)", at: cursor.position - 4) }
            for _ in 0..<count {
                let text = try cursor.take(try cursor.u64("the size of an event format"), "an event format of \(system)")
                formats.append((system, Array(text)))
            }
        }
        try add("ftrace")
        let systems = try cursor.u32("the number of event systems")
        guard systems <= 65536 else { throw cursor.error("\(systems) event systems are stated", at: cursor.position - 4) }
        for _ in 0..<systems { try add(try cursor.string("the name of an event system")) }
        bigEndian = order == 1
        self.longSize = longSize
        self.headerPage = Array(headerPage)
        self.headerEvent = Array(headerEvent)
        self.formats = formats
    }
}
