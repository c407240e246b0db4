import TraceData

/// Steps through the records of perf.data: PERF_RECORD_* of include/uapi/linux/perf_event.h and tools/lib/perf/include/perf/event.h.
struct PerfRecords {
    /// Types of records.
    enum Kind {
        static let lost: UInt32 = 2
        static let comm: UInt32 = 3
        static let sample: UInt32 = 9
        static let lostSamples: UInt32 = 13
        static let attribute: UInt32 = 64
        static let tracingData: UInt32 = 66
        static let finishedRound: UInt32 = 68
        static let auxtrace: UInt32 = 71
        static let feature: UInt32 = 80
        static let compressed: UInt32 = 81
        static let compressed2: UInt32 = 83
    }

    let bytes: PerfBytes
    private let end: Int
    private var next: Int
    /// Where the record at hand begins.
    private(set) var offset = 0
    private(set) var kind: UInt32 = 0
    private(set) var size = 0
    /// What follows the record and belongs to it: tracing data, traces of hardware.
    private(set) var payload = 0..<0

    init(_ bytes: PerfBytes, _ range: Range<Int>) {
        self.bytes = bytes
        next = range.lowerBound
        end = range.upperBound
    }

    /// The record at hand, with its header of eight bytes.
    @inline(__always)
    var record: PerfBytes { PerfBytes(bytes.part(offset, size), bigEndian: bytes.bigEndian) }

    struct Damage: Error {
        var offset: Int
        var cause: String
    }

    /// Steps to the next record; false at the end.
    @inline(__always)
    mutating func advance() throws(Damage) -> Bool {
        guard next < end else { return false }
        guard end - next >= 8 else { throw Damage(offset: next, cause: "\(end - next) bytes are left, a record has 8 at least: the file is cut off") }
        offset = next
        kind = bytes.u32(next)
        size = Int(bytes.u16(next + 6))
        guard size >= 8, size <= end - next else {
            let cause = size < 8 ? "a record states a size of \(size), expected 8 or more" : "a record of \(size) bytes, \(end - next) are left: the file is cut off"
            throw Damage(offset: next, cause: cause)
        }
        next += size
        if _slowPath(kind == Kind.tracingData || kind == Kind.auxtrace) { try takePayload() }
        return true
    }

    private mutating func takePayload() throws(Damage) {
        let isTracing = kind == Kind.tracingData
        guard size >= (isTracing ? 12 : 16) else { throw Damage(offset: offset, cause: "a record of type \(kind) has \(size) bytes, too few for the size of what follows") }
        let count = isTracing ? UInt64(bytes.u32(offset + 8)) : bytes.u64(offset + 8)
        guard count <= UInt64(end - next) else {
            throw Damage(offset: offset, cause: "\(count) bytes follow a record of type \(kind), \(end - next) are left: the file is cut off")
        }
        payload = next..<next + Int(count)
        next += Int(count)
    }
}
