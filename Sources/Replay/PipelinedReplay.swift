import CPrefetch
import Dispatch
import LazyTLB
import Reconstruction
import Tables
import TraceData

/// A ``Replay`` on a thread of its own: what drives it is written down in batches, which that thread works off in order.
///
/// The result is that of a replay that is driven directly. A reference: copies feed the same replay.
public struct PipelinedReplay: StimulusSink {
    @usableFromInline let line: Line
    /// The line's own, without a count of references.
    @usableFromInline let writer: UnsafeMutablePointer<Line.Writer>

    /// - Parameter queue: its thread, which may do other things meanwhile, but none that wait for this one.
    public init(_ replay: Replay, on queue: DispatchQueue) {
        line = Line(replay, queue)
        writer = line.writer
    }

    /// The replay, when all that was written down so far is done.
    public func result() -> Replay { line.drain() }

    /// Where to write the next thing to do.
    @inlinable @inline(__always) func next() -> UnsafeMutablePointer<Work> {
        if _slowPath(writer.pointee.place == writer.pointee.limit) { line.send() }
        let next = writer.pointee.place
        writer.pointee.place = next + 1
        prefetch_write(next + 16)
        return next
    }

    @inlinable @inline(__always) public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        switch stimulus {
        case .contextSwitch(let cpu, let mm):
            next().pointee = Work(.contextSwitch, cpu, moment, mm, value: Int64(writer.pointee.coming))
            writer.pointee.coming = -1
        case .flushRange(let cpu, let mm, let pages): next().pointee = Work(.flushRange, cpu, moment, mm, value: pages)
        case .flushOthers(let cpu, let mm, let pages): next().pointee = Work(.flushOthers, cpu, moment, mm, value: pages)
        case .deliver(let cpu, let sender): next().pointee = Work(moment.isSilent ? .deliverSilently : .deliver, cpu, moment, value: Int64(sender))
        case .settled(let cpu): next().pointee = Work(.settled, cpu, moment)
        default: addOther(stimulus, moment)
        }
    }

    @inline(never) @usableFromInline func addOther(_ stimulus: Stimulus, _ moment: Moment) {
        // First, since it may begin another batch.
        let place = next()
        place.pointee = Work(.other, stimulus.cpu, moment, value: Int64(line.filling.others.count))
        line.filling.others.append((stimulus, moment))
        writer.pointee.coming = -1
    }

    private func add(_ work: @escaping (inout Replay) -> Void) {
        let place = next()
        place.pointee = Work(.rare, 0, Moment(time: 0, cpu: 0, pid: 0, cause: .other), value: Int64(line.filling.rare.count))
        line.filling.rare.append(work)
    }

    @inlinable @inline(__always) public mutating func willRun(_ task: IncomingTask, cpu: Int) { writer.pointee.coming = task.pid }

    @inlinable @inline(__always) public mutating func complete(cpu: Int, at moment: Moment) {
        next().pointee = Work(.complete, cpu, moment)
    }

    @inlinable @inline(__always) public mutating func completeUnsent(cpu: Int, at moment: Moment) {
        next().pointee = Work(.completeUnsent, cpu, moment)
    }

    /// Counted here: nothing else of it matters to the replay but when a flush was sent.
    @inlinable @inline(__always) public mutating func recorded(_ record: Held) {
        writer.pointee.lastTime = max(writer.pointee.lastTime, record.time)
        writer.pointee.recorded.add(cpu: Int(record.cpu), reason: record.reason, pages: record.pages)
        if record.reason == TLBReason.remoteSendIPI {
            next().pointee = Work(.sent, Int(record.cpu), Moment(time: record.time, cpu: 0, pid: 0, cause: .tlbFlush))
        }
    }

    @inlinable public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {
        next().pointee = Work(.mask, moment.cpu, moment, mm, value: Int64(bitPattern: word))
    }

    public mutating func clearLate() { add { $0.clearLate() } }
    public mutating func setBatch(_ batch: Batch, cpu: Int) { add { $0.setBatch(batch, cpu: cpu) } }
    public mutating func mayBeDown(_ cpu: Int, at time: UInt64) { add { $0.mayBeDown(cpu, at: time) } }
    public mutating func marker(_ text: String, at moment: Moment) { add { $0.marker(text, at: moment) } }

    public mutating func beginWindow(at time: UInt64) {
        (writer.pointee.recorded, writer.pointee.lastTime) = (FlushTally(cpus: writer.pointee.recorded.cpus), time)
        add { $0.beginWindow(at: time) }
    }
}

/// Something to be done, as the thread of the replay finds it. Each byte of it goes from one processor's cache to another's: so the stimuli that
/// nearly all are fit into half a cache line, and what is larger or has references lies in the ``WorkBatch`` and has its place there here.
@usableFromInline
struct Work {
    @usableFromInline
    enum Kind: UInt8 {
        /// To the task whose pid is the value.
        case contextSwitch
        case flushRange, flushOthers, settled
        /// Of the flush of the CPU that is the value.
        case deliver
        /// The same, ``Moment/isSilent``.
        case deliverSilently
        case complete, completeUnsent
        /// A SEND_IPI record.
        case sent
        /// A mask that was read; the value is its bits.
        case mask
        /// The value is the place in ``WorkBatch/others``.
        case other
        /// The value is the place in ``WorkBatch/rare``.
        case rare
    }

