import Dispatch
import LazyTLB
import Reconstruction
import TraceData

/// A ``Replay`` on a thread of its own: what drives it is written down in batches, which that thread works off in order.
///
/// The result is that of a replay that is driven directly. A reference: copies feed the same replay.
public struct PipelinedReplay: StimulusSink {
    @usableFromInline let line: Line

    public init(_ replay: Replay) { line = Line(replay) }

    /// The replay, when all that was written down so far is done.
    public func result() -> Replay { line.drain() }

    @inlinable @inline(__always) public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        let place = line.next()
        place.pointee.kind = .apply
        place.pointee.stimulus = stimulus
        place.pointee.moment = moment
    }

    public mutating func complete(cpu: Int, at moment: Moment) {
        let place = line.next()
        place.pointee.kind = .complete
        place.pointee.stimulus = .settled(cpu: cpu)
        place.pointee.moment = moment
    }

    @inlinable @inline(__always) public mutating func recorded(_ record: Held) {
        let place = line.next()
        place.pointee.kind = .recorded
        place.pointee.stimulus = .flushRange(cpu: Int(record.cpu), mm: MM(record.reason), pages: record.pages)
        place.pointee.moment.time = record.time
    }

    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {
        let place = line.next()
        place.pointee.kind = .mask
        place.pointee.stimulus = .flushRange(cpu: moment.cpu, mm: mm, pages: Int64(bitPattern: word))
        place.pointee.moment = moment
    }

    public mutating func clearLate() { line.add { $0.clearLate() } }
    public mutating func setBatch(_ batch: Batch, cpu: Int) { line.add { $0.setBatch(batch, cpu: cpu) } }
    public mutating func marker(_ text: String, at moment: Moment) { line.add { $0.marker(text, at: moment) } }
}

/// Something to be done, as the thread of the replay finds it: small, and without references (those are in ``WorkBatch/rare``).
@usableFromInline
struct Work {
    @usableFromInline
    enum Kind: UInt8 {
        case apply
        /// Of the CPU of the stimulus.
        case complete
        /// A flush record: a flush of an mm that is the record's reason.
        case recorded
        /// A mask that was read: a flush of its mm, of as many pages as the mask is a number.
        case mask
        /// A call by its number in the batch, which is the stimulus's CPU.
        case rare
    }

    @usableFromInline var moment = Moment(time: 0, cpu: 0, pid: 0, cause: .other)
    @usableFromInline var stimulus = Stimulus.settled(cpu: 0)
    @usableFromInline var kind = Kind.rare
}

private final class WorkBatch {
    static let capacity = 8192
    let places = UnsafeMutablePointer<Work>.allocate(capacity: WorkBatch.capacity)
    /// What is too large to be written down, or has references.
    var rare: [(inout Replay) -> Void] = []

    init() { places.initialize(repeating: Work(), count: WorkBatch.capacity) }

    deinit { places.deallocate() }

    func work(_ count: Int, on replay: inout Replay) {
        for place in UnsafeMutableBufferPointer(start: places, count: count) {
            switch place.kind {
            case .apply: replay.apply(place.stimulus, at: place.moment)
            case .complete: replay.complete(cpu: place.stimulus.cpu, at: place.moment)
            case .recorded:
                if case .flushRange(let cpu, let reason, let pages) = place.stimulus {
                    replay.recorded(cpu, reason: reason.index, pages: pages, at: place.moment.time)
                }
            case .mask:
                if case .flushRange(_, let mm, let word) = place.stimulus {
                    replay.observedMask(mm, UInt64(bitPattern: word), at: place.moment)
                }
            case .rare: rare[place.stimulus.cpu](&replay)
            }
        }
        rare.removeAll()
    }
}

/// The batches on their way. The one who writes has one, the others are being worked off or wait, empty, for their turn.
@usableFromInline
final class Line: @unchecked Sendable {
    /// Only touched by `queue`, and by who has drained it.
    private var replay: Replay
    private var filling: WorkBatch
    /// The next free place of the batch that is being filled, and the end of its places.
    @usableFromInline var place: UnsafeMutablePointer<Work>
    @usableFromInline var limit: UnsafeMutablePointer<Work>
    private var ring: [WorkBatch]
    private var turn = 0
    private let free: DispatchSemaphore
    private let queue = DispatchQueue(label: "lazytlb.replay")

    init(_ replay: Replay) {
        self.replay = replay
        ring = (0..<4).map { _ in WorkBatch() }
        filling = ring[0]
        place = filling.places
        limit = place + WorkBatch.capacity
        free = DispatchSemaphore(value: ring.count - 1)
    }

    /// Where to write the next thing to do.
    @inlinable @inline(__always) func next() -> UnsafeMutablePointer<Work> {
        if _slowPath(place == limit) { send() }
        let next = place
        place = next + 1
        return next
    }

    func add(_ work: @escaping (inout Replay) -> Void) {
        let place = next()
        place.pointee.kind = .rare
        place.pointee.stimulus = .settled(cpu: filling.rare.count)
        filling.rare.append(work)
    }

    @inline(never) @usableFromInline func send() {
        nonisolated(unsafe) let batch = filling
        let count = place - batch.places
        queue.async { [self] in
            batch.work(count, on: &replay)
            free.signal()
        }
        // Batches are freed in the order in which they were sent.
        free.wait()
        turn = (turn + 1) % ring.count
        filling = ring[turn]
        place = filling.places
        limit = place + WorkBatch.capacity
    }

    func drain() -> Replay {
        send()
        return queue.sync { replay }
    }
}
