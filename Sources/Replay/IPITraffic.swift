import LazyTLB
import Tables

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
        /// IPI targets.
        public var targets = SchemeCounts()

        mutating func add(_ more: SchemeCounts) {
            flushes &+= 1
            targets += more
        }
    }

    /// The scheme of ``subscript(_:_:)``.
    public let primary: String
    private let shownScheme: Int
    public let cpus: Int
    /// IPI targets in the primary scheme: where the row of a sender begins in ``cells``, -1 before it has sent any. With a row for every
    /// CPU the square alone would take 512 MiB for the 8192 that a file may state.
    private let rows: Flat<Int>
    /// Rows of senders, a column for each receiver.
    private var cells = FlatList<Int>()
    /// By mm, and by pid for tasks without one.
    private var byMM = FlatList<Sums>()
    private var byTask: [Int32: Sums] = [:]

    init(cpus: Int, primary: String) {
        self.cpus = cpus
        self.primary = primary
        shownScheme = primary == V412.id ? 0 : primary == V413Parent.id ? 1 : 2
        rows = Flat(repeating: -1, count: cpus)
    }

    /// Word `wordIndex` of the CPUs that a flush of `sender` interrupts in each scheme.
    mutating func add(sender: Int, wordIndex: Int, _ words: (UInt64, UInt64, UInt64)) {
        let shown = shownScheme == 0 ? words.0 : shownScheme == 1 ? words.1 : words.2
        if shown == 0 { return }
        if rows[sender] < 0 { addRow(sender) }
        let first = rows[sender] + wordIndex * 64
        forEachBit(shown) { cells[first &+ $0] &+= 1 }
    }

    @inline(never) private mutating func addRow(_ sender: Int) {
        rows[sender] = cells.count
        cells.extend(with: 0, to: cells.count + cpus)
    }

    /// IPI targets in the primary scheme, by sending CPU and receiving CPU.
    public subscript(sender: Int, receiver: Int) -> Int { rows[sender] < 0 ? 0 : cells[rows[sender] + receiver] }

    /// Whether the CPU has interrupted any.
    public func hasSent(_ cpu: Int) -> Bool { rows[cpu] >= 0 }

    /// How many CPUs a flush interrupts in each scheme.
    mutating func add(_ process: Process, _ targets: SchemeCounts) {
        if targets.v412 | targets.v413Parent | targets.v413 == 0 { return }
        switch process {
        case .mm(let mm):
            let row = Int(mm.index)
            if row >= byMM.count { byMM.extend(with: Sums(), to: row + 1) }
            byMM[row].add(targets)
        case .task(let pid): byTask[pid, default: Sums()].add(targets)
        }
    }

    /// Gives those that interrupted any CPU, in no particular order.
    public func forEachProcess(_ body: (Process, Sums) -> Void) {
        for row in byMM.indices where byMM[row].flushes > 0 { body(.mm(MM(Int32(row))), byMM[row]) }
        for (pid, sums) in byTask { body(.task(pid), sums) }
    }

    /// The same, all at once.
    public var processes: [Process: Sums] {
        var found: [Process: Sums] = [:]
        forEachProcess { found[$0] = $1 }
        return found
    }
}