    /// ns.
    let time: UInt64
    let value: Int64
    let mm: MM
    let pid: Int32
    /// The CPUs of the stimulus and of the record that it was read from (``Container/cpuLimit``).
    private let cpu16: UInt16
    private let recordCPU16: UInt16
    let kind: Kind
    let cause: Record.Kind

    @usableFromInline @inline(__always)
    init(_ kind: Kind, _ cpu: Int, _ moment: Moment, _ mm: MM = .none, value: Int64 = 0) {
        (time, pid, cause) = (moment.time, moment.pid, moment.cause)
        (self.value, self.mm, self.kind) = (value, mm, kind)
        cpu16 = UInt16(truncatingIfNeeded: cpu)
        recordCPU16 = UInt16(truncatingIfNeeded: moment.recordCPU)
    }

    var cpu: Int { Int(cpu16) }

    var moment: Moment {
        var moment = Moment(time: time, cpu: cpu, pid: pid, cause: cause)
        moment.recordCPU = Int(recordCPU16)
        moment.isSilent = kind == .deliverSilently
        return moment
    }
}

private final class WorkBatch {
    /// So many that handing over costs little beside the work, and so few that all batches together take 1 MiB.
    static let capacity = 4096
    let places = UnsafeMutablePointer<Work>.allocate(apart: WorkBatch.capacity)
    var others: [(stimulus: Stimulus, moment: Moment)] = []
    var rare: [(inout Replay) -> Void] = []

    deinit { places.deallocate() }

    func work(_ count: Int, on replay: inout Replay) {
        for place in places..<places + count {
            prefetch_read(place + 16)
            let work = place.pointee
            switch work.kind {
            case .contextSwitch: replay.contextSwitch(work.cpu, work.mm, to: Int32(truncatingIfNeeded: work.value), work.moment)
            case .flushRange: replay.flushRange(work.cpu, work.mm, work.value, work.moment)
            case .flushOthers: replay.flushOthers(work.cpu, work.mm, work.value, work.moment)
            case .settled: replay.settled(work.cpu, work.moment)
            case .deliver, .deliverSilently: replay.deliver(work.cpu, from: Int(work.value), work.moment)
            case .complete: replay.complete(cpu: work.cpu, at: work.moment)
            case .completeUnsent: replay.completeUnsent(cpu: work.cpu, at: work.moment)
            case .sent: replay.sent(work.cpu, at: work.time)
            case .mask: replay.observedMask(work.mm, UInt64(bitPattern: work.value), at: work.moment)
            case .other: replay.apply(others[Int(work.value)].stimulus, at: others[Int(work.value)].moment)
            case .rare: rare[Int(work.value)](&replay)
            }
        }
        others.removeAll(keepingCapacity: true)
        rare.removeAll()
    }
}

/// The batches on their way. The one who writes has one, the others are being worked off or wait, empty, for their turn.
@usableFromInline
final class Line: @unchecked Sendable {
    /// What the one who writes touches with each thing to do. It lies apart from the replay, which the other thread touches as often: in one cache line they would
    /// wait for each other all the time.
    @usableFromInline
    struct Writer {
        /// The next free place of the batch that is being filled, and the end of its places.
        @usableFromInline var place: UnsafeMutablePointer<Work>
        @usableFromInline var limit: UnsafeMutablePointer<Work>
        /// ``Replay/coming``.
        @usableFromInline var coming: Int32 = -1
        /// What the replay is to take over in the end: the records that were counted here, and the time of the last of them, ns.
        @usableFromInline var recorded: FlushTally
        @usableFromInline var lastTime: UInt64 = 0
    }

    @usableFromInline let writer: UnsafeMutablePointer<Writer>
    /// Only touched by `queue`, and by who has drained it.
    private let replay: UnsafeMutablePointer<Replay>
    fileprivate var filling: WorkBatch
    private var ring: [WorkBatch]
    private var turn = 0
    private let free: DispatchSemaphore
    private let queue: DispatchQueue

    init(_ replay: Replay, _ queue: DispatchQueue) {
        self.queue = queue
        self.replay = .allocate(apart: 1)
        self.replay.initialize(to: replay)
        ring = (0..<8).map { _ in WorkBatch() }
        filling = ring[0]
        writer = .allocate(apart: 1)
        writer.initialize(to: Writer(place: filling.places, limit: filling.places + WorkBatch.capacity, recorded: replay.recorded))
        free = DispatchSemaphore(value: ring.count - 1)
    }

    deinit {
        writer.deinitialize(count: 1)
        writer.deallocate()
        replay.deinitialize(count: 1)
        replay.deallocate()
    }

    @inline(never) @usableFromInline func send() {
        nonisolated(unsafe) let batch = filling
        let count = writer.pointee.place - batch.places
        queue.async { [self] in
            batch.work(count, on: &replay.pointee)
            free.signal()
        }
        // Batches are freed in the order in which they were sent.
        free.wait()
        turn = (turn + 1) % ring.count
        filling = ring[turn]
        writer.pointee.place = filling.places
        writer.pointee.limit = filling.places + WorkBatch.capacity
    }

    func drain() -> Replay {
        send()
        return queue.sync {
            replay.pointee.take(recorded: writer.pointee.recorded, until: writer.pointee.lastTime)
            return replay.pointee
        }
    }
}
