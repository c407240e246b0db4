import LazyTLB

/// Who interrupts whom: IPI targets by sending process and by pair of CPUs.
public struct IPITraffic: Sendable {
    /// Who flushed.
    public enum Process: Hashable, Sendable {
        /// A task with this mm.
        case mm(MM)
        /// A task without one: a kernel thread or an exiting task.
        case task(Int32)
    }

    public struct Sums: Sendable {
        /// Flushes with at least one target in any scheme.
        public var flushes = 0
        /// IPI targets of `v4.12`, `v4.13-parent`, `v4.13`.
        public var targets = (0, 0, 0)
    }

    /// The scheme of ``matrix``.
    public let primary: String
    public let cpus: Int
    /// IPI targets in the primary scheme: row sender, column receiver.
    public private(set) var matrix: [Int]
    public private(set) var processes: [Process: Sums] = [:]

    init(cpus: Int, primary: String) {
        self.cpus = cpus
        self.primary = primary
        matrix = [Int](repeating: 0, count: cpus * cpus)
    }

    mutating func add(_ process: Process, sender: Int, wordIndex: Int, _ words: (UInt64, UInt64, UInt64), first: Bool) {
        var sums = processes[process] ?? Sums()
        if first { sums.flushes += 1 }
        sums.targets.0 += words.0.nonzeroBitCount
        sums.targets.1 += words.1.nonzeroBitCount
        sums.targets.2 += words.2.nonzeroBitCount
        processes[process] = sums
        let shown = primary == V412.id ? words.0 : primary == V413Parent.id ? words.1 : words.2
        forEachBit(shown) { matrix[sender * cpus + wordIndex * 64 + $0] += 1 }
    }
}
