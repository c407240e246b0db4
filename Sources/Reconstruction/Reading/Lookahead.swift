import CPrefetch
import Dispatch
import Synchronization
import Tables
import TraceData

/// The records of one CPU in order, with a view of those that come next on that CPU.
///
/// What a record means often shows only in the ones behind it (whether a switch loaded CR3, whether a flush sent IPIs). Those are
/// records of the same CPU, so a window of a few records suffices, and CPUs need not wait for each other.
///
/// A reference without a count, so that passing it around costs nothing: valid as long as its ``Lookaheads``.
public struct Lookahead: TimedSource {
    /// How far ahead one can see.
    public static let depth = RecordBatch.headroom

    let state: UnsafeMutablePointer<State>

    struct State {
        let cpu: Int
        /// nil if the records were given.
        var reader: BatchReader?
        /// What ties it to those who read the same batches: see ``Trail``.
        var trail: Trail?
        var batch: RecordBatch
        /// The place of the current record (before the first: one in front of it), of the end of the batch, and where to ask for the next batch.
        var head: UnsafeMutablePointer<CompactRecord>
        var end: UnsafeMutablePointer<CompactRecord>
        var refillAt: UnsafeMutablePointer<CompactRecord>
        var records = 0
        var undeclared = 0
        var switches = 0
        var firstTime: UInt64?
        var lastTime: UInt64 = 0
        /// Where to note what could not be read.
        var file: TraceFile?
        /// Where to note that it has got a batch, and as whose.
        var latest: LatestRead?
        var source = 0
    }

    /// The CPU whose records they are. ``head`` is only there as long as there are any.
    public var cpu: Int { state.pointee.cpu }
    /// Records read so far, of all kinds; gaps do not count. Whole batches count when the first of their records comes into view.
    public var records: Int { state.pointee.records }
    /// Those of events that the file does not declare.
    public var undeclared: Int { state.pointee.undeclared }
    /// sched_switch records read so far.
    public var switches: Int { state.pointee.switches }
    public var firstTime: UInt64? { state.pointee.firstTime }
    public var lastTime: UInt64 { state.pointee.lastTime }

    @inline(__always) public var headTime: UInt64 { state.pointee.head.pointee.time }
    @inline(__always) public var head: Held { Held(state.pointee.head) }
    public var headDetails: Details { state.pointee.batch[head] }

    /// The record `distance` places behind the head, nil at the end of the CPU's records or beyond ``depth``.
    @inline(__always)
    public func peek(_ distance: Int) -> Held? {
        let place = state.pointee.head + distance
        return place < state.pointee.end && distance < Lookahead.depth ? Held(place) : nil
    }

    /// The next record of this CPU outside of interrupts; nil if the view does not reach to one.
    func ownNext() -> Held? { peek(ownNextDistance) }

    /// How far behind the head that is, or would be.
    var ownNextDistance: Int {
        var distance = 1
        while let next = peek(distance), next.inHardIRQ { distance += 1 }
        return distance
    }

    /// The next sched_switch is one from the idle task to a thread that brings the CPU up. Behind the stopper thread that means that the CPU has gone off and come back: tracepoints are silent
    /// meanwhile, so the switch to the idle task is missing. (Where a filter hides it, another task comes next.)
    var comesBackIdle: Bool {
        var distance = 1
        while let next = peek(distance), next.kind != .lost {
            if next.kind == .schedSwitch { return next.prevPID == 0 && next.comm.bringsUp }
            distance += 1
        }
        return false
    }

    /// Asks for what leads to the head, and, some time later, for the head itself and the record behind it: where there are many CPUs, it will be long before the next one.
    @inline(__always) func ask() { prefetch_read(state) }

    @inline(__always) func askForHead() {
        let head = UnsafeRawPointer(state.pointee.head)
        let stride = MemoryLayout<CompactRecord>.stride
        // The two have up to three cache lines.
        prefetch_read(head)
        prefetch_read(head + stride)
        prefetch_read(head + 2 * stride - 1)
    }

    /// What belongs to a record that ``peek(_:)`` gives.
    public func peekDetails(_ distance: Int) -> Details { state.pointee.batch[Held(state.pointee.head + distance)] }

