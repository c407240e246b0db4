/// Writes perf.data files for tests, as perf-data-file-format.txt and perf_event.h say, in either byte order.
public struct PerfWriter {
    /// PERF_SAMPLE_*.
    public struct SampleType: OptionSet, Sendable {
        public var rawValue: UInt64

        public init(rawValue: UInt64) { self.rawValue = rawValue }

        public static let ip = SampleType(rawValue: 1 << 0)
        public static let tid = SampleType(rawValue: 1 << 1)
        public static let time = SampleType(rawValue: 1 << 2)
        public static let addr = SampleType(rawValue: 1 << 3)
        public static let read = SampleType(rawValue: 1 << 4)
        public static let callchain = SampleType(rawValue: 1 << 5)
        public static let id = SampleType(rawValue: 1 << 6)
        public static let cpu = SampleType(rawValue: 1 << 7)
        public static let period = SampleType(rawValue: 1 << 8)
        public static let streamID = SampleType(rawValue: 1 << 9)
        public static let raw = SampleType(rawValue: 1 << 10)
        public static let identifier = SampleType(rawValue: 1 << 16)
    }

    public struct Attribute: Sendable {
        public var type: UInt32
        public var config: UInt64 = 0
        public var sampleType: SampleType
        public var readFormat: UInt64 = 0
        public var clockID: Int32? = 1
        /// sample_period, or sample_freq.
        public var period: UInt64 = 1
        /// Bits beside sample_id_all and use_clockid, by number: 10 freq, 27 write_backward.
        public var flags: [UInt64] = []
        public var ids: [UInt64]

        public init(type: UInt32 = 2, sampleType: SampleType = [.identifier, .ip, .tid, .time, .cpu, .period, .raw], ids: [UInt64] = []) {
            (self.type, self.sampleType, self.ids) = (type, sampleType, ids)
        }
    }

    public var bigEndian = false
    public var attributes: [Attribute] = []
    /// Records, one after the other.
    public var records: [UInt8] = []
    public var release: String? = "4.12.4-lab"
    public var command: [String] = ["perf", "record", "-a"]
    public var hasFormats = true

    public static let switchID: UInt16 = 93
    public static let flushID: UInt16 = 57

