import Dispatch
import Tables

/// A run of one CPU's records in compact form: those that the replay uses, in the order of the file.
///
/// Filled by a ``CPUStream``, on any thread, and then read by another. Before the records is room for some that the reader still
/// has from the batch before, so that it can look ahead across the border.
public final class RecordBatch: @unchecked Sendable {
    /// How many records of the batch before may be put in front of this one's.
    public static let headroom = 64

    /// Where records begin that the stream put here, and where there is no more room.
    public let start: UnsafeMutablePointer<CompactRecord>
    public let limit: UnsafeMutablePointer<CompactRecord>
    private let memory: UnsafeMutablePointer<CompactRecord>
    /// Whose memory it is, if not its own.
    private let slab: Slab?

    /// Where the records end.
    public internal(set) var end: UnsafeMutablePointer<CompactRecord>
    /// With so many bytes of markers' texts a batch is full.
    static let textLimit = 1 << 20
    /// Bytes of the texts of the markers that the stream put here.
    var textBytes = 0
    /// By ``CompactRecord/detail``; the one at 0 is empty.
    private var details: [Details] = [Details()]
    /// Records read from the file for this batch, those of no interest included.
    public internal(set) var records = 0
    /// Records among them of events that the file does not declare.
    public internal(set) var undeclared = 0
    /// sched_switch records among them.
    public internal(set) var switches = 0
    /// ns; nil if nothing was read.
    public internal(set) var firstTime: UInt64?
    public internal(set) var lastTime: UInt64?
    /// The stream is at its end.
    public internal(set) var isLast = false
    /// What stopped the stream behind the last record.
    public internal(set) var error: TraceError?
    /// What a file that keeps going could not read.
    public internal(set) var problems: [TraceProblem] = []

    /// - Parameter slab: where to take memory from, if that gives so much.
    public init(capacity: Int, in slab: Slab? = nil) {
        // What no record is written to is not touched: a short trace does without most of it.
        let piece = slab?.take(Self.headroom + capacity, of: CompactRecord.self)
        self.slab = piece == nil ? nil : slab
        memory = piece ?? .allocate(capacity: Self.headroom + capacity)
        start = memory + Self.headroom
        // Where a reader stands before the first record.
        (start - 1).initialize(to: CompactRecord())
        limit = start + capacity
        end = start
    }

    /// Records that are written down instead of read.
    public convenience init(_ records: [(held: CompactRecord, details: Details)]) {
        self.init(capacity: records.count)
        for (index, record) in records.enumerated() {
            var held = record.held
            if held.kind == .schedSwitch { held.uncutComm = record.details.comm } else { held.detail = add(record.details) }
            held.isLoad = held.kind == .tlbFlush && CompactRecord.isLoad(reason: held.word0, flags: held.flags)
            start[index] = held
            firstTime = firstTime ?? held.time
            lastTime = held.time
            if held.kind != .lost { self.records += 1 }
            if held.kind == .schedSwitch { switches += 1 }
        }
        end = start + records.count
        isLast = true
    }

    deinit { if slab == nil { memory.deallocate() } }

    /// What belongs to one of the batch's records.
    public subscript(_ held: Held) -> Details { details[Int(held.place.pointee.detail)] }

    func reset() {
        end = start
        details.removeLast(details.count - 1)
        (records, switches, textBytes) = (0, 0, 0)
        (firstTime, lastTime, error) = (nil, nil, nil)
        problems.removeAll()
    }

    /// Keeps what belongs to a record; returns its place.
    func add(_ details: Details) -> UInt32 {
        self.details.append(details)
        return UInt32(self.details.count - 1)
    }

    /// Puts the last records of the batch before, at most ``headroom``, in front of this one's. Returns where they begin.
    public func prepend(_ first: UnsafeMutablePointer<CompactRecord>, _ count: Int, of before: RecordBatch) -> UnsafeMutablePointer<CompactRecord> {
        let target = start - count
        for index in 0..<count {
            target[index] = first[index]
            if first[index].detail != 0 { target[index].detail = add(before.details[Int(first[index].detail)]) }
        }
        return target
    }
}

/// Batches of one size that are not in use: a second pass takes those of the first, whose memory is there already.
///
/// Any thread may take one and give one back.
public final class BatchPool: @unchecked Sendable {
    private let capacity: Int
    /// Whose turn it is to touch what follows (see ``MergeAhead``).
    private let turn = DispatchSemaphore(value: 1)
    private var unused: [RecordBatch] = []
    /// Where the memory of all is, and of what comes and goes with them. Large batches have their own.
    public let slab: Slab

    /// - Parameter capacity: records in a batch.
    public init(capacity: Int, in slab: Slab = Slab()) { (self.capacity, self.slab) = (capacity, slab) }

    func take() -> RecordBatch {
        turn.wait()
        defer { turn.signal() }
        return unused.popLast() ?? RecordBatch(capacity: capacity, in: slab)
    }

    /// Nobody looks at the batch's records any more.
    public func give(_ batch: RecordBatch) {
        turn.wait()
        unused.append(batch)
        turn.signal()
    }
}
