/// What a trace.dat file says about itself: everything but the formats' and the records' meaning.
struct Container {
    var version = 0
    var bigEndian = false
    /// Size of the recorded machine's user-space long.
    var userLongSize = 0
    var pageSize = 0
    var compression = Compression.none
    var compressorVersion = ""
    /// Size of the recorded kernel's long.
    var longSize = 8
    var cpuCount = 0
    var traceClock: Clock?
    var uname: String?
    var traceCmdVersion: String?
    var time = TimeConversion()
    var cpuStats: [CPUStats] = []
    /// The buffer of the CPUSTAT options that follow.
    var countedBuffer = ""
    var options: [TraceOption] = []
    var buffers: [TraceBuffer] = []
    var commands: [Int32: Comm] = [:]
    /// Format texts; they point into the file or into ``storage``.
    var formats: [EventFormats.Source] = []
    /// Keeps unpacked sections alive as long as ``formats`` is used.
    var storage: [UnpackBuffer] = []
    var problems: [TraceProblem] = []
    /// Bytes in ``storage``.
    var unpacked = 0
    /// Entries of buffers' tables of CPUs so far.
    var extents = 0
    /// Where the last section ends of those that were read so far; in version 6, the last table of CPUs.
    var end = 0

    /// The most CPUs that a file may have, as NR_CPUS (arch/x86/Kconfig, powerpc's has the same limit). What later stages keep for each
    /// CPU is taken on the file's word.
    static let cpuLimit = 8192
    /// The most buffers that a file may have. The kernel sets no limit to instances, but each takes memory for each CPU.
    static let bufferLimit = 4096
    /// The most tables of a CPU's data that a file may have, all buffers together.
    static let extentLimit = 1 << 20
    /// What all unpacked sections that are read may have together. All event formats of a distribution kernel have 5 MiB.
    static let unpackedLimit = 64 << 20
    /// The most options that a file may have: one of CPUSTAT for each CPU of each buffer, and some.
    static let optionLimit = 1 << 20
    /// The most names of tasks that a file may save: PID_MAX_LIMIT (include/linux/threads.h).
    static let commandLimit = 4 << 20
    /// Page sizes that a file may name: sub-buffers of the kernel go up to 64 pages of 64 KiB.
    static let pageSizes = 256...(64 << 20)

    /// Reads all metadata of the file. With `keepGoing` what cannot be read is listed in ``problems`` instead of thrown, if
    /// the records can still be understood without it.
    init(_ file: MappedFile, keepGoing: Bool) throws(TraceError) {
        var cursor = ByteCursor(file.bytes, bigEndian: false, place: ByteCursor.Place(path: file.path, base: 0))
        try Self.checkMagic(&cursor)
        let text = try cursor.string("the format's version", limit: 16)
        guard let version = Int(text), version == 6 || version == 7 else {
            throw cursor.error("trace.dat version \"\(text)\", expected 6 or 7", at: 10)
        }
        self.version = version
        let order = try cursor.u8("the byte order")
        guard order <= 1 else { throw cursor.error("byte order \(order), expected 0 or 1", at: cursor.position - 1) }
        bigEndian = order == 1
        userLongSize = Int(try cursor.u8("the size of long"))
        guard userLongSize == 4 || userLongSize == 8 else {
            throw cursor.error("size of long \(userLongSize), expected 4 or 8", at: cursor.position - 1)
        }
        cursor = ByteCursor(file.bytes, bigEndian: bigEndian, place: cursor.place, position: cursor.position)
        pageSize = try Self.pageSize(&cursor, "the page size")
        if version == 6 {
            try readVersion6(&cursor, keepGoing: keepGoing)
        } else {
            try readVersion7(&cursor, file, keepGoing: keepGoing)
        }
    }

