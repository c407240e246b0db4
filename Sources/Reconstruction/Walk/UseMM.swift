import LazyTLB
import TraceData

/// Kernel threads that use a process's mm for a while: kthread_use_mm() (use_mm() before v5.8).
///
/// A kernel thread's CR3 load outside of a switch is either that, or its own flush of the mm that it borrows, which leaves init_mm
/// loaded (kswapd makes many). What tells them apart is what only a CPU that is not lazy does. Of kthread_unuse_mm() there is no record:
/// the thread shows it when it comes in and its mm is not loaded.
///
/// A thread is taken to use always the same mm, as vhost's (up to v6.3) and io_uring's (up to v5.11) do. Later ones are made with CLONE_VM
/// (``TaskNode/Origin/shared``).
extension TraceWalk {
    /// What the thread is while it uses an mm.
    mutating func usesMM(_ node: Int32, _ cpu: Int) -> Int32 {
        var user = tasks[node].usesMM
        if user < 0 {
            user = tasks.add(tasks[node].pid, .usesMM, parent: node)
            tasks[node].usesMM = user
        }
        tasks.rename(user, tasks[node].pid)
        cpus[cpu].node = user
        return user
    }

    /// May the task be a kernel thread that starts to use an mm? kthreadd and the idle tasks never do.
    @inline(__always) func mayUseMM(_ node: Int32) -> Bool { tasks[node].origin == .kernel && tasks[node].pid > 2 }

    /// Does the TASK_SWITCH record at the head, of a kernel thread outside of a switch, load the mm that it is going to use?
    mutating func startsToUseMM(_ source: Lookahead, _ node: Int32) -> Bool {
        guard mayUseMM(node) else { return false }
        if tasks[node].comm.isVhost { return true }
        let pid = source.head.pid
        var runs = true
        var distance = 1
        while let next = source.peek(distance), next.kind != .lost {
            distance += 1
            switch next.kind {
            case .schedSwitch:
                if next.nextPID == pid { return rules.mayLeaveAtOnce ? false : loads(source, behind: distance - 1) }
                // Whoever else loads CR3 leaves nothing to tell from.
                if loads(source, behind: distance - 1) { return false }
                runs = false
            // Neither of these is written by a lazy CPU. (All pages: also by v4.13 behind a batched flush.)
            case .tlbFlush where runs && next.reason == TLBReason.localMMShootdown && next.pid == pid: return true
            case .tlbFlush where runs && next.reason == TLBReason.remoteShootdown && next.inHardIRQ && next.pages >= 0: return true
            case .tlbFlush where next.reason == TLBReason.onTaskSwitch: return false
            case .tlbFlush where runs && next.reason == TLBReason.remoteSendIPI: return false
            default: break
            }
        }
        return false
    }

    /// The sched_switch `distance` records behind the head loaded CR3.
    private func loads(_ source: Lookahead, behind distance: Int) -> Bool {
        guard let change = source.peek(distance), let next = source.peek(distance + 1) else { return false }
        return next.kind == .tlbFlush && next.reason == TLBReason.onTaskSwitch && !next.inHardIRQ && next.pid == change.prevPID
    }
}

extension Comm {
    /// `vhost-PID`: a kernel thread up to v6.3, which uses its owner's mm all its life.
    var isVhost: Bool { low & 0xffff_ffff_ffff == 0x2d74_736f_6876 }
}
