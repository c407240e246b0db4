/// The records of one CPU in the order of the file, with gaps of lost events between them.
///
/// A stream belongs to one thread at a time; different streams of a file are independent.
public final class CPUStream {
    public let cpu: Int
    /// Not a property of its own: every access to one of those is checked for exclusivity at run time, which took half of the
    /// time of reading.
    private let state: UnsafeMutablePointer<StreamState>

    init(cpu: Int, pages: SubbufferSource, conversion: TimeConversion, trace: TraceFile) {
        self.cpu = cpu
        state = .allocate(capacity: 1)
        state.initialize(to: StreamState(cpu: cpu, pages: pages, conversion: conversion, trace: trace))
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Steps to the next record; false at the end. Its data is valid until the next call.
    ///
    /// A gap of lost events is a record of kind ``Record/Kind/lost`` before the first record after it. A file that keeps going
    /// leaves out what cannot be read, which makes a gap of its own, and lists the problem.
    @inline(__always)
    public func next(_ record: inout Record) throws(TraceError) -> Bool { try state.pointee.next(&record) }

    /// Reads on until the batch is full or the stream ends. What goes wrong is left in the batch.
    public func fill(_ batch: RecordBatch, probes: Bool) { state.pointee.fill(batch, probes: probes) }
}

/// Where a stream stands.
struct StreamState {
    let cpu: Int
    private var pages: SubbufferSource
    var walker = SubbufferWalker()
    let entries: UnsafePointer<RecordLayout.Entry>
    let fields: RecordLayout.HotFields
    let hasUsualCommonFields: Bool
    let bigEndian: Bool
    private let conversion: TimeConversion
    private let rawRange: ClosedRange<UInt64>
    let isPlain: Bool
    /// What is to be added to raw times, if nothing else is to be done with them.
    let plainOffset: UInt64
    let trace: TraceFile
    /// Time of the record that came last.
    var lastTime: UInt64 = 0
    /// Time at which the sub-buffers that were walked ended, as the file has it: the next one cannot begin before it.
    private var rawTime: UInt64 = 0
    /// A loss that no record has followed yet.
    private var missed = SubbufferWalker.Missed.nothing
    var isMissing = false
    /// The walk stands on a record that has not been given yet: the one after a gap.
    var heldBack = false
    /// The sub-buffer that is walked holds more than it says.
    private var loseBehind = false
    private var atEnd = false
    private var problemCount = 0
    /// Records that were given one by one and that the progress does not know of.
    var untold = 0
    /// Records so far of events that the file does not declare.
    var undeclared = 0
    /// The batch that is being filled: problems are told when its reader gets there, so that they come in one order.
    var batch: RecordBatch?

    /// With ``TraceFile/Options/keepGoing`` a stream ends after this many places that cannot be read.
    static let problemLimit = 20

    init(cpu: Int, pages: SubbufferSource, conversion: TimeConversion, trace: TraceFile) {
        self.cpu = cpu
        self.pages = pages
        entries = UnsafePointer(trace.formats.layout.entries)
        fields = trace.formats.layout.hot
        hasUsualCommonFields = fields.areUsual
        bigEndian = trace.formats.bigEndian
        self.conversion = conversion
        rawRange = conversion.rawRange
        isPlain = conversion.isPlain
        plainOffset = conversion.plainOffset
        self.trace = trace
    }

    mutating func next(_ record: inout Record) throws(TraceError) -> Bool {
        while true {
            if _slowPath(heldBack) {
                heldBack = false
            } else {
                var more = false
                do {
                    more = try walker.advance()
                } catch {
                    try report(pages.error(error.text, at: error.offset))
                    lose(.some)
                }
                if _slowPath(!more) {
                    if try nextPage() { continue }
                    return finalGap(&record)
                }
                if _slowPath(isMissing) {
                    // What has no time is said of the record behind the gap.
                    fillGap(&record, before: max(lastTime, isPlain ? walker.time &+ plainOffset : conversion.convert(walker.time, cpu: cpu) ?? 0))
                    heldBack = true
                    return true
                }
            }
            if _fastPath(try fill(&record)) { return true }
        }
    }

    /// Fills in the record on which the walk stands. False if it is too short for its fields and the file keeps going.
    @inline(__always)
    private mutating func fill(_ record: inout Record) throws(TraceError) -> Bool {
        let size = walker.dataSize
        let data = walker.data
        let id: UInt16
        if _fastPath(hasUsualCommonFields) {
            guard size >= 8 else { return try tooShort(nil) }
            id = load(UInt16.self, data, bigEndian)
            record.flags = data.load(fromByteOffset: 2, as: UInt8.self)
            record.pid = load(Int32.self, data + 4, bigEndian)
        } else {
            guard size >= fields.commonEnd else { return try tooShort(nil) }
            id = UInt16(truncatingIfNeeded: fields.eventID.load(data, bigEndian))
            record.flags = UInt8(truncatingIfNeeded: fields.flags.load(data, bigEndian))
            record.pid = Int32(truncatingIfNeeded: fields.pid.load(data, bigEndian))
        }
        let entry = entries[Int(id)]
        guard size >= Int(entry.minimum) || isUndeclared(id) else { return try tooShort(id) }
        guard size <= Int(entry.maximum) else { return try tooLong(id) }
        let time: UInt64
        if _fastPath(isPlain) {
            time = walker.time &+ plainOffset
        } else {
            guard let converted = try convertedTime() else { return false }
            time = converted
        }
        lastTime = time
        untold &+= 1
        record.time = time
        record.data = UnsafeRawBufferPointer(start: data, count: size)
        record.cpu = Int32(truncatingIfNeeded: cpu)
        record.eventID = id
        record.kind = entry.kind
        switch entry.kind {
        case .schedSwitch:
            let prev = UInt32(truncatingIfNeeded: fields.prevPID.load(data, bigEndian))
            let next = fields.nextPID.load(data, bigEndian)
            record.word0 = UInt64(prev) | next << 32
            record.word1 = fields.prevState.load(data, bigEndian)
        case .tlbFlush:
            record.word0 = UInt64(UInt32(truncatingIfNeeded: fields.reason.load(data, bigEndian)))
            record.word1 = fields.pages.load(data, bigEndian)
        default:
            record.word0 = 0
            record.word1 = 0
            if entry.kind == .marker, record.irqsOff { record.kind = .other }
        }
        return true
    }

