import LazyTLB
import TraceData

/// What a CPU does, and has loaded, where its records go on behind a gap.
extension InferredReconstruction {
    /// The CPU's first record behind a gap names the current task. A task with an mm has that loaded while it runs; what a task without one
    /// borrows, later records may have told the first pass.
    mutating func endGap(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        let gap = state[cpu].gap
        state[cpu].gap = -1
        var own = mm(of: step.node)
        var loaded = findings.settled(gap).mm
        if findings.settled(gap).execs { own = .unknown }
        if own.isUser, isBehindExit(step, source, moment.pid) { own = .unknown }
        if own.isUser {
            // Two answers: the task has given its mm up, or another.
            loaded = loaded.isUser && loaded != own ? .unknown : own
            if loaded == .unknown { own = .unknown }
        }
        state[cpu].mm = own
        // Of a dead task it is not known what it had.
        guard loaded.isKnown, own != .unknown, step.node == 0 || !walk.tasks[step.node].isDead else { return }
        var moment = moment
        moment.pid = walk.tasks[step.node].pid
        let comm = step.node == 0 ? .empty : walk.tasks[step.node].comm
        sink.willRun(IncomingTask(pid: moment.pid, comm: comm, basis: basis(of: step.node, own)), cpu: cpu)
        // With init_mm loaded it is not known which active_mm the old bookkeeping names: not lazy, then.
        apply(.observe(cpu: cpu, mm: loaded, lazy: own == .none && loaded != .initMM, mask: true), moment)
        load(cpu, loaded, moment.time)
    }

    /// The task that is current behind the gap may have run exit_mm() in it.
    private mutating func isBehindExit(_ step: Step, _ source: Lookahead, _ pid: Int32) -> Bool {
        if step.kind == .left || step.kind == .leftInIRQ { return true }
        if step.kind == .reloaded, !findings.nodes[Int(step.next)].mm.isUser { return true }
        return source.mayBeExiting(pid: pid, deadStates: rules.deadStates)
    }
}
