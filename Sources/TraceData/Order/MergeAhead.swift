import Dispatch
import Tables

/// Finds the order of the records of several sources by their times, as ``TimeMerge`` does, but ahead of whoever takes them: when a batch has been decoded, on the thread
/// that decoded it, in a loop that touches nothing but times.
///
/// As far as all sources' batches reach, the order is known; it goes on with the next batch of the source that ends first. ``OrderedMerge`` follows it.
///
/// - Complexity: O(log *n*) for a record; memory for 16 bytes a record of those that are decoded and not yet ordered, and 2 of those that are not yet taken.
public final class MergeAhead: @unchecked Sendable {
    /// Indices of sources, in the order in which their records come. Valid until the next one is asked for.
    public struct Run {
        /// ``ahead`` of them can be read beyond the end.
        public internal(set) var indices = FlatList<UInt16>()
        /// Nothing comes behind it.
        public internal(set) var isLast = false
    }

    /// How far one may look beyond the end of a run, at copies of its last index.
    public static let ahead = 32

    /// The sources are told apart by 16 bits.
    static let sourceLimit = 1 << 16

    /// Whose turn it is to touch what follows. (Not Synchronization's Mutex: where threads meet in that the thread sanitizer does not see what it orders, as it does here.)
    private let turn = DispatchSemaphore(value: 1)
    private let queues: [TimeQueue]
    private let kept: MergeOrder?
    private var pick = Pick()
    /// Records that have no place in the order yet.
    private var waiting = 0
    private var found = Run()
    /// What was given last.
    private var given = FlatList<UInt16>()
    /// Counts the times at which something was found, for one who waits on another thread.
    private let news: DispatchSemaphore?

    /// - Parameters:
    ///   - sources: how many there are, ``sourceLimit`` at most.
    ///   - isConcurrent: batches are handed in on other threads than that which takes the order.
    ///   - keeping: where to note the whole order, for a second pass.
    public init(sources: Int, isConcurrent: Bool, keeping kept: MergeOrder? = nil) {
        precondition(sources <= Self.sourceLimit)
        queues = (0..<sources).map { _ in TimeQueue() }
        self.kept = kept
        news = isConcurrent ? DispatchSemaphore(value: 0) : nil
    }

    /// The next batch of a source, behind those that were handed in before.
    func take(_ batch: RecordBatch, of source: Int) {
        turn.wait()
        queues[source].append(batch)
        waiting += batch.end - batch.start
        let before = found.indices.count
        if !found.isLast { found.isLast = pick.run(queues, waiting, into: &found.indices) }
        let added = UnsafeBufferPointer(start: found.indices.base + before, count: found.indices.count - before)
        waiting -= added.count
        kept?.append(added)
        let isNews = found.isLast || added.count > 0
        turn.signal()
        if isNews { news?.signal() }
    }

    /// What was found since the last call. Waits until that is something.
    public func next() -> Run {
        while true {
            news?.wait()
            turn.wait()
            if found.indices.count > 0 { found.indices.pad(Self.ahead) }
            let run = found
            // Lists are references: from now on the one before is written to, whose memory is there.
            swap(&given, &found.indices)
            found.indices.removeAll()
            turn.signal()
            if run.isLast || run.indices.count > 0 { return run }
            // Each reader has a batch that reaches beyond the record it shows, so the order reaches beyond what was taken.
            precondition(news != nil, "the order of records ends before their batches do")
        }
    }
}

/// The times of one source's records that have no place in the order yet, one behind the other, and behind them what tells whether there are more.
///
/// A time is kept as one more than it is: 0 stands for one that is not known yet, and comes first; the largest number for the end, and comes last.
private final class TimeQueue {
    static let unknown: UInt64 = 0
    static let ended = UInt64.max

    private var memory = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
    private var capacity = 1
    /// The first time, and what stands behind the last one.
    var next: UnsafeMutablePointer<UInt64>
    private var end: UnsafeMutablePointer<UInt64>
    var count: Int { end - next }

    init() {
        next = memory
        end = memory
        end.initialize(to: Self.unknown)
    }

    deinit { memory.deallocate() }

    func append(_ batch: RecordBatch) {
        let old = count
        let added = batch.end - batch.start
        if old + added + 1 > capacity {
            capacity = 2 * (old + added + 1)
            let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
            larger.initialize(from: next, count: old)
            memory.deallocate()
            memory = larger
        } else {
            memory.update(from: next, count: old)
        }
        next = memory
        end = memory + old + added
        var place = memory + old
        var record = batch.start
        while place < end {
            place.initialize(to: min(record.pointee.time, UInt64.max - 2) + 1)
            (place, record) = (place + 1, record + 1)
        }
        // Behind an error comes nothing, either.
        end.initialize(to: batch.isLast || batch.error != nil ? Self.ended : Self.unknown)
    }
}

