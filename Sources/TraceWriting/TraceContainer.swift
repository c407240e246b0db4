/// The versions of trace.dat that are written.
public enum TraceFileVersion: String, Sendable, CaseIterable {
    /// Version 6, never compressed.
    case v6
    /// Version 7, each chunk of ten sub-buffers compressed with zstd.
    case v7
    /// Version 7, not compressed.
    case v7none
}

/// What a trace.dat file holds beside the records, and how it lies in the file: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5).
///
/// Version 7 is only written little-endian.
public struct TraceContainer {
    /// "Linux HOST RELEASE MACHINE"; nil if it is not known.
    public var uname: String?
    /// The content of trace_clock.
    public var clock: String?
    public var headerPage: [UInt8]
    public var headerEvent: [UInt8]
    /// The formats of all events, those of the system `ftrace` among them.
    public var formats: [(system: String, text: [UInt8])]
    /// Lines of saved_cmdlines: pid and name.
    public var commandLines: [UInt8] = []
    /// per_cpu/cpuN/stats, one for each CPU or none.
    public var statistics: [String] = []
    public var pageSize: UInt32
    public var bigEndian = false
    /// Size of `long` in the recorded machine's programs; that of its kernel is in ``headerPage``.
    public var longSize: UInt8 = 8
    /// What made the file; trace-cmd puts its own version there.
    public var program: String?
    /// Tells recordings of the same machine and moment from others.
    public var traceID: UInt64?

    public init(
        uname: String?, clock: String? = nil, headerPage: [UInt8], headerEvent: [UInt8], formats: [(system: String, text: [UInt8])],
        pageSize: UInt32
    ) {
        self.uname = uname
        self.clock = clock
        self.headerPage = headerPage
        self.headerEvent = headerEvent
        self.formats = formats
        self.pageSize = pageSize
    }

    /// Name between brackets of ``clock``, `local` if there is none.
    private var clockName: String {
        guard let clock, let start = clock.firstIndex(of: "["), let end = clock.firstIndex(of: "]") else { return "local" }
        return String(clock[clock.index(after: start)..<end])
    }

    private func begin(_ version: UInt8) -> Bytes {
        var out = Bytes(bigEndian: bigEndian)
        out.put(raw: [0x17, 0x08, 0x44] + Array("tracing".utf8) + [version, 0])
        out.put(raw: [bigEndian ? 1 : 0, longSize])
        out.put(pageSize)
        return out
    }

    // MARK: version 6

    /// Everything up to the first CPU's data, which begins at the end of it, as the next ones do behind.
    ///
    /// - Parameter sizes: of each CPU's data, a multiple of the page size.
    public func version6(sizes: [UInt64]) -> [UInt8] {
        var out = begin(UInt8(ascii: "6"))
        out.put(raw: headerInfo.bytes)
        out.put(raw: ftraceFormats.bytes)
        out.put(raw: eventFormats.bytes)
        // kallsyms, printk formats
        out.put(UInt32(0))
        out.put(UInt32(0))
        out.put(UInt64(commandLines.count))
        out.put(raw: commandLines)
        out.put(UInt32(sizes.count))
        out.put(raw: Array("options  \0".utf8))
        out.put(raw: options.bytes)
        out.put(Option.done)
        out.put(raw: Array("flyrecord\0".utf8))
        let text = Array("[\(clockName)]\0".utf8)
        let tail = clock == nil ? 0 : 8 + text.count
        let start = aligned(UInt64(out.bytes.count + 16 * sizes.count + tail))
        var offset = start
        for size in sizes {
            out.put(offset)
            out.put(size)
            offset += size
        }
        if clock != nil {
            out.put(UInt64(text.count))
            out.put(raw: text)
        }
        out.pad(to: Int(start))
        return out.bytes
    }

    // MARK: version 7

    private enum Option {
        static let done: UInt16 = 0
        static let statistics: UInt16 = 2
        static let buffer: UInt16 = 3
        static let clock: UInt16 = 4
        static let uname: UInt16 = 5
        static let program: UInt16 = 9
        static let traceID: UInt16 = 11
        static let headerInfo: UInt16 = 16
        static let ftraceFormats: UInt16 = 17
        static let eventFormats: UInt16 = 18
        static let kallsyms: UInt16 = 19
        static let printk: UInt16 = 20
        static let commandLines: UInt16 = 21
    }

