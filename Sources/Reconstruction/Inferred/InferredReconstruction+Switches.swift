import LazyTLB
import Tables
import TraceData

/// Context switches: whose mm the CPU has from when on.
extension InferredReconstruction {
    mutating func switched(_ step: Step, _ source: Lookahead) {
        let cpu = step.cpu
        let record = source.head
        let time = record.time
        if _slowPath(state[cpu].isDown) { up(cpu, Moment(time: time, cpu: cpu, pid: record.pid, cause: .schedSwitch)) }
        // A dead task has run exit_mm(), whether or not a record says when.
        if step.node > 0, state[cpu].mm.isUser, _slowPath(walk.tasks[step.node].isDead) {
            exited(cpu, Moment(time: time, cpu: cpu, pid: record.pid, cause: .schedSwitch))
        }
        let moment = Moment(time: time, cpu: cpu, pid: record.pid, cause: .schedSwitch)
        cameIn(step.next, walk.tasks.place(step.next), loads: step.loads, isCut: step.isCut, source, moment)
    }

    /// A task comes in. If it loads CR3 the switch ends with the record of that.
    @inline(__always) mutating func cameIn(
        _ node: Int32, _ task: UnsafeMutablePointer<TaskNode>, loads: Bool, isCut: Bool, _ source: Lookahead, _ moment: Moment
    ) {
        let known = findings.nodes[Int(node)]
        let loaded = observed.loaded[moment.cpu]
        let isOdd = task.pointee.isDead || task.pointee.isDying || task.pointee.origin == .usesMM || known.mm == .unknown
        // As nearly all do: alive, with what it is known to have all its life, which is loaded now or will be.
        guard !isOdd, loads || known.mm == .none || known.mm == loaded else { return cameInOddly(node, task, loads: loads, isCut: isCut, source, moment) }
        task.pointee.asFound &+= 1
        comes(node, task, known.mm, known.basis, loads: loads, loaded, source, moment)
        if node > 0, task.pointee.comm.isStopper { goOffline(moment.cpu, source, moment) }
    }

    /// The same of any other.
    @inline(never) private mutating func cameInOddly(
        _ node: Int32, _ task: UnsafeMutablePointer<TaskNode>, loads: Bool, isCut: Bool, _ source: Lookahead, _ moment: Moment
    ) {
        let (cpu, time) = (source.cpu, moment.time)
        let known = findings.nodes[Int(node)]
        let hasLost = task.pointee.isDead || task.pointee.isDying
        var next = hasLost ? .none : known.mm
        let loaded = observed.loaded[cpu]
        if _slowPath(next.isUser && !loads && !isCut && loaded.isKnown && loaded != next), isDying(node) {
            if !findings.isVague(next), !findings.isVague(loaded) {
                task.pointee.isDying = true
                next = .none
            } else {
                next = .unknown
            }
        }
        if _slowPath(next.isUser && !loads && loaded == .unknown), mayBeDying(node) { next = .unknown }
        if _slowPath(task.pointee.origin == .usesMM), next.isUser, !loads { next = mmStillUsed(cpu, next) }
        var basis = known.basis
        if _fastPath(next != .unknown && !hasLost && !task.pointee.isDying) {
            task.pointee.asFound &+= 1
        } else {
            basis = next == .unknown ? .unknown : .lifeCycle
            switches[Int(basis.rawValue)] &+= 1
        }
        comes(node, task, next, basis, loads: loads, loaded, source, moment)
        if !loads, next.isUser, loaded != next {
            if loaded != .unknown { silentChanges += 1 }
            load(cpu, next, time)
        }
        if node > 0, task.pointee.comm.isStopper { goOffline(cpu, source, moment) }
    }

    /// It runs from here on, or is on its way in.
    @inline(__always) private mutating func comes(
        _ node: Int32, _ task: UnsafeMutablePointer<TaskNode>, _ mm: MM, _ basis: Basis, loads: Bool, _ loaded: MM, _ source: Lookahead, _ moment: Moment
    ) {
        if _slowPath(rules.skipsDoneFlushes) { handlesSilently(moment) }
        let place = state.base + moment.cpu
        let end = loads ? source.peek(1)?.time ?? moment.time : moment.time
        let isLong = end &- moment.time > LongSwitch.limit
        if _slowPath(isLong), loaded.isUser, loaded != mm, !rules.clearsMaskLate {
            begins(LongSwitch(cpu: moment.cpu, mm: loaded, hasRun: place.pointee.mm == loaded, begun: moment.time, end: end))
        }
        place.pointee.mm = mm
        place.pointee.leftMM = .none
        place.pointee.sentMM = .none
        place.pointee.remote = .none
        place.pointee.isPending = loads
        place.pointee.loads = loads
        if !loads { return runs(node, task, mm, basis, begun: moment.time, moment) }
        if _slowPath(rules.mayLeaveAtOnce), node == 0 { leavesAtOnce = true }
        place.pointee.basis = basis
        place.pointee.nextNode = node
        place.pointee.prevPID = moment.pid
        place.pointee.begun = moment.time
        place.pointee.leaves = loaded != mm ? loaded : .none
        // The CPU is lazy up to the beginning of switch_mm(): while a virtual one stands still in front of that, or behind, senders go on without it.
        if rules.reloadsStale, loaded == mm, !isLong { finishSwitch(moment.cpu, moment.time) }
    }

    /// No later record shows the task with an mm: it has run exit_mm(), though its sched_process_exit is still to come.
    private mutating func isDying(_ node: Int32) -> Bool { findings.isDying(node, walk.tasks[node].switches) }

    /// The same where it is not known what is loaded: the task has shown an mm before, but none from here on.
    private mutating func mayBeDying(_ node: Int32) -> Bool { walk.gaps > 0 && findings.showsMM(node) && isDying(node) }

    @inline(__always) private mutating func runs(_ node: Int32, _ task: UnsafeMutablePointer<TaskNode>, _ mm: MM, _ basis: Basis, begun: UInt64, _ moment: Moment) {
        sink.willRun(IncomingTask(pid: task.pointee.pid, comm: node == 0 ? .empty : task.pointee.comm, basis: basis, begun: begun), cpu: moment.cpu)
        apply(.contextSwitch(cpu: moment.cpu, mm: mm), moment)
    }

    /// switch_mm() is done: with its TASK_SWITCH record, if there is one.
    mutating func finishSwitch(_ cpu: Int, _ time: UInt64) {
        let place = state.base + cpu
        guard place.pointee.isPending else { return }
        place.pointee.isPending = false
        let task = walk.tasks.place(place.pointee.nextNode)
        let moment = Moment(time: time, cpu: cpu, pid: place.pointee.prevPID, cause: .schedSwitch)
        let left = place.pointee.leaves
        runs(place.pointee.nextNode, task, place.pointee.mm, place.pointee.basis, begun: place.pointee.begun, moment)
        if left.isUser { linger(cpu, left, moment) }
        guard place.pointee.loads else { return }
        place.pointee.loads = false
        let mm = place.pointee.mm
        load(cpu, mm != .none ? mm : rules.mayLeaveAtOnce ? .initMM : .unknown, time)
    }
}
