import LazyTLB
import Reconstruction
import Tables
import TraceData

/// What one CPU does between two changes: who runs, with which mm, and which mm is loaded.
public struct Interval: Sendable, Equatable {
    /// The CPU's state, in the terms of the lazy TLB.
    public enum State: String, Sendable {
        /// A task with an mm runs, and has it loaded.
        case user
        /// A task without an mm runs on a borrowed one.
        case lazy
        /// init_mm is loaded.
        case `init`
        case unknown
    }

    public var cpu: Int
    /// ns of the trace's clock; the end is the start of the CPU's next interval.
    public var start: UInt64
    public var end: UInt64
    /// The current task; -1 if not known.
    public var pid: Int32
    public var comm: Comm
    /// The current task's mm.
    public var mm: MM
    /// The mm that CR3 points to.
    public var loaded: MM
    /// The mm that the bookkeeping names: cpu_tlbstate.active_mm, or loaded_mm again.
    public var active: MM
    public var basis: Basis

    public var state: State {
        switch loaded {
        case .unknown, .none: return .unknown
        case .initMM: return .`init`
        default:
            if mm == .unknown { return .unknown }
            return mm == .none ? .lazy : .user
        }
    }
}

/// A tlb_flush record of the recorded kernel.
public struct RecordedFlush: Sendable, Equatable {
    public var cpu: Int
    /// ns of the trace's clock.
    public var time: UInt64
    /// ``TLBReason``, or another number.
    public var reason: Int32
    /// Of 4 KiB; -1 for all.
    public var pages: Int64

    init(_ record: Held) { (cpu, time, reason, pages) = (Int(record.cpu), record.time, record.reason, record.pages) }
}

/// Cuts the history of each CPU into intervals, without overlap or hole from the first record of the trace to its last.
///
/// Of the recorded kernel (its own records say what is loaded), or of a scheme replayed on the same stimuli.
public struct Timeline<Model: Scheme>: StimulusSink {
    private let cpus: Int
    private var lane: Lane<Model>?
    private var machine: Machine
    private let observed: Flat<MM>
    /// By CPU: nothing tells what it has loaded (``StimulusSink/mayBeDown(_:at:)``).
    private let isInDoubt: Flat<Bool>
    private let open: Flat<Interval>
    /// By CPU: the name of the task that comes with the next switch.
    private let coming: Flat<IncomingTask?>
    private var output: Output
    private var hasNames: Bool
    /// Told of the recorded kernel's tlb_flush records but those of CR3 loads, in the order of each CPU.
    private let flush: ((RecordedFlush) -> Void)?
    /// There was a tlb_flush record, and one of a CR3 load.
    public private(set) var hasFlushes = false
    public private(set) var hasLoads = false

    /// Where intervals go, with the names that are known: unchangeable, so that an interval has none of it counted.
    private final class Output {
        private let mms: MMTable
        private let emit: (Interval, MMTable) -> Void

        init(_ mms: MMTable, _ emit: @escaping (Interval, MMTable) -> Void) { (self.mms, self.emit) = (mms, emit) }

        convenience init(_ mms: MMTable, _ other: Output) { self.init(mms, other.emit) }

        func take(_ interval: Interval) { emit(interval, mms) }
    }

    /// - Parameters:
    ///   - start: the time at which every CPU's timeline begins, ns.
    ///   - replaying: false for the recorded kernel's own timeline, true for what `Model` would have done.
    ///   - mms: the mms of the trace, where the reconstruction itself knows their names only at its end (probe events).
    ///   - flush: called with each tlb_flush record that is none of a CR3 load; those of one CPU in the order of time.
    ///   - emit: called with each interval when it ends; those of one CPU in the order of time.
    public init(
        cpus: Int, start: UInt64, replaying: Bool, mms: MMTable?, flush: ((RecordedFlush) -> Void)? = nil, emit: @escaping (Interval, MMTable) -> Void
    ) {
        self.cpus = cpus
        self.flush = flush
        output = Output(mms ?? MMTable(), emit)
        hasNames = mms != nil
        lane = replaying ? Lane(cpus: cpus) : nil
        machine = Machine(cpus: cpus)
        observed = Flat(repeating: .unknown, count: cpus)
        isInDoubt = Flat(repeating: false, count: cpus)
        coming = Flat(repeating: nil, count: cpus)
        open = Flat(
            (0..<cpus).map {
                Interval(
                    cpu: $0, start: start, end: start, pid: -1, comm: .empty, mm: .unknown, loaded: .unknown, active: .unknown, basis: .unknown)
            })
    }

