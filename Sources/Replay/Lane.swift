import LazyTLB
import Tables

/// One scheme on its way through the history, and the records that it would have written.
public struct Lane<Model: Scheme>: Sendable {
    public internal(set) var scheme: Model
    /// What it did with the latest stimulus, if that was one of those that are compared: one element, so that it is read where it lies.
    private let latest = Flat(repeating: Effects(), count: 1)
    /// The tlb_flush records that it predicts.
    public internal(set) var predicted: FlushTally
    /// mm_cpumask() values that it predicted right, of those that probes read.
    public internal(set) var masksMatched = 0

    /// - Parameter common: what all schemes predict, counted once.
    init(cpus: Int, common: FlushTally? = nil) {
        scheme = Model(cpus: cpus)
        predicted = FlushTally(cpus: cpus, common: common)
    }

    /// Another scheme, which has done the same so far.
    init<Other: Scheme>(_ other: Lane<Other>, scheme: Model) {
        self.scheme = scheme
        predicted = FlushTally(other.predicted)
        masksMatched = other.masksMatched
    }

    /// Counts from here on.
    ///
    /// - Parameter outstanding: IPI targets of flushes under way.
    mutating func beginWindow(_ common: FlushTally, outstanding: Int) {
        predicted = FlushTally(cpus: predicted.cpus, common: common)
        masksMatched = 0
        scheme.counters = Counters()
        scheme.counters.ipiTargets = outstanding
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

    @inline(__always) private mutating func tally(_ cpu: Int) {
        add(latest.base.pointee.record0, cpu)
        if _slowPath(latest.base.pointee.recordCount > 1) { add(latest.base.pointee.record1, cpu) }
        if _slowPath(latest.base.pointee.recordCount > 2) { add(latest.base.pointee.record2, cpu) }
    }

    @inline(__always) mutating func add(_ record: FlushRecord, _ cpu: Int) {
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
