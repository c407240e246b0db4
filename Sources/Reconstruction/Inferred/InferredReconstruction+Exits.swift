import LazyTLB
import TraceData

/// Tasks that give their mm up, and the flushes of exit_mmap(): the last user of an mm tears it down, and is lazy by now. It flushes each time it has gathered enough pages
/// (tlb_flush_mmu(), mm/mmu_gather.c), all of the mm.
extension InferredReconstruction {
    mutating func lifeCycle(_ step: Step, _ record: Held, _ moment: Moment) {
        guard record.kind == .exit, step.node >= 0, walk.tasks[step.node].isDead else { return }
        exited(step.cpu, moment)
    }

    /// The current task has given its mm up.
    mutating func exited(_ cpu: Int, _ moment: Moment) {
        guard state[cpu].mm != .none else { return }
        state[cpu].mm = .none
        let node = walk.current(cpu)
        apply(node >= 0 && walk.tasks[node].origin == .usesMM ? .unuseMM(cpu: cpu) : .exitMM(cpu: cpu), moment)
    }

    /// The task that tears `mm` down flushes it.
    mutating func tearDown(_ mm: MM, _ pages: Int64, _ moment: Moment) {
        let cpu = moment.cpu
        state[cpu].sentMM = mm
        if state[cpu].mm != .none { exited(cpu, moment) }
        apply(.flushRange(cpu: cpu, mm: mm, pages: rules.asked(pages)), moment)
    }

    /// The mm that the sender of the SEND_IPI at the head tears down, which no record says: a flush without a local half.
    mutating func tornDown(_ source: Lookahead) -> MM? {
        let node = walk.current(source.cpu)
        guard rules.sparesLazy, node > 0, source.head.pid > 0 else { return nil }
        let task = walk.tasks[node]
        // Behind a flush with which it has left the mm it goes on. CPUs that were spared are still in the mask.
        let hasLeft = task.origin == .afterLoad && findings.nodes[Int(node)].mm == .none
        guard hasLeft || rules.exitsBeforeMM && task.isExiting || task.isDying || leavesAtLast(source) || isSparedItself(node) else { return nil }
        let mm = findings.nodes[Int(hasLeft ? task.parent : node)].mm
        guard mm.isUser else { return nil }
        // If it is preempted, it comes in again without one.
        walk.tasks[node].isDying = true
        return mm
    }

    /// The sender has come in without a CR3 load, and shows its mm neither with this flush, of which a CPU that is not lazy has a half of its own, nor ever again: it has run exit_mm().
    private mutating func isSparedItself(_ node: Int32) -> Bool { rules.sendsFirst && findings.isDying(node, walk.tasks[node].switches) }

    /// The sender's own CPU is lazy and spared, too (tlb_is_not_lazy(), v5.13 and later), until the last flush of all: page tables are freed then, and the CPU leaves the mm. The task
    /// dies without having switched.
    private mutating func leavesAtLast(_ source: Lookahead) -> Bool {
        guard rules.sendsFirst else { return false }
        var hasLeft = false
        var distance = 0
        while let next = source.peek(distance + 1), next.kind != .lost {
            distance += 1
            if next.inHardIRQ { continue }
            switch next.kind {
            case .tlbFlush where next.reason == TLBReason.remoteSendIPI && next.pages == Stimulus.flushAll: continue
            case .tlbFlush where next.reason == TLBReason.onTaskSwitch && !hasLeft: hasLeft = true
            case .exit: return hasLeft && source.peekDetails(distance).pid == source.head.pid
            case .schedSwitch: return hasLeft && next.prevPID == source.head.pid && next.word1 & rules.deadStates != 0
            default: return false
            }
        }
        return false
    }
}
