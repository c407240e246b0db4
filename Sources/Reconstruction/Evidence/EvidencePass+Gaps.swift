import LazyTLB
import TraceData

/// What the first pass makes of gaps: where one begins and ends, and what settles what a CPU had loaded behind it.
extension EvidencePass {
    /// Records are missing before this one: of the whole time since the CPU's last one (a mark of lost events), or just here.
    mutating func broken(_ step: Step, at time: UInt64) {
        let cpu = step.cpu
        if !walk.rules.sparesLazy, !step.wasOffline { beginElimination(cpu) }
        state[cpu].loaded = step.wasOffline ? .initMM : .unknown
        settlements.begin(cpu)
        watch.change(cpu, at: time)
        watch.drop(cpu)
        vforks.forgetAll()
        if step.wasOffline { settlements.close(cpu) }
        setGap(cpu, step.wasOffline ? .none : .open)
    }

    mutating func setGap(_ cpu: Int, _ gap: Gap) {
        openGaps += (gap == .open ? 1 : 0) - (state[cpu].gap == .open ? 1 : 0)
        state[cpu].gap = gap
    }

    /// There will be records of the CPU. Those before its first one may be missing.
    mutating func expect(_ cpu: Int) { setGap(cpu, .open) }

    mutating func beginElimination(_ cpu: Int) {
        endElimination(cpu)
        elimination.begin(cpu)
        if case .of(let node) = state[cpu].loaded { elimination.suspect(node, of: cpu) }
        for other in state.indices {
            let node = walk.current(other)
            if node > 0, walk.tasks[node].origin != .kernel, !elimination.suspect(node, of: cpu) { return }
        }
    }

    mutating func endElimination(_ cpu: Int) {
        if let witness = elimination.take(cpu) { settlements.eliminate(cpu, witness) }
    }

    /// The trace ends, or who asks has a copy. Once for each.
    mutating func finish() {
        silentFlushes.add(to: &relations)
        for cpu in state.indices { endElimination(cpu) }
        if usesLifeCycle { forgetLastSwitches() } else { forgetLazyRuns() }
    }

    /// The CPU's first record behind a gap. It names the current task, and a task with an mm has that loaded while it runs.
    mutating func endGap(_ step: Step, _ source: Lookahead) {
        let cpu = step.cpu
        setGap(cpu, .none)
        settlements.end(cpu)
        elimination.end(cpu)
        watch.endGap(at: source.headTime)
        if walk.gaps > 0 { vforks.forgetAll() }
        settlements.note(cpu, current: step.node, walk.tasks[step.node].switches)
        guard step.node > 0, state[cpu].loaded == .unknown else { return }
        let task = walk.tasks[step.node]
        guard task.origin != .kernel, !task.isDead, task.userEvidence > 0 || walk.tasks.isSettled(step.node) else { return }
        if !source.mayBeExiting(pid: source.head.pid, deadStates: walk.rules.deadStates) { state[cpu].loaded = .of(step.node) }
    }

    /// The CPU answers a flush of the mm that it has loaded, whosesoever it is. (One of all pages may be a batch, of several mms.)
    mutating func clear(_ cpu: Int, pages: Int64) {
        let node = walk.current(cpu)
        if pages != Stimulus.flushAll, hasMM(node) { elimination.clear(node) }
    }

    mutating func eliminate(_ step: Step) {
        if step.node > 0, walk.tasks[step.node].origin != .kernel { elimination.suspect(step.node) }
        if step.next > 0, walk.tasks[step.next].origin != .kernel { elimination.suspect(step.next) }
        guard step.loads, let witness = elimination.take(step.cpu) else { return }
        var all = witness
        all.cleared.append(step.next)
        settlements.eliminate(step.cpu, all)
    }

    mutating func settleSilently(_ cpu: Int, _ next: Int32) {
        let task = walk.tasks[next]
        settlements.settle(cpu, next, task.switches, sure: task.userEvidence > 0 || walk.tasks.isSettled(next))
    }

    func hasMM(_ node: Int32) -> Bool {
        guard node > 0, walk.tasks[node].origin != .kernel, !walk.tasks[node].isDead else { return false }
        return walk.tasks[node].userEvidence > 0 || walk.tasks.isSettled(node)
    }
}
