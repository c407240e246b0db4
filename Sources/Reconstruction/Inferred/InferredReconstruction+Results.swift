import TraceData

/// What a second pass has to say when the trace is over.
extension InferredReconstruction {
    /// The counts of before a window. What is counted is also looked at, so that it goes on, and this is taken away in the end.
    struct Before {
        var brokenChains = 0
        var gaps = 0
        var lostEvents: UInt64 = 0
        var silentChanges = 0
        /// By node, as far as there were any.
        fileprivate var tasks: [(switches: UInt32, asFound: UInt32)] = []

        fileprivate func counts(_ node: Int) -> (switches: UInt32, asFound: UInt32) { node < tasks.count ? tasks[node] : (0, 0) }
    }

    mutating func beginWindow(at time: UInt64) {
        (evidence.flushes, evidence.unknownFlushes, evidence.unknownSends) = (0, 0, 0)
        observed.beginWindow(at: time)
        for basis in switches.indices { switches[basis] = 0 }
        before = Before(
            brokenChains: walk.brokenChains, gaps: walk.gaps, lostEvents: walk.lostEvents, silentChanges: silentChanges, tasks: walk.tasks.nodes.map { ($0.switches, $0.asFound) })
        sink.beginWindow(at: time)
    }

    /// The trace ends.
    ///
    /// - Parameter classes: what the first pass has found in the end.
    mutating func finish(at end: UInt64, _ classes: TaskClasses) {
        staysInDoubt(end) { _ in true }
        observed.finish(at: end)
        let before = before
        for (node, task) in walk.tasks.nodes.enumerated() { switches[Int(classes.basis[node].rawValue)] += Int(task.asFound &- before.counts(node).asFound) }
        (evidence.exact, evidence.lifeCycle, evidence.snapshot) = (count(.exact), count(.lifeCycle), count(.snapshot))
        (evidence.hardware, evidence.convention, evidence.unknown) = (count(.hardware), count(.convention), count(.unknown))
        // That of a flush may turn out behind the window's beginning, and its flush lie before.
        evidence.unknownFlushes = min(evidence.unknownFlushes, evidence.flushes)
        evidence.unknownTime = observed.unknownTime
        evidence.brokenChains = walk.brokenChains - before.brokenChains
        evidence.gaps = walk.gaps - before.gaps
        evidence.lostEvents = walk.lostEvents - before.lostEvents
        evidence.silentChanges = silentChanges - before.silentChanges
        evidence.contradictions = classes.contradictions + evidence.silentChanges
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
        let before = before
        for (node, task) in walk.tasks.nodes.enumerated() where task.pid != 0 {
            let count = task.switches &- before.counts(node).switches
            if count > 0 { switches[task.comm, default: 0] += Int(count) }
        }
        return switches
    }
}