    @inline(__always) public func advance() throws(TraceError) -> Bool { try advance(asking: true) }

    /// Steps to the next record; false at the end.
    ///
    /// - Parameter asking: ask for the record some places on, which is right if there are few CPUs. See ``askForHead()``.
    @inline(__always) func advance(asking: Bool) throws(TraceError) -> Bool {
        let head = state.pointee.head + 1
        state.pointee.head = head
        if asking { prefetch_read(head + 12) }
        if _slowPath(head >= state.pointee.refillAt) { try state.pointee.refill() }
        return state.pointee.head < state.pointee.end
    }
}

extension Lookahead.State {
    /// Brings the next batch in front of what is left of this one, until the view is full again or the records end.
    mutating func refill() throws(TraceError) {
        while head >= refillAt {
            // There is more to come, but no error is told before the records in front of it have been taken.
            if let error = batch.error {
                if head < end { refillAt = end } else { throw error }
                return
            }
            if trail != nil, reader == nil, !batch.isLast {
                follow()
                continue
            }
            guard let reader, !batch.isLast else { return refillAt = end + 1 }
            let next = reader.next()
            trail?.batches.append(next)
            latest?.note(source)
            head = next.prepend(head, end - head, of: batch)
            batch = next
            end = next.end
            reader.readAhead()
            records += next.records
            undeclared += next.undeclared
            switches += next.switches
            firstTime = firstTime ?? next.firstTime
            lastTime = next.lastTime ?? lastTime
            for problem in next.problems { file?.note(problem) }
            setRefill(behind: next)
        }
    }

    private mutating func setRefill(behind next: RecordBatch) { refillAt = next.isLast && next.error == nil ? end + 1 : end - (RecordBatch.headroom - 1) }

    /// Goes on to the next batch, in front of which the one who has read it has put what was left of this one.
    private mutating func follow() {
        let next = trail!.batches.removeFirst()
        head = next.start - (end - head)
        trail!.leave(batch)
        batch = next
        end = next.end
        setRefill(behind: next)
    }
}

/// Whose batches were read last: the next ones of the same will be wanted later than those of all others.
final class LatestRead: Sendable {
    /// The last four, 16 bits each, the very last one in the lowest.
    private let four = Atomic<UInt64>(0)

    /// One thread's.
    func note(_ source: Int) { four.store(four.load(ordering: .relaxed) << 16 | UInt64(UInt16(truncatingIfNeeded: source)), ordering: .relaxed) }

    /// The last one, the one before that, and so on.
    var sources: some Sequence<Int> {
        let four = four.load(ordering: .relaxed)
        return (0..<4).lazy.map { Int(UInt16(truncatingIfNeeded: four >> (16 * UInt64($0)))) }
    }
}

/// The batches of one CPU between one who reads them and one who follows behind and gets the same records.
///
/// The first one has left a batch, and one who follows is always behind it: so the next batch is there when it is wanted. Each has a trail of its own, on its own thread;
/// who drives both takes batches from the one to the other.
final class Trail {
    /// Those that were read, or that are to be followed, and not yet taken.
    var batches: [RecordBatch] = []
    private let pool: BatchPool?
    private var isFirst = true

    /// - Parameter pool: where batches that were left go.
    init(pool: BatchPool? = nil) { self.pool = pool }

    func leave(_ batch: RecordBatch) {
        // The empty one that everybody begins with is nobody's.
        if !isFirst { pool?.give(batch) }
        isFirst = false
    }
}

/// The records of all CPUs that have any, each with its view ahead: owns what its ``all`` refer to.
public final class Lookaheads {
    /// By ascending number of the CPU.
    public let all: [Lookahead]
    /// The order of their records, if it is to be found ahead.
    public let order: MergeAhead?

    /// Those that read them.
    private let readers: [BatchReader]
    private let latest = LatestRead()

    /// Bytes that batches may take, all CPUs together.
    static let budget = 16 << 20