    public mutating func clearLate() { machine.clearsLate = true }
    public mutating func setBatch(_ batch: Batch, cpu: Int) { machine.batch[cpu] = batch }
    public mutating func willReplay(_ mms: MMTable) {
        if hasNames { return }
        (output, hasNames) = (Output(mms, output), true)
    }

    public mutating func recorded(_ record: Held) {
        hasFlushes = true
        hasLoads = hasLoads || record.reason == TLBReason.onTaskSwitch
        if let flush, record.reason != TLBReason.onTaskSwitch { flush(RecordedFlush(record)) }
    }
    public mutating func recordedLoad(cpu: Int, at time: UInt64) { (hasFlushes, hasLoads) = (true, true) }

    public mutating func willRun(_ task: IncomingTask, cpu: Int) { coming[cpu] = task }

    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        let cpu = stimulus.cpu
        lane?.apply(stimulus, cpu: cpu, on: machine)
        machine.apply(stimulus)
        var next = open[cpu]
        switch stimulus {
        case .contextSwitch: run(&next, cpu)
        // Behind a gap: who runs, without a switch.
        case .observe where next.pid < 0: run(&next, cpu)
        case .forget:
            next.pid = -1
            next.comm = .empty
            next.basis = .unknown
        default: break
        }
        coming[cpu] = nil
        if stimulus.endsDoubt { isInDoubt[cpu] = false }
        update(&next, cpu, moment.time)
    }

    /// The task that was told of runs from here on, if there was one.
    @inline(__always) private func run(_ next: inout Interval, _ cpu: Int) {
        guard let task = coming[cpu] else { return }
        (next.pid, next.comm, next.basis) = (task.pid, task.comm, task.basis)
    }

    public mutating func complete(cpu: Int, at moment: Moment) {
        guard lane != nil else { return }
        for index in 0..<max(1, (cpus + 63) / 64) {
            forEachBit(lane!.scheme.pendingWord(cpu, index)) { apply(.deliver(cpu: index * 64 + $0, from: cpu), at: moment) }
        }
    }

    public mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) {
        observed[cpu] = mm
        guard lane == nil else { return }
        var next = open[cpu]
        update(&next, cpu, time)
    }

    public mutating func mayBeDown(_ cpu: Int, at time: UInt64) {
        isInDoubt[cpu] = true
        var next = open[cpu]
        update(&next, cpu, time)
    }

    private mutating func update(_ next: inout Interval, _ cpu: Int, _ time: UInt64) {
        next.mm = machine.mm[cpu]
        next.loaded = lane?.scheme.loadedMM(cpu) ?? observed[cpu]
        next.active = lane?.scheme.bookedMM(cpu) ?? next.loaded
        if isInDoubt[cpu] { (next.loaded, next.active) = (.unknown, .unknown) }
        change(cpu, to: next, at: time)
    }

    private mutating func change(_ cpu: Int, to next: Interval, at time: UInt64) {
        let place = open.place(cpu)
        if next.isSame(as: place.pointee) { return }
        // A clock may step back a little between CPUs; a CPU's own timeline does not.
        if time > place.pointee.start {
            place.pointee.end = time
            output.take(place.pointee)
        }
        let start = max(time, place.pointee.start)
        place.pointee = next
        place.pointee.start = start
    }

    /// The trace ends at `end`.
    public mutating func finish(at end: UInt64) {
        for cpu in 0..<cpus where end > open[cpu].start {
            open[cpu].end = end
            output.take(open[cpu])
            open[cpu].start = end
        }
    }
}

extension Interval {
    /// Whether nothing has changed, on the same CPU.
    @inline(__always)
    fileprivate func isSame(as other: Interval) -> Bool {
        pid == other.pid && mm == other.mm && loaded == other.loaded && active == other.active && basis == other.basis && comm == other.comm
    }
}
