import TraceData

/// A thread that execs takes the pid of its process's leader (de_thread() in fs/exec.c), which is dead by then, or dies for it.
extension TraceWalk {
    /// The dead leader of a process leaves the CPU to a thread that execs and takes the leader's pid: the TASK_SWITCH record behind the
    /// switch at the head carries the same pid as that of the switch would, if there were one. If there is only one before the task
    /// shows its new mm, it is the exec's.
    mutating func isExecOfLeader(_ source: Lookahead) -> Bool {
        let head = source.head
        var loads = 0
        var hasNewMM = false
        var distance = 1
        while let next = source.peek(distance), next.kind != .lost {
            switch next.kind {
            case .tlbFlush where !next.inHardIRQ && next.pid == head.prevPID:
                if next.reason == TLBReason.onTaskSwitch, !hasNewMM { loads += 1 }
                if next.reason == TLBReason.localMMShootdown { hasNewMM = true }
            case .rename, .exec:
                let details = source.peekDetails(distance)
                if details.pid == head.prevPID { hasNewMM = true }
                if next.kind == .exec, details.pid == head.prevPID { return details.otherPID == head.nextPID && loads == 1 }
            case .schedSwitch: return next.prevPID == head.prevPID && loads == 1
            default: break
            }
            distance += 1
        }
        return false
    }

    /// The thread that was switched in is switched out under the pid of its dead leader: it is in the middle of an exec.
    mutating func tookLeadersPID(_ node: Int32, _ pid: Int32) -> Bool {
        guard usesLifeCycle, pid > 0, let leader = tasks.existing(pid), tasks[leader].isDead else { return false }
        return tasks.founder(node) == tasks.founder(leader)
    }
}
