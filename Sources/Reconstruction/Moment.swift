import LazyTLB
import TraceData

/// What a task's mm is known from, the strongest first.
public enum Basis: UInt8, Sendable, CaseIterable {
    /// A probe event.
    case exact
    /// Fork, exec, exit, rename; pid 0.
    case lifeCycle
    /// A snapshot of the tasks, among the trace's markers.
    case snapshot
    /// A CR3 load, its absence, or the answer to a flush.
    case hardware
    /// A kernel thread's name.
    case convention
    case unknown

    public var name: String {
        switch self {
        case .exact: "exact"
        case .lifeCycle: "life-cycle"
        case .hardware: "hardware"
        case .snapshot: "snapshot"
        case .convention: "convention"
        case .unknown: "unknown"
        }
    }
}

/// Where a stimulus comes from: enough to find its record in the trace again.
public struct Moment: Sendable {
    /// ns of the trace's clock.
    public var time: UInt64
    @usableFromInline var cpu32: Int32
    @usableFromInline var recordCPU32: Int32
    /// The task that was current; -1 if no record tells.
    public var pid: Int32
    /// The record that the stimulus was read from.
    public var cause: Record.Kind
    /// An IPI that the CPU has handled without a record, for it had nothing to do: by now, as a later record of it tells.
    public var isSilent = false

    @inlinable @inline(__always) public init(time: UInt64, cpu: Int, pid: Int32, cause: Record.Kind) {
        self.time = time
        cpu32 = Int32(truncatingIfNeeded: cpu)
        recordCPU32 = Int32(truncatingIfNeeded: cpu)
        self.pid = pid
        self.cause = cause
    }

    public var cpu: Int {
        @inlinable @inline(__always) get { Int(cpu32) }
        @inlinable set { cpu32 = Int32(truncatingIfNeeded: newValue) }
    }

    /// The CPU that wrote the record: another one where a sender that goes on tells that its IPIs were handled.
    public var recordCPU: Int {
        get { Int(recordCPU32) }
        set { recordCPU32 = Int32(truncatingIfNeeded: newValue) }
    }

    /// An IPI that has been handled by now, and left no record.
    var silent: Moment {
        var silent = self
        silent.isSilent = true
        return silent
    }

    /// An IPI that must have been handled by now: that happens on the receiver, whose task the sender's record does not tell.
    public func handled(by receiver: Int) -> Moment {
        var handled = Moment(time: time, cpu: receiver, pid: -1, cause: cause)
        handled.recordCPU = cpu
        return handled
    }
}

/// A task that a CPU runs from the next stimulus on: what schemes need not know of it.
public struct IncomingTask: Sendable {
    public var pid: Int32
    public var comm: Comm
    /// What its mm is known from.
    public var basis: Basis
    /// When its sched_switch record was written, ns, where the stimulus has the time of its CR3 load; 0 if no record shows it come in.
    public var begun: UInt64 = 0
}

/// What a reconstruction drives: stimuli in the order in which they happened, and beside them what the recorded kernel did.
///
/// Generic, not existential, so that a replay is compiled into the loop that feeds it.
public protocol StimulusSink {
    /// The recording is fine enough to tell when a CPU leaves a mask: ``Machine/clearsLate``.
    mutating func clearLate()
    /// The mms of the whole trace, names included, where a first pass has found them: before the first stimulus.
    mutating func willReplay(_ mms: MMTable)
    /// The CPU's next stimulus, which comes right behind this, is a context switch to this task, or finds it running.
    mutating func willRun(_ task: IncomingTask, cpu: Int)
    /// Some records on there may be a context switch to `mm`: what it will look at can be asked for.
    mutating func maySwitch(_ cpu: Int, to mm: MM)
    /// A stimulus for every scheme.
    mutating func apply(_ stimulus: Stimulus, at moment: Moment)
    /// The mms and CPUs of the batched flush that CPU `cpu` begins; comes before its ``Stimulus/batchLocal(cpu:)``.
    mutating func setBatch(_ batch: Batch, cpu: Int)
    /// The sender of the outstanding flush of `cpu` goes on: whoever has not handled its IPI yet has done so by now.
    mutating func complete(cpu: Int, at moment: Moment)
    /// The same at the end of a flush for which the recorded kernel sent nobody an IPI: mostly no scheme has, and then an earlier flush of the CPU may still be under way.
    mutating func completeUnsent(cpu: Int, at moment: Moment)
    /// A tlb_flush record of the recorded kernel.
    mutating func recorded(_ record: Held)
    /// The same of a TASK_SWITCH record, of all pages, in task context.
    mutating func recordedLoad(cpu: Int, at time: UInt64)
    /// The recorded kernel's mm_cpumask(mm), first word, as a probe read it.
    mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment)
    /// The recorded kernel's CPU has `mm` loaded from here on, as its own records show; ``MM/unknown`` where they do not.
    mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64)
    /// The CPU is marked offline, or may be. Up to its ``Stimulus/cpuDown(cpu:)``, or ``Stimulus/forget(cpu:)``, nothing tells whether it has run idle_task_exit(), and so what it has loaded.
    mutating func mayBeDown(_ cpu: Int, at time: UInt64)
    /// A trace_marker line.
    mutating func marker(_ text: String, at moment: Moment)
    /// Counts begin here: those of before are forgotten, and nothing else (``Window``).
    mutating func beginWindow(at time: UInt64)
}

extension Stimulus {
    /// Behind it it is known whether the CPU is down (``StimulusSink/mayBeDown(_:at:)``), or nothing of it.
    public var endsDoubt: Bool {
        switch self {
        case .cpuDown, .forget: true
        default: false
        }
    }
}

extension StimulusSink {
    public mutating func willReplay(_ mms: MMTable) {}
    public mutating func clearLate() {}
    public mutating func willRun(_ task: IncomingTask, cpu: Int) {}
    @inline(__always) public mutating func maySwitch(_ cpu: Int, to mm: MM) {}
    public mutating func setBatch(_ batch: Batch, cpu: Int) {}
    public mutating func complete(cpu: Int, at moment: Moment) {}
    @inline(__always) public mutating func completeUnsent(cpu: Int, at moment: Moment) { complete(cpu: cpu, at: moment) }
    public mutating func recorded(_ record: Held) {}
    public mutating func recordedLoad(cpu: Int, at time: UInt64) {
        var record = CompactRecord()
        (record.time, record.cpu, record.kind, record.word1) = (time, Int32(cpu), .tlbFlush, UInt64(bitPattern: Stimulus.flushAll))
        withUnsafePointer(to: &record) { recorded(Held($0)) }
    }
    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {}
    public mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) {}
    public mutating func mayBeDown(_ cpu: Int, at time: UInt64) {}
    public mutating func marker(_ text: String, at moment: Moment) {}
    public mutating func beginWindow(at time: UInt64) {}
}
