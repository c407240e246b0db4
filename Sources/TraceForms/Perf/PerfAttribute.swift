/// An event that perf recorded: the parts of struct perf_event_attr (include/uapi/linux/perf_event.h, v6.1) that say how its samples lie.
struct PerfAttribute: Equatable {
    var type: UInt32
    var config: UInt64
    var sampleType: UInt64
    var readFormat: UInt64
    /// Records other than samples end with the fields of ``SampleType`` that tell task, time and CPU.
    var sampleIDAll: Bool
    /// The clock of clock_gettime(2) that times come from; nil for perf's own.
    var clockID: Int32?

    /// PERF_TYPE_TRACEPOINT.
    var isTracepoint: Bool { type == 2 }

    /// PERF_ATTR_SIZE_VER0.
    static let smallest = 64

    /// PERF_SAMPLE_*.
    enum SampleType {
        static let ip: UInt64 = 1 << 0
        static let tid: UInt64 = 1 << 1
        static let time: UInt64 = 1 << 2
        static let addr: UInt64 = 1 << 3
        static let read: UInt64 = 1 << 4
        static let callchain: UInt64 = 1 << 5
        static let id: UInt64 = 1 << 6
        static let cpu: UInt64 = 1 << 7
        static let period: UInt64 = 1 << 8
        static let streamID: UInt64 = 1 << 9
        static let raw: UInt64 = 1 << 10
        static let identifier: UInt64 = 1 << 16
    }

    /// PERF_FORMAT_*.
    enum ReadFormat {
        static let enabled: UInt64 = 1 << 0
        static let running: UInt64 = 1 << 1
        static let id: UInt64 = 1 << 2
        static let group: UInt64 = 1 << 3
        static let lost: UInt64 = 1 << 4
    }

    /// - Parameter bytes: at least ``smallest``.
    init(_ bytes: PerfBytes) {
        type = bytes.u32(0)
        config = bytes.u64(8)
        sampleType = bytes.u64(24)
        readFormat = bytes.u64(32)
        let flags = bytes.u64(40)
        // Bit fields begin at the other end on big-endian machines.
        func flag(_ bit: UInt64) -> Bool { flags >> (bytes.bigEndian ? 63 - bit : bit) & 1 != 0 }
        sampleIDAll = flag(18)
        clockID = flag(25) && bytes.count >= 96 ? Int32(bitPattern: bytes.u32(92)) : nil
    }
}

/// Where the fields of an event's samples are (perf_output_sample(), kernel/events/core.c). All up to the period have eight bytes.
struct SampleLayout: Equatable {
    /// Offsets from the record's start; -1 for what samples do not have.
    var id = -1
    var time = -1
    var cpu = -1
    /// Where the fields of fixed size end.
    private var fixedEnd = 8
    private var hasRead: Bool
    private var readFormat: UInt64
    private var hasCallchain: Bool
    private var hasRaw: Bool
    /// Offsets from a record's end, for records other than samples; 0 for what they do not have.
    private(set) var timeFromEnd = 0
    private(set) var cpuFromEnd = 0

    init(_ attribute: PerfAttribute) {
        let type = attribute.sampleType
        typealias T = PerfAttribute.SampleType
        for bit in [T.identifier, T.ip, T.tid, T.time, T.addr, T.id, T.streamID, T.cpu, T.period] where type & bit != 0 {
            switch bit {
            case T.identifier: id = fixedEnd
            case T.id: if id < 0 { id = fixedEnd }
            case T.time: time = fixedEnd
            case T.cpu: cpu = fixedEnd
            default: break
            }
            fixedEnd += 8
        }
        hasRead = type & T.read != 0
        readFormat = attribute.readFormat
        hasCallchain = type & T.callchain != 0
        hasRaw = type & T.raw != 0
        guard attribute.sampleIDAll else { return }
        var end = 0
        for bit in [T.identifier, T.cpu, T.streamID, T.id, T.time, T.tid] where type & bit != 0 {
            end += 8
            if bit == T.cpu { cpuFromEnd = end }
            if bit == T.time { timeFromEnd = end }
        }
    }

    /// Samples tell what a record of ftrace has.
    var isComplete: Bool { time >= 0 && cpu >= 0 && hasRaw }

    /// What a sample has. Only for samples that are complete.
    struct Sample {
        var time: UInt64
        var cpu: UInt32
        /// The tracepoint's record, from the start of the sample on.
        var rawOffset: Int
        var rawSize: Int
    }

    /// Reads a sample; nil if it is too short for its fields.
    @inline(__always)
    func sample(_ bytes: PerfBytes) -> Sample? {
        guard bytes.count >= fixedEnd else { return nil }
        var offset = fixedEnd
        if _slowPath(hasRead || hasCallchain) {
            guard let end = endOfVariable(bytes) else { return nil }
            offset = end
        }
        guard bytes.count - offset >= 4 else { return nil }
        let size = Int(bytes.u32(offset))
        guard size <= bytes.count - offset - 4 else { return nil }
        return Sample(time: bytes.u64(time), cpu: bytes.u32(cpu), rawOffset: offset + 4, rawSize: size)
    }

    /// Where the counters and the call chain end.
    private func endOfVariable(_ bytes: PerfBytes) -> Int? {
        var offset = fixedEnd
        /// Skips so many words.
        func skip(_ words: UInt64) -> Bool {
            guard words <= UInt64((bytes.count - offset) / 8) else { return false }
            offset += 8 * Int(words)
            return true
        }
        if hasRead {
            typealias F = PerfAttribute.ReadFormat
            let times: UInt64 = (readFormat & F.enabled != 0 ? 1 : 0) + (readFormat & F.running != 0 ? 1 : 0)
            let each: UInt64 = 1 + (readFormat & F.id != 0 ? 1 : 0) + (readFormat & F.lost != 0 ? 1 : 0)
            if readFormat & F.group != 0 {
                guard bytes.count - offset >= 8 else { return nil }
                let (words, overflow) = bytes.u64(offset).multipliedReportingOverflow(by: each)
                guard !overflow, words < 1 << 20, skip(1 + times + words) else { return nil }
            } else {
                guard skip(times + each) else { return nil }
            }
        }
        if hasCallchain {
            guard bytes.count - offset >= 8 else { return nil }
            let count = bytes.u64(offset)
            guard count < 1 << 20, skip(1 + count) else { return nil }
        }
        return offset
    }

    /// Time and CPU of a record other than a sample; nil for what it does not have.
    func identity(_ bytes: PerfBytes, behind start: Int) -> (time: UInt64?, cpu: UInt32?) {
        func place(_ fromEnd: Int) -> Int? { fromEnd > 0 && bytes.count - fromEnd >= start ? bytes.count - fromEnd : nil }
        return (place(timeFromEnd).map { bytes.u64($0) }, place(cpuFromEnd).map { bytes.u32($0) })
    }
}