    /// Counts a record that is of none of the declared events.
    @inline(never)
    private mutating func isUndeclared(_ id: UInt16) -> Bool {
        guard entries[Int(id)].isUndeclared else { return false }
        undeclared += 1
        return true
    }

    /// What the file's options make of the current record's time. nil if that is none and the file keeps going.
    @inline(never)
    private mutating func convertedTime() throws(TraceError) -> UInt64? {
        let raw = walker.time
        let cause: String
        if let time = conversion.convert(raw, cpu: cpu) {
            if time >= lastTime { return time }
            // Within what a guest's samples are exact to, no time goes by.
            if lastTime - time <= TimeShift.jitter { return lastTime }
            cause = "time goes back by \(lastTime - time), from \(lastTime) to \(time), by the file's TIME_SHIFT option"
        } else {
            cause = "64 bits cannot hold what the file's options\(conversion.ahead == 0 ? "" : ", or the correction of its clocks,") make of time \(raw)"
        }
        try report(pages.error(cause, at: walker.dataOffset))
        lose(.some)
        return nil
    }

    /// Steps to the next sub-buffer; false if there is none.
    mutating func nextPage() throws(TraceError) -> Bool {
        if walker.next > 0 { rawTime = max(rawTime, walker.time) }
        if loseBehind { lose(.some) }
        loseBehind = false
        if untold > 0 { trace.options.progress?.read(records: untold) }
        untold = 0
        while !atEnd {
            let page: UnsafeRawBufferPointer?
            do {
                page = try pages.next()
            } catch {
                // The place of the next sub-buffer is unknown.
                try report(error)
                atEnd = true
                break
            }
            guard let page else {
                atEnd = true
                break
            }
            do {
                walker = try SubbufferWalker(page, shape: pages.shape, after: rawTime, in: rawRange)
            } catch {
                try report(pages.error(error.text, at: error.offset))
                lose(.some)
                continue
            }
            lose(walker.missed)
            if let damage = walker.holdsMore(page, shape: pages.shape, isLast: pages.isAtEnd) {
                loseBehind = true
                try report(pages.error(damage.text, at: damage.offset))
            }
            return true
        }
        walker = SubbufferWalker()
        return false
    }

    /// Takes note of a loss before the next record.
    private mutating func lose(_ loss: SubbufferWalker.Missed) {
        missed = missed.followed(by: loss)
        isMissing = missed != .nothing
    }

    private mutating func fillGap(_ record: inout Record, before time: UInt64) {
        var count: UInt64 = 0
        if case .count(let number) = missed { count = number }
        missed = .nothing
        isMissing = false
        record = Record.none
        record.kind = .lost
        record.cpu = Int32(truncatingIfNeeded: cpu)
        record.time = time
        record.word0 = count
        record.word1 = lastTime
    }

    /// A gap that no record follows is told at the time of the last record.
    private mutating func finalGap(_ record: inout Record) -> Bool {
        guard isMissing else { return false }
        fillGap(&record, before: lastTime)
        return true
    }

    /// Such a record holds the one behind it as well.
    @inline(never)
    private mutating func tooLong(_ id: UInt16) throws(TraceError) -> Bool {
        let entry = entries[Int(id)]
        let limit = entry.maximum == .max ? "no record has more than \(entry.maximum)" : "its fields end at \(entry.minimum)"
        return try unreadable("record of \(name(of: id)) has \(walker.dataSize) bytes, \(limit)")
    }

    private mutating func tooShort(_ id: UInt16?) throws(TraceError) -> Bool {
        guard let id else { return try unreadable("record of \(walker.dataSize) bytes is shorter than the common fields") }
        return try unreadable("record of \(name(of: id)) has \(walker.dataSize) bytes, its fields need \(entries[Int(id)].minimum)")
    }

    private func name(of id: UInt16) -> String { trace.formats.event(id).map { "\($0.system):\($0.name)" } ?? "event \(id)" }

    /// The current record cannot be read. False, as it is none.
    private mutating func unreadable(_ cause: String) throws(TraceError) -> Bool {
        try report(pages.error(cause, at: walker.dataOffset))
        lose(.some)
        return false
    }

    /// Throws the error, or lists it if the file keeps going. Either way a stream with too many of them is at its end.
    private mutating func report(_ error: TraceError) throws(TraceError) {
        guard trace.options.keepGoing else {
            end()
            missed = .nothing
            isMissing = false
            throw error
        }
        problemCount += 1
        note(TraceProblem(error, cpu: cpu))
        if problemCount >= Self.problemLimit, !atEnd {
            end()
            let cause = "gave up on CPU \(cpu) after \(problemCount) places that cannot be read"
            note(TraceProblem(TraceError(path: error.path, offset: error.offset, cause: cause), cpu: cpu))
        }
    }

    private func note(_ problem: TraceProblem) {
        if let batch { batch.problems.append(problem) } else { trace.note(problem) }
    }

    private mutating func end() {
        atEnd = true
        walker = SubbufferWalker()
    }
}
