import TraceData

/// What a second pass has to say when the trace is over.
extension InferredReconstruction {
    /// The trace ends.
    ///
    /// - Parameter classes: what the first pass has found in the end.
    mutating func finish(at end: UInt64, _ classes: TaskClasses) {
        staysInDoubt(end) { _ in true }
        observed.finish(at: end)
        for (node, task) in walk.tasks.nodes.enumerated() { switches[Int(classes.basis[node].rawValue)] += Int(task.asFound) }
        (evidence.exact, evidence.lifeCycle, evidence.snapshot) = (count(.exact), count(.lifeCycle), count(.snapshot))
        (evidence.hardware, evidence.convention, evidence.unknown) = (count(.hardware), count(.convention), count(.unknown))
        evidence.unknownTime = observed.unknownTime
        evidence.brokenChains = walk.brokenChains
        evidence.gaps = walk.gaps
        evidence.lostEvents = walk.lostEvents
        evidence.contradictions = classes.contradictions + silentChanges
        evidence.silentChanges = silentChanges
        evidence.noteSnapshots(walk.snapshots)
    }

    private func count(_ basis: Basis) -> Int { switches[Int(basis.rawValue)] }

    /// Names by pid, as the last record of each told them.
    var names: [Int32: Comm] {
        var names: [Int32: Comm] = [:]
        for task in walk.tasks.nodes where task.comm != .empty { names[task.pid] = task.comm }
        return names
    }

    /// How often a task of each name was switched in.
    var switchesByName: [Comm: Int] {
        var switches: [Comm: Int] = [:]
        for task in walk.tasks.nodes where task.pid != 0 && task.switches > 0 { switches[task.comm, default: 0] += Int(task.switches) }
        return switches
    }
}