    /// Everything up to the CPUs' data, and where each CPU's is to be: the number of its chunks (u32), then these; its sub-buffers if nothing is
    /// compressed.
    ///
    /// - Parameter sizes: of each CPU's chunks, without their number.
    public func version7(sizes: [UInt64], compressor: Compressor?) throws(WritingError) -> (head: [UInt8], offsets: [UInt64]) {
        var out = begin(UInt8(ascii: "7"))
        out.put(compressor == nil ? "none" : "zstd")
        out.put(compressor == nil ? "" : Compressor.version)
        let chunkCount: UInt64 = compressor == nil ? 0 : 4
        let place = out.bytes.count
        out.put(UInt64(0))
        var empty = Bytes()
        empty.put(UInt32(0))
        var lines = Bytes()
        lines.put(UInt64(commandLines.count))
        lines.put(raw: commandLines)
        var list = Bytes()
        for (id, section) in [
            (Option.headerInfo, headerInfo), (Option.ftraceFormats, ftraceFormats), (Option.eventFormats, eventFormats),
            (Option.kallsyms, empty), (Option.printk, empty), (Option.commandLines, lines),
        ] {
            list.option(id) { $0.put(UInt64(out.bytes.count)) }
            try out.section(id, section, compressor)
        }
        list.put(raw: options.bytes)
        // The options are not compressed, and their size is the same whatever the places in them are: so their end is known beforehand.
        var draft = list
        finish(&draft, sizes, at: 0, offsets: sizes)
        let data = UInt64(out.bytes.count + Bytes.sectionHeader + draft.bytes.count)
        // trace-cmd begins each CPU's data with a page, and leaves the number of chunks out of its size.
        var offsets: [UInt64] = []
        var end = data + UInt64(Bytes.sectionHeader)
        for size in sizes {
            offsets.append(aligned(end))
            end = offsets.last! + chunkCount + size
        }
        finish(&list, sizes, at: data, offsets: offsets)
        out.store(UInt64(out.bytes.count), at: place)
        out.header(0, flags: 0, size: list.bytes.count)
        out.put(raw: list.bytes)
        precondition(out.bytes.count == Int(data))
        out.header(Option.buffer, flags: compressor == nil ? 0 : 1, size: Int(end - data) - Bytes.sectionHeader)
        return (out.bytes, offsets)
    }

    private func aligned(_ offset: UInt64) -> UInt64 { (offset + UInt64(pageSize) - 1) / UInt64(pageSize) * UInt64(pageSize) }

    /// The last options: where each CPU's data is, and the end.
    private func finish(_ list: inout Bytes, _ sizes: [UInt64], at start: UInt64, offsets: [UInt64]) {
        list.option(Option.buffer) {
            $0.put(start)
            $0.put("")
            $0.put(clockName)
            $0.put(pageSize)
            $0.put(UInt32(sizes.count))
            for (cpu, size) in sizes.enumerated() {
                $0.put(UInt32(cpu))
                $0.put(offsets[cpu])
                $0.put(size)
            }
        }
        list.option(Option.done) { $0.put(UInt64(0)) }
    }

    // MARK: parts that both have

    private var headerInfo: Bytes {
        var out = Bytes(bigEndian: bigEndian)
        out.put("header_page")
        out.put(sized: headerPage)
        out.put("header_event")
        out.put(sized: headerEvent)
        return out
    }

    private var ftraceFormats: Bytes {
        var out = Bytes(bigEndian: bigEndian)
        let own = formats.filter { $0.system == "ftrace" }
        out.put(UInt32(own.count))
        for format in own { out.put(sized: format.text) }
        return out
    }

    private var eventFormats: Bytes {
        var out = Bytes(bigEndian: bigEndian)
        let systems = Dictionary(grouping: formats.filter { $0.system != "ftrace" }, by: \.system)
        out.put(UInt32(systems.count))
        for (system, formats) in systems.sorted(by: { $0.key < $1.key }) {
            out.put(system)
            out.put(UInt32(formats.count))
            for format in formats { out.put(sized: format.text) }
        }
        return out
    }

    private var options: Bytes {
        var out = Bytes(bigEndian: bigEndian)
        if let clock { out.option(Option.clock) { $0.put(clock) } }
        if let uname { out.option(Option.uname) { $0.put(uname) } }
        for text in statistics { out.option(Option.statistics) { $0.put(text) } }
        if let program { out.option(Option.program) { $0.put(program) } }
        if let traceID { out.option(Option.traceID) { $0.put(traceID) } }
        return out
    }
}
