/// The records of one CPU in the order of the file, with gaps of lost events between them.
///
/// A stream belongs to one thread at a time; different streams of a file are independent.
public final class CPUStream {
    public let cpu: Int
    private var pages: SubbufferSource
    private var walker = SubbufferWalker()
    private let layout: RecordLayout
    private let entries: UnsafePointer<RecordLayout.Entry>
    private let fields: RecordLayout.HotFields
    private let bigEndian: Bool
    private let conversion: TimeConversion
    /// What is to be added to raw times, if nothing else is to be done with them.
    private let plainOffset: UInt64?
    private let trace: TraceFile
    /// Time of the record that came last.
    private var lastTime: UInt64 = 0
    /// A loss that no record has followed yet.
    private var missed = SubbufferWalker.Missed.nothing
    /// The walk stands on a record that has not been given yet: the one after a gap.
    private var heldBack = false
    private var atEnd = false
    private var problemCount = 0

    /// With ``TraceFile/Options/keepGoing`` a stream ends after this many places that cannot be read.
    static let problemLimit = 20

    init(cpu: Int, pages: SubbufferSource, conversion: TimeConversion, trace: TraceFile) {
        self.cpu = cpu
        self.pages = pages
        layout = trace.formats.layout
        entries = UnsafePointer(layout.entries)
        fields = layout.hot
        bigEndian = trace.formats.bigEndian
        self.conversion = conversion
        plainOffset = conversion.isPlain ? conversion.offset : nil
        self.trace = trace
    }

    /// Steps to the next record; false at the end. Its data is valid until the next call.
    ///
    /// A gap of lost events is a record of kind ``Record/Kind/lost`` before the first record after it. A file that keeps going
    /// leaves out what cannot be read, which makes a gap of its own, and lists the problem.
    public func next(_ record: inout Record) throws(TraceError) -> Bool {
        while true {
            if _slowPath(heldBack) {
                heldBack = false
            } else {
                var more = false
                do {
                    more = try walker.advance()
                } catch {
                    try report(pages.error(error.text, at: error.offset))
                    missed = .some
                }
                if _slowPath(!more) {
                    if try nextPage() { continue }
                    return finalGap(&record)
                }
                if _slowPath(missed != .nothing) {
                    fillGap(&record, before: convert(walker.time))
                    heldBack = true
                    return true
                }
            }
            if _fastPath(try fill(&record)) { return true }
        }
    }

    /// Fills in the record on which the walk stands. False if it is too short for its fields and the file keeps going.
    @inline(__always)
    private func fill(_ record: inout Record) throws(TraceError) -> Bool {
        let size = walker.dataSize
        let data = walker.data
        guard size >= fields.commonEnd else { return try tooShort(nil) }
        let id = UInt16(truncatingIfNeeded: fields.eventID.load(data, bigEndian))
        let entry = entries[Int(id)]
        guard size >= Int(entry.minimum) else { return try tooShort(id) }
        let time = convert(walker.time)
        lastTime = time
        record.time = time
        record.data = UnsafeRawBufferPointer(start: data, count: size)
        record.cpu = Int32(truncatingIfNeeded: cpu)
        record.pid = Int32(truncatingIfNeeded: fields.pid.load(data, bigEndian))
        record.eventID = id
        record.kind = entry.kind
        record.flags = UInt8(truncatingIfNeeded: fields.flags.load(data, bigEndian))
        switch entry.kind {
        case .schedSwitch:
            let prev = UInt32(truncatingIfNeeded: fields.prevPID.load(data, bigEndian))
            let next = fields.nextPID.load(data, bigEndian)
            record.word0 = UInt64(prev) | next << 32
            record.word1 = fields.prevState.load(data, bigEndian)
        case .tlbFlush:
            record.word0 = fields.reason.load(data, bigEndian)
            record.word1 = fields.pages.load(data, bigEndian)
        default:
            record.word0 = 0
            record.word1 = 0
        }
        return true
    }

    @inline(__always)
    private func convert(_ raw: UInt64) -> UInt64 {
        if let plainOffset { return raw &+ plainOffset }
        return conversion.convert(raw, cpu: cpu)
    }

    /// Steps to the next sub-buffer; false if there is none.
    private func nextPage() throws(TraceError) -> Bool {
        while !atEnd {
            do {
                guard let page = try pages.next() else {
                    atEnd = true
                    break
                }
                walker = try SubbufferWalker(page, shape: pages.shape)
                missed = missed.followed(by: walker.missed)
                return true
            } catch let error as TraceError {
                // The place of the next sub-buffer is unknown.
                try report(error)
                atEnd = true
            } catch let damage as SubbufferDamage {
                try report(pages.error(damage.text, at: damage.offset))
                missed = .some
            } catch {}
        }
        walker = SubbufferWalker()
        return false
    }

    private func fillGap(_ record: inout Record, before time: UInt64) {
        var count: UInt64 = 0
        if case .count(let number) = missed { count = number }
        missed = .nothing
        record = Record.none
        record.kind = .lost
        record.cpu = Int32(truncatingIfNeeded: cpu)
        record.time = time
        record.word0 = count
        record.word1 = lastTime
    }

    /// A gap that no record follows is told at the time of the last record.
    private func finalGap(_ record: inout Record) -> Bool {
        guard missed != .nothing else { return false }
        fillGap(&record, before: lastTime)
        return true
    }

    private func tooShort(_ id: UInt16?) throws(TraceError) -> Bool {
        var cause = "record of \(walker.dataSize) bytes is shorter than the common fields"
        if let id {
            let name = trace.formats.event(id).map { "\($0.system):\($0.name)" } ?? "event \(id)"
            cause = "record of \(name) has \(walker.dataSize) bytes, its fields need \(entries[Int(id)].minimum)"
        }
        try report(pages.error(cause, at: walker.dataOffset))
        missed = .some
        return false
    }

    /// Throws the error, or lists it if the file keeps going. Either way a stream with too many of them is at its end.
    private func report(_ error: TraceError) throws(TraceError) {
        guard trace.options.keepGoing else {
            atEnd = true
            walker = SubbufferWalker()
            missed = .nothing
            throw error
        }
        problemCount += 1
        trace.note(TraceProblem(error, cpu: cpu))
        if problemCount >= Self.problemLimit, !atEnd {
            atEnd = true
            walker = SubbufferWalker()
            let cause = "gave up on CPU \(cpu) after \(problemCount) places that cannot be read"
            trace.note(TraceProblem(TraceError(path: error.path, offset: error.offset, cause: cause), cpu: cpu))
        }
    }
}