/// Takes the least time again and again, that of the lower index among equals, until one is needed that is not known.
private struct Pick {
    /// Of more than four queues, when all have a first time.
    private var tree: LoserTree?
    /// Until then: so many of the first queues have one. Nothing is taken from a queue before.
    private var begun = 0

    /// Appends the indices of the queues that it took from, in which there are `waiting` times. True when all are at their end.
    mutating func run(_ queues: [TimeQueue], _ waiting: Int, into indices: inout FlatList<UInt16>) -> Bool {
        var isOver = false
        indices.append(upTo: waiting) { place in
            var count = 0
            isOver = queues.count <= 4 ? Self.few(queues, place, &count) : many(queues, place, &count)
            return count
        }
        return isOver
    }

    /// Up to four queues: all heads are compared each time, in registers. Which one is least is as good as random, so there is no branch for it.
    private static func few(_ queues: [TimeQueue], _ indices: UnsafeMutablePointer<UInt16>, _ count: inout Int) -> Bool {
        var nothing = TimeQueue.ended
        return withUnsafeMutablePointer(to: &nothing) { nothing in
            func head(_ index: Int) -> UnsafeMutablePointer<UInt64> { index < queues.count ? queues[index].next : nothing }
            var (a, b, c, d) = (head(0), head(1), head(2), head(3))
            var least: UInt64
            while true {
                let second = UInt64(b.pointee < a.pointee ? 1 : 0)
                let fourth = UInt64(d.pointee < c.pointee ? 1 : 0)
                let first = a.pointee ^ (a.pointee ^ b.pointee) & (0 &- second)
                let third = c.pointee ^ (c.pointee ^ d.pointee) & (0 &- fourth)
                let later = UInt64(third < first ? 1 : 0)
                least = first ^ (first ^ third) & (0 &- later)
                // Neither unknown nor the end.
                if _slowPath(least &- 1 >= TimeQueue.ended - 1) { break }
                let low = second ^ (second ^ fourth) & (0 &- later)
                indices[count] = UInt16(truncatingIfNeeded: later << 1 | low)
                count &+= 1
                a += Int(bitPattern: UInt((second ^ 1) & (later ^ 1)))
                b += Int(bitPattern: UInt(second & (later ^ 1)))
                c += Int(bitPattern: UInt((fourth ^ 1) & later))
                d += Int(bitPattern: UInt(fourth & later))
            }
            for (queue, next) in zip(queues, [a, b, c, d]) { queue.next = next }
            return least == TimeQueue.ended
        }
    }

    private mutating func many(_ queues: [TimeQueue], _ indices: UnsafeMutablePointer<UInt16>, _ count: inout Int) -> Bool {
        if tree == nil {
            while begun < queues.count, queues[begun].next.pointee != TimeQueue.unknown { begun += 1 }
            guard begun == queues.count else { return false }
            tree = LoserTree(queues.map(\.next.pointee))
        } else if tree!.winner.time == TimeQueue.unknown {
            // What it waited for may have come.
            tree!.replace(by: queues[tree!.winner.index].next.pointee)
        }
        while tree!.winner.time != TimeQueue.ended, tree!.winner.time != TimeQueue.unknown {
            let index = tree!.winner.index
            indices[count] = UInt16(truncatingIfNeeded: index)
            count += 1
            queues[index].next += 1
            tree!.replace(by: queues[index].next.pointee)
        }
        return tree!.winner.time == TimeQueue.ended
    }
}

/// A merge that follows the order which a ``MergeAhead`` finds.
public struct OrderedMerge<Source: TimedSource> {
    private let sources: Flat<Source>
    private let ahead: MergeAhead
    /// What was found last, and how far it was followed.
    private let run: Flat<MergeAhead.Run>
    private var place: UnsafeMutablePointer<UInt16>
    private var end: UnsafeMutablePointer<UInt16>
    /// Index of the source whose head came last, -1 before the first.
    public private(set) var current = -1

    /// Takes sources that have not been advanced yet, and whose batches go to `ahead`.
    public init(_ sources: [Source], order ahead: MergeAhead) {
        self.sources = Flat(sources)
        self.ahead = ahead
        run = Flat(repeating: MergeAhead.Run(), count: 1)
        (place, end) = (run[0].indices.base, run[0].indices.base)
    }

    /// The source whose head came last. Only valid after ``next()`` returned true.
    public var head: Source { @inline(__always) get { sources.base[current] } }

    /// Steps to the next head; false when all sources are at their end.
    @inline(__always)
    public mutating func next() throws(TraceError) -> Bool {
        if _fastPath(current >= 0) { _ = try sources.base[current].advance() } else { for index in sources.indices { _ = try sources[index].advance() } }
        if _slowPath(place == end), !more() { return false }
        current = Int(place.pointee)
        place += 1
        return true
    }

    @inline(never) private mutating func more() -> Bool {
        if run[0].isLast || sources.count == 0 { return false }
        run[0] = ahead.next()
        (place, end) = (run[0].indices.base, run[0].indices.base + run[0].indices.count)
        return place < end
    }
}