    /// - Parameters:
    ///   - probes: hold probe events, too.
    ///   - queues: where CPUs are decoded; without any, where they are read.
    ///   - ordered: find the order of the records with them.
    ///   - kept: the same, and note it here.
    ///   - pool: a ``pool(_:isConcurrent:)`` of such batches, one of its own if nil.
    ///   - trails: by source, where to leave all batches for those who follow.
    init(
        _ file: TraceFile, probes: Bool, on queues: [DispatchQueue] = [], ordered: Bool = false, keeping kept: MergeOrder? = nil, pool: BatchPool? = nil, trails: [Trail]? = nil
    ) {
        let streams = file.streams()
        let pool = pool ?? Lookaheads.pool(file, isConcurrent: !queues.isEmpty)
        let order = ordered || kept != nil ? MergeAhead(sources: streams.count, isConcurrent: !queues.isEmpty, keeping: kept) : nil
        self.order = order
        readers = streams.enumerated().map { index, stream in
            let queue = queues.isEmpty ? nil : queues[index % queues.count]
            return BatchReader(stream, from: pool, probes: probes, queue: queue, order: order, source: index, givesAway: trails != nil)
        }
        all = zip(streams, readers).enumerated().map { [latest] index, source in
            source.1.start()
            let state = Lookaheads.state(source.0.cpu, RecordBatch(capacity: 0), reader: source.1, file: file, trail: trails?[index])
            (state.pointee.latest, state.pointee.source) = (latest, index)
            return Lookahead(state: state)
        }
    }

    /// Reads batches ahead, as long as `isIdle`: for a thread with time to spare, beside the one that takes the records and leaves the batches in trails. It takes those that will
    /// be wanted last, so that nobody waits for one that is half read.
    func help(while isIdle: () -> Bool) {
        if readers.isEmpty { return }
        while isIdle(), latest.sources.contains(where: { readers[$0].help() }) {}
    }

    /// The same records again, which others have read: each behind the one of ``all`` with its index.
    init(behind leaders: Lookaheads, _ trails: [Trail]) {
        (order, readers) = (nil, [])
        all = zip(leaders.all, trails).map { Lookahead(state: Lookaheads.state($0.cpu, RecordBatch(capacity: 0), reader: nil, file: nil, trail: $1)) }
    }

    /// Batches of the size that suits the file.
    ///
    /// - Parameters:
    ///   - isConcurrent: other threads fill them.
    ///   - readers: how many read them, one behind the other.
    ///   - slab: where their memory comes from.
    public static func pool(_ file: TraceFile, isConcurrent: Bool, readers: Int = 1, in slab: Slab = Slab()) -> BatchPool {
        // On one thread what is written is read soon, from a near cache; between threads few handovers count for more.
        let most = isConcurrent ? 16384 : 1024
        return BatchPool(capacity: min(most, max(64, budget / (2 * readers * MemoryLayout<CompactRecord>.stride * max(1, file.cpusWithData.count)))), in: slab)
    }

    /// Records written down instead of read, by CPU: what tests feed the passes with.
    init(_ records: [[(held: CompactRecord, details: Details)]]) {
        (order, readers) = (nil, [])
        all = records.enumerated().map { Lookahead(state: Lookaheads.state($0, RecordBatch($1), reader: nil, file: nil)) }
    }

    private static func state(_ cpu: Int, _ batch: RecordBatch, reader: BatchReader?, file: TraceFile?, trail: Trail? = nil) -> UnsafeMutablePointer<Lookahead.State> {
        let state = UnsafeMutablePointer<Lookahead.State>.allocate(apart: 1)
        state.initialize(
            to: Lookahead.State(
                cpu: cpu, reader: reader, trail: trail, batch: batch, head: batch.start - 1, end: batch.end, refillAt: batch.start, records: batch.records,
                switches: batch.switches, firstTime: batch.firstTime, lastTime: batch.lastTime ?? 0, file: file))
        return state
    }

    /// The times of the first and the last record of any kind that was read so far, ns; 0 if none was.
    public var firstTime: UInt64 { all.compactMap(\.firstTime).min() ?? 0 }
    public var lastTime: UInt64 { all.map(\.lastTime).max() ?? 0 }

    /// What ``all`` refers to is valid up to here.
    @inline(never) public func stayAlive() {}

    deinit {
        for source in all {
            source.state.deinitialize(count: 1)
            source.state.deallocate()
        }
    }
}
