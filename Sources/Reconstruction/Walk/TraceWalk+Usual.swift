import LazyTLB
import Tables
import TraceData

/// Records as nearly all are: of a task that is known to run, with nothing that has to be looked at beside them. They are taken without a ``Step``, and anything else about them
/// that may be odd is left to ``TraceWalk/stepSwitch(_:)`` and ``TraceWalk/step(_:)``.
extension TraceWalk {
    /// A sched_switch as nearly all are: from the task that is known to run, which is alive, to one that has come in before under the same name and is alive, with another
    /// record of the CPU behind it.
    struct UsualSwitch {
        /// The task that comes.
        var next: Int32
        var task: UnsafeMutablePointer<TaskNode>
        var loads: Bool
    }

    /// Takes the sched_switch record at the head of `source` if it is a usual one, and does just what ``stepSwitch(_:)`` would do, which is to be asked if this is nil: then
    /// nothing has changed.
    @inline(__always) mutating func stepUsualSwitch(_ source: Lookahead) -> UsualSwitch? {
        let record = source.head
        let place = cpus.base + source.cpu
        let (prevPID, nextPID) = (record.prevPID, record.nextPID)
        let next = tasks.known(nextPID)
        guard place.pointee.pid == prevPID, prevPID >= 0, next >= 0, let following = source.peek(1), following.kind != .lost else { return nil }
        let task = tasks.nodes.base + Int(next)
        guard task.pointee.isUsual, task.pointee.uncutComm == record.uncutComm || nextPID == 0, !tasks.nodes.base[Int(place.pointee.node)].isDead,
            record.word1 & rules.deadStates == 0
        else { return nil }
        // Neither can be guessed: one branch for both.
        let (isLoad, isOwn) = (following.isLoad, following.pid == prevPID)
        let loads = isLoad && isOwn
        // A kernel thread may begin to use an mm.
        if loads, task.pointee.origin == .kernel { return nil }
        return take(UsualSwitch(next: next, task: task, loads: loads), nextPID, place)
    }

    /// The same where another walk over the same records has taken it as a usual one, to that node under its own pid: without a look at the record.
    @inline(__always) mutating func stepKnownSwitch(_ cpu: Int, to next: Int32, loads: Bool) -> UsualSwitch {
        let task = tasks.place(next)
        return take(UsualSwitch(next: next, task: task, loads: loads), task.pointee.pid, cpus.base + cpu)
    }

    @inline(__always) private mutating func take(_ change: UsualSwitch, _ nextPID: Int32, _ place: UnsafeMutablePointer<PerCPU>) -> UsualSwitch {
        let (task, loads) = (change.task, change.loads)
        task.pointee.switches &+= 1
        if loads {
            task.pointee.switchesWithMM = task.pointee.switches
            if task.pointee.isExec == nil, task.pointee.origin == .afterLoad { task.pointee.isExec = true }
        }
        place.pointee = PerCPU(pid: nextPID, node: change.next, awaitsLoad: loads)
        return change
    }

    /// A tlb_flush record as nearly all of those are that are no TASK_SWITCH: of the task that is known to run, of which it tells no more than that it has an mm.
    struct UsualFlush {
        var kind: Step.Kind
        /// The current task.
        var node: Int32
    }

    /// Takes a record of the CPU if it is such a one, and does just what ``step(_:)`` would do, which is to be asked if this is nil: then nothing has changed.
    @inline(__always) mutating func stepUsualFlush(_ record: Held, _ cpu: Int) -> UsualFlush? {
        let place = cpus.base + cpu
        let reason = record.reason
        guard record.kind == .tlbFlush, UInt32(bitPattern: reason &- 1) < UInt32(Self.reasons - 1), place.pointee.pid == record.pid, record.pid >= 0 else { return nil }
        let task = tasks.nodes.base + Int(place.pointee.node)
        let isFlushed = reason == TLBReason.localMMShootdown
        // A kernel thread that begins to use an mm, or the end of an mm that turns out to be an exec.
        if isFlushed && tellsMore(task) { return nil }
        task.pointee.switchesWithMM = isFlushed ? task.pointee.switches : task.pointee.switchesWithMM
        return UsualFlush(kind: kind(reason, record.flags), node: place.pointee.node)
    }

    @inline(__always) private func tellsMore(_ task: UnsafeMutablePointer<TaskNode>) -> Bool {
        task.pointee.origin == .kernel || task.pointee.origin == .afterLoad && task.pointee.isExec == nil
    }
}
