import TraceData

/// Finds the parent of a vfork() child where no record of its birth is used: the parent sleeps, killable, until the child execs or
/// exits (wait_for_vfork_done(), kernel/fork.c), and the child still has its name.
///
/// So a task that is seen for the first time while just one other of its name sleeps so, and that execs before the other one runs
/// again, borrows the other one's mm. (A child that exits instead is told from the others of that name by nothing.)
struct VforkWatch {
    /// Bits of prev_state while wait_for_vfork_done() sleeps: TASK_KILLABLE, which v4.14 and later report as TASK_UNINTERRUPTIBLE.
    let killable: UInt64
    /// Tasks that sleep so, by name, the latest last.
    private var sleeping: [Comm: [Int32]] = [:]
    /// The name with which each of them fell asleep.
    private var names: [Int32: Comm] = [:]
    /// The task that may be the parent of a new one, as long as it sleeps.
    private var parents: [Int32: Int32] = [:]

    init(killable: UInt64) { self.killable = killable }

    mutating func switchedOut(_ node: Int32, comm: Comm, prevState: UInt64) {
        guard prevState & killable == killable, node > 0 else { return }
        sleeping[comm, default: []].append(node)
        names[node] = comm
    }

    mutating func switchedIn(_ node: Int32, comm: Comm, isNew: Bool) {
        if let name = names.removeValue(forKey: node) {
            sleeping[name]?.removeAll { $0 == node }
            if sleeping[name]?.isEmpty == true { sleeping[name] = nil }
            for (child, parent) in parents where parent == node { parents[child] = nil }
        }
        // Of several that sleep, any may be it.
        if isNew, let asleep = sleeping[comm], asleep.count == 1, !parents.values.contains(asleep[0]) { parents[node] = asleep[0] }
    }

    /// The task execs. Returns the parent whose mm it had borrowed, if one still sleeps.
    mutating func end(_ node: Int32) -> Int32? { parents.removeValue(forKey: node) }

    /// Records are missing: whoever sleeps may have run meanwhile.
    mutating func forgetAll() { self = VforkWatch(killable: killable) }

    mutating func forget(_ node: Int32) { parents[node] = nil }
}
