import TraceData

/// What the records of birth, exec, exit and new names make of tasks.
extension TraceWalk {
    /// - Parameter isFirst: what the CPU's task did before is not known.
    @inline(never) mutating func lifeCycle(_ record: Held, _ details: Details, _ step: Step, isFirst: Bool) {
        step.kind = .lifeCycle
        switch record.kind {
        case .newTask where births == .withFlags: born(details, parent: step.node)
        case .newTask, .fork: bornSomehow(details, parent: step.node, unseen: isFirst)
        case .exec: executed(details, step)
        case .exit:
            guard let node = details.pid == record.pid ? step.node : tasks.existing(details.pid) else { break }
            if rules.exitsBeforeMM {
                tasks[node].isExiting = true
                tasks[node].switchesWithMM = tasks[node].switches
                break
            }
            tasks.die(node)
        case .rename:
            guard let node = tasks.existing(details.pid) else { break }
            // Without a pid in the record (v6.14 to v6.17) it is the writer's, who may have renamed another (/proc/PID/comm).
            if details.otherPID < 0, tasks[node].comm != .empty, tasks[node].comm != details.oldComm { break }
            tasks[node].comm = details.comm
            if details.pid == record.pid, tasks[node].origin == .afterLoad, tasks[node].isExec == nil { tasks[node].isExec = true }
        default: break
        }
    }

    private mutating func born(_ details: Details, parent: Int32) {
        let cloneVM: UInt64 = 0x100
        let cloneThread: UInt64 = 0x1_0000
        let cloneUntraced: UInt64 = 0x80_0000
        // fork_idle() makes the idle tasks of other CPUs.
        guard details.pid > 0 else { return }
        let origin: TaskNode.Origin
        if tasks[parent].origin == .kernel || tasks[parent].origin == .usesMM {
            origin = .kernel
        } else if details.cloneFlags & cloneVM != 0 {
            origin = .shared
        } else {
            origin = .forked
        }
        if origin == .forked || origin == .shared && (details.cloneFlags & cloneThread != 0 || details.cloneFlags & cloneUntraced == 0) {
            tasks[parent].userEvidence.addClamped(1)
        }
        let node = tasks.add(details.pid, origin, parent: parent)
        tasks[node].comm = details.comm
        tasks[node].isThread = details.cloneFlags & cloneThread != 0
    }

    /// A child of which it is not told whether it shares its parent's mm.
    ///
    /// fork() flushes the parent's mm, all of it, when it has copied it, and nothing else of the task comes in between (dup_mmap(), kernel/fork.c: flush_tlb_mm(), all versions). That shows before
    /// all 5,527 births without CLONE_VM of the recordings, and in front of 91 of the 4,608 with it is such a flush that has nothing to do with them.
    ///
    /// - Parameter unseen: the flush, if there was one, is lost: it is as if the birth had not been seen.
    private mutating func bornSomehow(_ details: Details, parent: Int32, unseen: Bool) {
        guard details.pid > 0 else { return }
        // Both records of a birth may be there.
        if let child = tasks.existing(details.pid), tasks[child].switches == 0, !tasks[child].isDead { return }
        let isKernel = tasks[parent].isKernel || tasks[parent].origin == .usesMM
        let origin = isKernel ? TaskNode.Origin.kernel : unseen ? .existing : .born
        let child = tasks.add(details.pid, origin, parent: origin == .existing ? -1 : parent)
        tasks[child].comm = details.comm == .empty ? tasks[parent].comm : details.comm
        tasks[child].isCopy = tasks[parent].flushedAll
        tasks[parent].flushedAll = false
    }

    private mutating func executed(_ details: Details, _ step: Step) {
        guard let node = tasks.existing(details.pid) else { return }
        if tasks[node].origin == .afterLoad, tasks[node].isExec != false {
            tasks[node].isExec = true
            // If the task_rename before it is lost, the new name is not known.
            if gaps > 0, tasks[node].comm == tasks[tasks[node].parent].comm { tasks[node].comm = .empty }
        } else {
            // Its CR3 load was not recorded.
            step.next = tasks.add(details.pid, .afterLoad, parent: node)
            tasks[step.next].isExec = true
            if cpus[step.cpu].pid == details.pid { cpus[step.cpu].node = step.next }
        }
    }
}
