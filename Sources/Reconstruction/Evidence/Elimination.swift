/// Finds CPUs that have init_mm loaded behind a gap, where only tasks without an mm run on them: by elimination.
///
/// Up to v4.19 a lazy CPU is interrupted for every flush of the mm that it borrows, and leaves it, which is recorded. So what it does not
/// answer it does not borrow. If every process that has run anywhere since the gap began was flushed in vain since the gap ended, none of
/// them is borrowed: init_mm is loaded. (A process that ran in the gap only, and never since, is not thought of.)
struct Elimination {
    /// What was seen while a gap was open.
    struct Witness {
        /// Nodes that ran since the gap began, or were loaded before it: who may be borrowed.
        var suspects: [Int32] = []
        /// Nodes whose mm was flushed since the gap ended, with IPIs, and which the CPU did not answer; and the one to which it switched with
        /// a CR3 load in the end.
        var cleared: [Int32] = []
    }

    /// More processes than this are not followed for one gap.
    static let limit = 24

    /// CPUs with a gap that nothing has settled yet.
    private var tracked: [Int] = []
    /// By CPU: the same.
    private var isTracked: [Bool]
    private var witnesses: [Witness]
    /// By CPU: the end of its gap has been seen.
    private var isBehind: [Bool]
    /// Nodes that all tracked CPUs have among their suspects, and those that all which are behind their gaps have cleared: most are, and that is told at every switch.
    private var allSuspect: Set<Int32> = []
    private var allCleared: Set<Int32> = []

    init(cpus: Int) {
        witnesses = [Witness](repeating: Witness(), count: cpus)
        isBehind = [Bool](repeating: false, count: cpus)
        isTracked = isBehind
    }

    /// How many these are.
    @inline(__always) var count: Int { tracked.count }
    var isIdle: Bool { tracked.isEmpty }

    mutating func begin(_ cpu: Int) {
        stop(cpu)
        tracked.append(cpu)
        isTracked[cpu] = true
        witnesses[cpu] = Witness()
        isBehind[cpu] = false
        allSuspect.removeAll(keepingCapacity: true)
    }

    mutating func end(_ cpu: Int) {
        isBehind[cpu] = true
        allCleared.removeAll(keepingCapacity: true)
    }

    /// - Complexity: O(*n*) in the number of CPUs with such a gap, if this is one; else O(1).
    mutating func stop(_ cpu: Int) {
        guard isTracked[cpu] else { return }
        isTracked[cpu] = false
        tracked.removeAll { $0 == cpu }
    }

    /// The gap's interval is over.
    mutating func take(_ cpu: Int) -> Witness? {
        guard isTracked[cpu], isBehind[cpu] else { return nil }
        stop(cpu)
        return witnesses[cpu]
    }

    /// A node with an mm, or one that may have one, runs somewhere.
    mutating func suspect(_ node: Int32) {
        guard allSuspect.insert(node).inserted else { return }
        var isOver = false
        for cpu in tracked { isOver = add(node, cpu) || isOver }
        guard isOver else { return }
        for cpu in tracked where witnesses[cpu].suspects.count > Self.limit { isTracked[cpu] = false }
        tracked.removeAll { !isTracked[$0] }
    }

    /// It may be borrowed on that CPU.
    ///
    /// - Returns: whether the CPU's gap is still followed.
    @discardableResult mutating func suspect(_ node: Int32, of cpu: Int) -> Bool {
        if isTracked[cpu], add(node, cpu) { stop(cpu) }
        return isTracked[cpu]
    }

    /// - Returns: whether there are too many now.
    private mutating func add(_ node: Int32, _ cpu: Int) -> Bool {
        if !witnesses[cpu].suspects.contains(node) { witnesses[cpu].suspects.append(node) }
        return witnesses[cpu].suspects.count > Self.limit
    }

    /// A flush of the node's mm is over, with IPIs.
    mutating func clear(_ node: Int32) {
        guard allCleared.insert(node).inserted else { return }
        for cpu in tracked where isBehind[cpu] && !witnesses[cpu].cleared.contains(node) { witnesses[cpu].cleared.append(node) }
    }
}
