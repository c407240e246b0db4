import TraceData

/// An mm that runs on many CPUs may get an ASID that all of them share, so that INVLPGB reaches them without IPIs (arch/x86/mm/tlb.c, mm_needs_global_asid(), v6.15; AMD).
/// Each CPU takes it over once, with a TASK_SWITCH record that flushes nothing while the same mm stays loaded.
extension TraceWalk {
    /// The TASK_SWITCH record `distance` records behind the head of `source` is not that of a change of mm: its task lives, and has one.
    ///
    /// An exec loads an mm that no ASID of the CPU has, and so flushes everything; the end of an mm may not, and where no record tells of exits it is that, far more often. An mm that is
    /// loaded on no more than three CPUs gets no such ASID.
    func takesGlobalASID(_ source: Lookahead, behind distance: Int = 0, node: Int32) -> Bool {
        guard rules.hasGlobalASIDs, cpus.count > 3, node >= 0, let record = source.peek(distance), record.kind == .tlbFlush, record.reason == TLBReason.onTaskSwitch else { return false }
        guard record.pages == 0, record.pid > 0, usesLifeCycle || record.inHardIRQ else { return false }
        let task = tasks[node]
        guard !task.isDead, !task.isExiting, !task.isKernel, task.origin != .usesMM else { return false }
        var distance = distance + 1
        while let next = source.peek(distance), next.kind != .lost {
            switch next.kind {
            case _ where next.inHardIRQ: distance += 1
            case .schedSwitch: return next.word1 & rules.deadStates == 0
            case .exit: return source.peekDetails(distance).pid != record.pid
            case .tlbFlush where next.reason == TLBReason.localMMShootdown: return true
            default: distance += 1
            }
        }
        return true
    }

    /// The next record of the CPU outside of interrupts is one of ``takesGlobalASID(_:behind:node:)``: the sender's own half, if the head is a SEND_IPI.
    func globalASIDFollows(_ source: Lookahead) -> Bool {
        guard rules.hasGlobalASIDs else { return false }
        var distance = 1
        while source.peek(distance)?.inHardIRQ == true { distance += 1 }
        return takesGlobalASID(source, behind: distance, node: cpus[source.cpu].node)
    }
}
