import TraceData

/// One of the events that perf recorded: struct perf_event_attr, include/uapi/linux/perf_event.h.
struct PerfAttribute {
    /// What a sample has, in this order but for the identifier, which comes first (perf_output_sample(), kernel/events/core.c).
    struct SampleType: OptionSet {
        var rawValue: UInt64

        static let ip = SampleType(rawValue: 1 << 0)
        static let tid = SampleType(rawValue: 1 << 1)
        static let time = SampleType(rawValue: 1 << 2)
        static let addr = SampleType(rawValue: 1 << 3)
        static let read = SampleType(rawValue: 1 << 4)
        static let callchain = SampleType(rawValue: 1 << 5)
        static let id = SampleType(rawValue: 1 << 6)
        static let cpu = SampleType(rawValue: 1 << 7)
        static let period = SampleType(rawValue: 1 << 8)
        static let streamID = SampleType(rawValue: 1 << 9)
        static let raw = SampleType(rawValue: 1 << 10)
        static let identifier = SampleType(rawValue: 1 << 16)
    }

    var type: UInt32
    /// Of a tracepoint: the event's id.
    var config: UInt64
    var sampleType: SampleType
    var readFormat: UInt64
    /// All other records have the parts of a sample that tell whose and when they are, at their end.
    var sampleIDAll: Bool
    /// clockid_t of the times; nil for perf's own clock, which is sched_clock().
    var clockID: Int32?
    /// Which of the event's records became samples.
    var sampling = Sampling.all
    /// `perf record --overwrite`: the newest records take the place of the oldest.
    var isOverwritten = false
    var ids: [UInt64] = []
    /// Where it stands in the file.
    var offset: UInt64

    /// Which records of a tracepoint become samples (perf_swevent_event(), kernel/events/core.c).
    enum Sampling: Equatable {
        case all
        /// None that the kernel makes (`:u`; perf_tp_event_match()): what is there belongs to other tracepoints, of programs.
        case ofProgramsOnly
        /// None: the event is only counted, as the others of a group with `:S` are.
        case none
        /// As many as come to so many a second.
        case frequency(UInt64)
        /// One of so many.
        case period(UInt64)
    }

    static let tracepoint: UInt32 = 2
    var isTracepoint: Bool { type == Self.tracepoint }

    /// PERF_ATTR_SIZE_VER0: no kernel had less.
    static let smallestSize = 64

    /// - Parameter cursor: at the first byte; it has all of the structure that there is.
    init(_ cursor: inout ByteCursor) throws(TraceError) {
        offset = cursor.error("").offset ?? 0
        type = try cursor.u32("an event's type")
        try cursor.skip(4, "an event's size")
        config = try cursor.u64("an event's config")
        let period = try cursor.u64("an event's period")
        sampleType = SampleType(rawValue: try cursor.u64("an event's sample_type"))
        readFormat = try cursor.u64("an event's read_format")
        // A bit field: on big-endian machines its first bit is the highest.
        let flags = try cursor.u64("an event's flags")
        func flag(_ number: UInt64) -> Bool { flags >> (cursor.bigEndian ? 63 - number : number) & 1 != 0 }
        sampleIDAll = flag(18)
        isOverwritten = flag(27)
        if flag(5) {
            sampling = .ofProgramsOnly
        } else if flag(10) {
            sampling = .frequency(period)
        } else if period == 0 {
            sampling = .none
        } else if period > 1, !sampleType.contains(.period) {
            // Where a sample tells its period, the kernel writes each event, and how much it counts.
            sampling = .period(period)
        }
        // wakeup_events to sample_stack_user; clockid came with PERF_ATTR_SIZE_VER3 or so (Linux 4.1).
        guard flag(25), cursor.remaining >= 48 else { return }
        try cursor.skip(44, "an event's attributes")
        clockID = Int32(bitPattern: try cursor.u32("an event's clockid"))
    }

    /// Bytes of a sample before its identifier, if that is always at one place; nil if it has none.
    var identifierOffset: Int? {
        if sampleType.contains(.identifier) { return 0 }
        guard sampleType.contains(.id) else { return nil }
        return 8 * [SampleType.ip, .tid, .time, .addr].count { sampleType.contains($0) }
    }