    public func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { Array($0) } }

    private func text(_ text: String) -> [UInt8] {
        let padded = Array(text.utf8) + [UInt8](repeating: 0, count: 64 - text.utf8.count % 64)
        return number(UInt32(padded.count)) + padded
    }

    public init(bigEndian: Bool = false, attributes: [Attribute] = []) {
        self.bigEndian = bigEndian
        self.attributes = attributes
    }

    // MARK: records

    public static func record(_ type: UInt32, _ body: [UInt8], size: Int? = nil, bigEndian: Bool = false) -> [UInt8] {
        let writer = PerfWriter(bigEndian: bigEndian)
        return writer.number(type) + writer.number(UInt16(0)) + writer.number(UInt16(size ?? body.count + 8)) + body
    }

    public mutating func add(_ type: UInt32, _ body: [UInt8]) { records += Self.record(type, body, bigEndian: bigEndian) }

    public mutating func endRound() { add(68, []) }

    /// The parts of a sample in the order of perf_output_sample(), kernel/events/core.c.
    public func sample(_ attribute: Attribute, id: UInt64 = 0, time: UInt64, cpu: UInt32, raw: [UInt8], readAndCallchain: [UInt8] = []) -> [UInt8] {
        let type = attribute.sampleType
        var out: [UInt8] = []
        if type.contains(.identifier) { out += number(id) }
        if type.contains(.ip) { out += number(UInt64(0xffff_ffff_8100_0000)) }
        if type.contains(.tid) { out += number(UInt32(7)) + number(UInt32(7)) }
        if type.contains(.time) { out += number(time) }
        if type.contains(.addr) { out += number(UInt64(1)) }
        if type.contains(.id) { out += number(id) }
        if type.contains(.streamID) { out += number(id) }
        if type.contains(.cpu) { out += number(cpu) + number(UInt32(0)) }
        if type.contains(.period) { out += number(UInt64(1)) }
        out += readAndCallchain
        if type.contains(.raw) { out += number(UInt32(raw.count)) + raw }
        return out
    }

    /// struct trace_entry, and the fields of tlb_flush as in ``eventFormat(_:_:_:)``.
    public func flush(pid: Int32 = 7, reason: Int32, pages: UInt64) -> [UInt8] {
        number(Self.flushID) + [0, 0] + number(pid) + number(reason) + [0, 0, 0, 0] + number(pages) + [0, 0, 0, 0]
    }

    public mutating func flush(time: UInt64, cpu: UInt32, reason: Int32 = 3, pages: UInt64 = 1) {
        add(9, sample(attributes[0], time: time, cpu: cpu, raw: flush(reason: reason, pages: pages)))
    }

    /// PERF_RECORD_LOST with the tail that sample_id_all gives it.
    public mutating func lost(_ count: UInt64, time: UInt64, cpu: UInt32) {
        add(2, number(UInt64(1)) + number(count) + number(UInt32(7)) + number(UInt32(7)) + number(time) + number(cpu) + number(UInt32(0)) + number(UInt64(1)))
    }

    // MARK: the file

    public var tracingData: [UInt8] {
        func sized(_ text: String) -> [UInt8] { number(UInt64(text.utf8.count)) + Array(text.utf8) }
        let page = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n"
        let flush = "\tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned long pages;\toffset:16;\tsize:8;\tsigned:0;\n"
        let name = "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:1;\n\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
        let next =
            "\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;\n\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:1;\n\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"
        var out: [UInt8] = [0x17, 0x08, 0x44] + Array("tracing".utf8) + Array("0.6\0".utf8)
        out += [bigEndian ? 1 : 0, 8] + number(UInt32(4096))
        out += Array("header_page\0".utf8) + sized(page)
        out += Array("header_event\0".utf8) + sized("")
        out += number(UInt32(0)) + number(UInt32(2))
        out += Array("tlb\0".utf8) + number(UInt32(1)) + sized(eventFormat("tlb_flush", Self.flushID, flush))
        out += Array("sched\0".utf8) + number(UInt32(1)) + sized(eventFormat("sched_switch", Self.switchID, name + next))
        return out + number(UInt32(0)) + number(UInt32(0)) + number(UInt64(0))
    }

    private func bytes(_ attribute: Attribute) -> [UInt8] {
        // sample_id_all, and use_clockid; in a big-endian file the first bit is the highest.
        var flags: UInt64 = 1 << 18
        if attribute.clockID != nil { flags |= 1 << 25 }
        for bit in attribute.flags { flags |= 1 << bit }
        if bigEndian {
            var turned: UInt64 = 0
            for bit in 0..<64 where flags >> UInt64(bit) & 1 != 0 { turned |= 1 << UInt64(63 - bit) }
            flags = turned
        }
        var out = number(attribute.type) + number(UInt32(112)) + number(attribute.config) + number(attribute.period) + number(attribute.sampleType.rawValue)
        out += number(attribute.readFormat) + number(flags) + [UInt8](repeating: 0, count: 44) + number(attribute.clockID ?? 0)
        return out + [UInt8](repeating: 0, count: 112 - out.count)
    }

    /// The features of the head that are written, by number.
    private var features: [(Int, [UInt8])] {
        var list: [(Int, [UInt8])] = []
        if hasFormats { list.append((1, tracingData)) }
        list.append((3, text("guest")))
        if let release { list.append((4, text(release))) }
        list.append((6, text("x86_64")))
        list.append((7, number(UInt32(2)) + number(UInt32(2))))
        list.append((11, number(UInt32(command.count)) + command.flatMap(text)))
        return list
    }

    public var file: [UInt8] {
        let magic = Array("PERFILE2".utf8)
        var out = (bigEndian ? magic.reversed() : magic) + number(UInt64(104)) + number(UInt64(128))
        let idPlace = 104 + 128 * attributes.count
        let dataPlace = idPlace + 8 * attributes.reduce(0) { $0 + $1.ids.count }
        out += number(UInt64(104)) + number(UInt64(128 * attributes.count)) + number(UInt64(dataPlace)) + number(UInt64(records.count))
        out += [UInt8](repeating: 0, count: 16)
        out += number(features.reduce(UInt64(0)) { $0 | 1 << UInt64($1.0) }) + [UInt8](repeating: 0, count: 24)
        var ids = idPlace
        for attribute in attributes {
            out += bytes(attribute) + number(UInt64(ids)) + number(UInt64(8 * attribute.ids.count))
            ids += 8 * attribute.ids.count
        }
        for attribute in attributes { for id in attribute.ids { out += number(id) } }
        out += records
        var place = out.count + 16 * features.count
        for (_, content) in features {
            out += number(UInt64(place)) + number(UInt64(content.count))
            place += content.count
        }
        return out + features.flatMap(\.1)
    }

    /// What `perf record -o -` writes: all of it is records.
    public var pipe: [UInt8] {
        let magic = Array("PERFILE2".utf8)
        var out = (bigEndian ? magic.reversed() : magic) + number(UInt64(16))
        for attribute in attributes { out += Self.record(64, bytes(attribute) + attribute.ids.flatMap(number), bigEndian: bigEndian) }
        for (feature, content) in features where feature != 1 { out += Self.record(80, number(UInt64(feature)) + content, bigEndian: bigEndian) }
        let formats = tracingData + [UInt8](repeating: 0, count: 7 - (tracingData.count + 7) % 8)
        if hasFormats { out += Self.record(66, number(UInt32(formats.count)), bigEndian: bigEndian) + formats }
        return out + records
    }
}
