import TraceData

/// What a task has done in a gap: exec.
extension TraceWalk {
    /// The task comes in under another name than it had, and no task_rename told so: that is lost. Most likely it has exec'd
    /// (begin_new_exec() sets the name), so it is another node now, with an mm that nothing is known of. Threads rename themselves
    /// (prctl(), pthread_setname_np()); they stay what they are.
    mutating func execUnseen(_ node: Int32, pid: Int32, _ comm: Comm) -> Int32 {
        let task = tasks[node]
        guard pid > 0, task.comm != .empty, !task.isThread, task.origin != .kernel, !task.isDead else { return node }
        if task.origin == .afterLoad, task.isExec == nil { return node }
        tasks[node].execsUnseen = true
        let new = tasks.add(pid, .existing, parent: -1)
        tasks[new].hasExecd = true
        return new
    }
}

extension Lookahead {
    /// The current task, behind a gap, is in the middle of an exec whose CR3 load was lost: its sched_process_exec is to come, and no CR3
    /// load before it.
    func isBehindExec(pid: Int32) -> Bool {
        var distance = 0
        while let next = peek(distance) {
            switch next.kind {
            case .lost, .schedSwitch, .exit: return false
            case .tlbFlush where next.reason == TLBReason.onTaskSwitch && !next.inHardIRQ: return false
            case .exec: return peekDetails(distance).pid == pid
            default: break
            }
            distance += 1
        }
        return false
    }
}