    /// The same of other records, counted from their end.
    var identifierFromEnd: Int? {
        guard sampleIDAll else { return nil }
        if sampleType.contains(.identifier) { return 8 }
        guard sampleType.contains(.id) else { return nil }
        return 8 * (1 + [SampleType.cpu, .streamID].count { sampleType.contains($0) })
    }

    /// Name of the clock among those of trace_clock (kernel/trace/trace.c, trace_clocks[]).
    var clockName: String {
        switch clockID {
        case nil: "perf"
        case 0: "realtime"
        case 1: "mono"
        case 4: "mono_raw"
        case 7: "boot"
        case 11: "tai"
        case let other?: "clockid-\(other)"
        }
    }
}

/// Where the parts of a sample are.
///
/// All up to the period have 8 bytes each, so that only what comes behind has no place of its own.
struct PerfSampleLayout {
    let time: Int
    let cpu: Int
    /// Bytes before the first part whose size is not fixed.
    let fixed: Int
    private let readFormat: UInt64?
    private let hasCallchain: Bool

    /// nil if a part is missing that the replay needs.
    init?(_ attribute: PerfAttribute) {
        let type = attribute.sampleType
        guard type.isSuperset(of: [.time, .cpu, .raw]) else { return nil }
        func before(_ parts: [PerfAttribute.SampleType]) -> Int { 8 * parts.count { type.contains($0) } }
        time = before([.identifier, .ip, .tid])
        cpu = before([.identifier, .ip, .tid, .time, .addr, .id, .streamID])
        fixed = before([.identifier, .ip, .tid, .time, .addr, .id, .streamID, .cpu, .period])
        readFormat = type.contains(.read) ? attribute.readFormat : nil
        hasCallchain = type.contains(.callchain)
    }

    /// Where the tracepoint's own data begins, and how much it is; nil if the sample is too short for what it says of itself.
    @inline(__always) func raw(_ body: UnsafeRawBufferPointer, bigEndian: Bool) -> (start: Int, size: Int)? {
        var place = fixed
        if _slowPath(readFormat != nil || hasCallchain) {
            guard let behind = behindVariableParts(body, bigEndian) else { return nil }
            place = behind
        }
        guard place + 4 <= body.count else { return nil }
        let size = Int(body.perfU32(place, bigEndian))
        guard size <= body.count - place - 4 else { return nil }
        return (place + 4, size)
    }

    private func behindVariableParts(_ body: UnsafeRawBufferPointer, _ bigEndian: Bool) -> Int? {
        var place = fixed
        /// Steps over so many words of 8 bytes, a number that the file states.
        func skip(_ count: UInt64) -> Bool {
            guard count <= UInt64((body.count - place) / 8) else { return false }
            place += Int(count) * 8
            return true
        }
        if let format = readFormat {
            // PERF_FORMAT_TOTAL_TIME_ENABLED, _RUNNING, _ID, _GROUP, _LOST
            let times = UInt64((format & 3).nonzeroBitCount)
            let parts = 1 + UInt64((format & 0x14).nonzeroBitCount)
            if format & 8 != 0 {
                guard place + 8 <= body.count else { return nil }
                let values = body.perfU64(place, bigEndian)
                guard values < 1 << 32, skip(1 + times + values * parts) else { return nil }
            } else {
                guard skip(times + parts) else { return nil }
            }
        }
        if hasCallchain {
            guard place + 8 <= body.count else { return nil }
            let count = body.perfU64(place, bigEndian)
            guard count < 1 << 32, skip(1 + count) else { return nil }
        }
        return place
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always) func perfU64(_ offset: Int, _ bigEndian: Bool) -> UInt64 {
        let value = loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        return bigEndian ? value.byteSwapped : value
    }

    @inline(__always) func perfU32(_ offset: Int, _ bigEndian: Bool) -> UInt32 {
        let value = loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return bigEndian ? value.byteSwapped : value
    }

    @inline(__always) func perfU16(_ offset: Int, _ bigEndian: Bool) -> UInt16 {
        let value = loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return bigEndian ? value.byteSwapped : value
    }
}
