import LazyTLB
import Tables

/// One scheme on its way through the history, and the records that it would have written.
public struct Lane<Model: Scheme>: Sendable {
    public internal(set) var scheme: Model
    /// What it did with the latest stimulus: one element, so that it is read where it lies.
    private let latest = Flat(repeating: Effects(), count: 1)
    /// The tlb_flush records that it predicts.
    public internal(set) var predicted: FlushTally
    /// mm_cpumask() values that it predicted right, of those that probes read.
    public internal(set) var masksMatched = 0

    init(cpus: Int) {
        scheme = Model(cpus: cpus)
        predicted = FlushTally(cpus: cpus)
    }

    /// Another scheme, which has done the same so far.
    init<Other: Scheme>(_ other: Lane<Other>, scheme: Model) {
        self.scheme = scheme
        predicted = FlushTally(other.predicted)
        masksMatched = other.masksMatched
    }

    var effects: UnsafeMutablePointer<Effects> { @inline(__always) get { latest.base } }

    @inline(__always) mutating func apply(_ stimulus: Stimulus, cpu: Int, on machine: Machine) {
        // Tracepoints are silent on a CPU that is marked offline: idle_task_exit()'s CR3 load leaves no record.
        var isSilent = false
        if case .cpuDown = stimulus { isSilent = true }
        run(cpu, isSilent: isSilent) { $0.apply(stimulus, on: machine, &$1) }
    }

    /// One transition of the scheme, which the caller chooses, and what it writes.
    @inline(__always) mutating func run(_ cpu: Int, isSilent: Bool = false, _ transition: (inout Model, inout Effects) -> Void) {
        latest.base.pointee.reset()
        transition(&scheme, &latest.base.pointee)
        if latest.base.pointee.recordCount > 0, !isSilent { tally(cpu) }
    }

    /// A switch to a task without an mm, of which nothing is written.
    @inline(__always) mutating func switchToLazy(_ cpu: Int, on machine: Machine) {
        latest.base.pointee.reset()
        scheme.contextSwitchToLazy(cpu, on: machine)
    }

    /// A switch to a task whose mm the CPU holds.
    @inline(__always) mutating func switchToHeld(_ cpu: Int) {
        latest.base.pointee.reset()
        scheme.contextSwitchToHeld(cpu)
    }

    /// A switch from an mm to another that is as it is meant to be: ``Scheme/leaves(_:for:on:)``.
    @inline(__always) mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, on machine: Machine) {
        scheme.contextSwitch(cpu, from: left, to: mm, on: machine)
        latest.base.pointee.become(loaded: mm)
        add(FlushRecord(reason: .taskSwitch, pages: Stimulus.flushAll), cpu)
    }

    /// Flushes on a CPU that runs a task with the mm that is flushed: ``Scheme/runs(_:_:on:)``.
    @inline(__always) mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64) {
        scheme.flushRangeOfRunning(cpu, pages)
        write(FlushRecord(reason: .localMMShootdown, pages: pages), cpu)
    }

    @inline(__always) mutating func interrupt(_ targets: UInt64, _ cpu: Int, _ mm: MM, _ pages: Int64) {
        scheme.interrupt(targets, cpu, mm, pages)
        write(FlushRecord(reason: .remoteSendIPI, pages: pages), cpu, sent: true)
    }

    @inline(__always) mutating func deliverToRunning(_ cpu: Int, from sender: Int) {
        write(FlushRecord(reason: .remoteShootdown, pages: scheme.deliverToRunning(cpu, from: sender)), cpu, delivery: .flushed)
    }

    /// Nothing happened.
    @inline(__always) mutating func doNothing(_ cpu: Int) {
        scheme.settle(cpu)
        latest.base.pointee.reset()
    }

    @inline(__always) private mutating func write(_ record: FlushRecord, _ cpu: Int, sent: Bool = false, delivery: Delivery = .notTarget) {
        latest.base.pointee.become(record, sent: sent, delivery: delivery)
        add(record, cpu)
    }

    @inline(__always) private mutating func tally(_ cpu: Int) {
        add(latest.base.pointee.record0, cpu)
        if _slowPath(latest.base.pointee.recordCount > 1) { add(latest.base.pointee.record1, cpu) }
        if _slowPath(latest.base.pointee.recordCount > 2) { add(latest.base.pointee.record2, cpu) }
    }

    @inline(__always) private mutating func add(_ record: FlushRecord, _ cpu: Int) {
        predicted.add(cpu: cpu, reason: Int32(record.reason.rawValue), pages: record.pages)
    }

    /// Word `index` of the CPUs that the latest stimulus made it interrupt.
    func targets(_ sender: Int, _ index: Int) -> UInt64 {
        latest.base.pointee.sent ? scheme.targetWord(sender, index) : 0
    }

    mutating func checkMask(_ mm: MM, _ word: UInt64) {
        if scheme.maskWord(mm, 0) == word { masksMatched += 1 }
    }
}