    private static func checkMagic(_ cursor: inout ByteCursor) throws(TraceError) {
        let magic: [UInt8] = [0x17, 0x08, 0x44] + Array("tracing".utf8)
        let start = UnsafeRawBufferPointer(rebasing: cursor.bytes.prefix(magic.count))
        if start.count < magic.count, magic.starts(with: start) {
            throw cursor.error("truncated: the file has only \(start.count) bytes")
        }
        guard start.elementsEqual(magic) else {
            throw cursor.error("not a trace.dat file: it begins with \(cursor.quoted(start))")
        }
        try cursor.skip(UInt64(magic.count), "the magic")
    }

    static func pageSize(_ cursor: inout ByteCursor, _ what: String) throws(TraceError) -> Int {
        let start = cursor.position
        let size = try cursor.u32(what)
        guard pageSizes.contains(Int(size)), size.nonzeroBitCount == 1 || size % 4096 == 0 else {
            throw cursor.error("\(what) is \(size), expected a power of two or a multiple of 4096 between 256 and \(pageSizes.upperBound)", at: start)
        }
        return Int(size)
    }

    /// Runs `body`; with `keepGoing` its error is listed instead of thrown.
    mutating func attempt(_ keepGoing: Bool, _ body: (inout Container) throws(TraceError) -> Void) throws(TraceError) {
        do {
            try body(&self)
        } catch {
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
        }
    }
}

/// A buffer of the trace: the top one, whose name is empty, or an instance.
public struct TraceBuffer: Sendable {
    public var name: String
    public var clock: Clock
    /// Size of a sub-buffer.
    public var pageSize: Int
    /// Per CPU, by ascending number; CPUs without data may be missing.
    public var cpus: [Extent]
    /// The data is compressed in chunks.
    public var compressed: Bool
    /// The buffer holds text of the latency tracers, no records.
    public var isText = false

    /// Where a CPU's data lies in the file.
    public struct Extent: Sendable, Equatable {
        public var cpu: Int
        public var offset: UInt64
        public var size: UInt64
    }

    /// - Complexity: O(log *n*) in the number of CPUs.
    func extent(of cpu: Int) -> Extent? {
        var (low, high) = (0, cpus.count)
        while low < high {
            let middle = (low + high) / 2
            if cpus[middle].cpu < cpu { low = middle + 1 } else { high = middle }
        }
        return low < cpus.count && cpus[low].cpu == cpu ? cpus[low] : nil
    }
}

/// What the kernel counted for a CPU's buffer (`per_cpu/cpuN/stats`), a second witness of lost events.
public struct CPUStats: Sendable, Equatable {
    /// The buffer, by the last line before that names one; "" for the top one, whose counts come first.
    public var buffer = ""
    public var cpu: Int
    public var entries: UInt64 = 0
    /// Events overwritten because nobody read them in time.
    public var overrun: UInt64 = 0
    public var commitOverrun: UInt64 = 0
    /// Events dropped because the buffer was full and not overwritten.
    public var dropped: UInt64 = 0
    public var read: UInt64 = 0

    /// The buffer that the counts behind this text are of (add_buffer_stat(), tracecmd/trace-record.c); nil if it is a stats file.
    static func bufferName(_ text: String) -> String? {
        let start = "\nBuffer: "
        guard text.hasPrefix(start) else { return nil }
        let name = text.dropFirst(start.count)
        return String(name.hasSuffix("\n\n") ? name.dropLast(2) : name)
    }

    /// Reads the text of a stats file.
    init?(_ text: String, buffer: String = "") {
        var values: [String: UInt64] = [:]
        // The kernel's have ten lines.
        for line in text.split(separator: "\n", maxSplits: 64) {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let number = parts[1].drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber }
            if let value = UInt64(number) { values[String(parts[0])] = value }
        }
        guard let number = values["CPU"], let cpu = Int(exactly: number) else { return nil }
        self.cpu = cpu
        self.buffer = buffer
        entries = values["entries"] ?? 0
        overrun = values["overrun"] ?? 0
        commitOverrun = values["commit overrun"] ?? 0
        dropped = values["dropped events"] ?? 0
        read = values["read events"] ?? 0
    }
}
