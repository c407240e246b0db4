import LazyTLB

/// One scheme on its way through the history, and the records that it would have written.
public struct Lane<Model: Scheme>: Sendable {
    public internal(set) var scheme: Model
    /// What it did with the latest stimulus.
    private(set) var effects = Effects()
    /// The tlb_flush records that it predicts.
    public internal(set) var predicted: FlushTally
    /// mm_cpumask() values that it predicted right, of those that probes read.
    public internal(set) var masksMatched = 0

    init(cpus: Int) {
        scheme = Model(cpus: cpus)
        predicted = FlushTally(cpus: cpus)
    }

    mutating func apply(_ stimulus: Stimulus, cpu: Int, on machine: Machine) {
        effects.reset()
        scheme.apply(stimulus, on: machine, &effects)
        guard effects.recordCount > 0 else { return }
        // Tracepoints are silent on a CPU that is marked offline: idle_task_exit()'s CR3 load leaves no record.
        if case .cpuDown = stimulus { return }
        effects.forEachRecord { predicted.add(cpu: cpu, reason: Int32($0.reason.rawValue), pages: $0.pages) }
    }

    /// Word `index` of the CPUs that the latest stimulus made it interrupt.
    func targets(_ sender: Int, _ index: Int) -> UInt64 {
        effects.sent ? scheme.targetWord(sender, index) : 0
    }

    mutating func checkMask(_ mm: MM, _ word: UInt64) {
        if scheme.maskWord(mm, 0) == word { masksMatched += 1 }
    }
}
