import Tables
import TraceData

/// Follows tasks and CPUs through the records: who is current where, which task becomes which node, which records belong together.
///
/// Both passes walk the same way, so that the nodes of the second are those of the first.
///
/// Here and in the passes, functions on the path of every record are mutating even if they change nothing: those get the address of what
/// they work on, the others may get a copy.
struct TraceWalk {
    var tasks = TaskNodes()
    let rules: KernelRules
    let births: Births
    /// The records of birth, exec, exit and rename are used.
    let usesLifeCycle: Bool
    let cpus: Flat<PerCPU>
    /// By the reason of a tlb_flush record, from 1 on, and behind those for task context those in an interrupt.
    let kinds = Flat<Step.Kind>(
        // In task context REMOTE_SHOOTDOWN is the sender's: v4.20 to v5.12 run the handler there as well, behind a local half that has told all.
        [.nothing, .nothing, .batch, .flushed, .sent, .wrongCPU, .nothing, .nothing] + [.nothing, .answered, .batch, .flushed, .sent, .wrongCPU, .nothing, .nothing])
    static let reasons = 8
    /// The one step that there is at a time.
    private let latest = Flat(repeating: Step.Fields(), count: 1)
    private(set) var brokenChains = 0
    private(set) var gaps = 0
    private(set) var lostEvents: UInt64 = 0
    private(set) var snapshots = TaskSnapshots()
    /// What has told of births so far, and that something else of the life cycle was told.
    private(set) var birthRecords = BirthRecords.none
    private(set) var tellsChanges = false

    struct PerCPU {
        /// The current task; negative if not known, as no task's pid is.
        var pid: Int32 = -1
        var node: Int32 = -1
        /// The TASK_SWITCH record of the last sched_switch is still to come.
        var awaitsLoad = false
        /// Loads that are still to come of the kernel's mm to patch text through, and of the one back.
        var pokes: Int32 = 0
    }

    /// - Parameter births: what the trace tells of them. If nothing, its records of exec, exit and rename are not used either.
    init(cpus: Int, rules: KernelRules, births: Births) {
        self.rules = rules
        self.births = births
        usesLifeCycle = births != .untold
        self.cpus = Flat(repeating: PerCPU(), count: cpus)
    }

    /// The current task of a CPU as a node, -1 if not known.
    @inline(__always) func current(_ cpu: Int) -> Int32 { cpus[cpu].node }

    /// Takes a record of the CPU if it is the TASK_SWITCH record of the CPU's last sched_switch, which has been seen from there: so it is for
    /// over a quarter of all records.
    ///
    /// - Parameter isLoad: ``Held/isLoad`` of the record.
    @inline(__always) func takesLoad(_ cpu: Int, _ isLoad: Bool) -> Bool {
        let place = cpus.base + cpu
        // Whether it is one cannot be guessed: both are read first, for one branch.
        let isAwaited = place.pointee.awaitsLoad
        guard isLoad && isAwaited else { return false }
        place.pointee.awaitsLoad = false
        return true
    }

    /// Takes the record at the head of `source`, which is no sched_switch.
    @inline(__always) mutating func step(_ source: Lookahead) -> Step {
        let record = source.head
        let step = newStep(source)
        switch record.kind {
        case .lost:
            gaps += 1
            lostEvents.addClamped(record.word0)
            cpus[step.cpu] = PerCPU()
            step.kind = .broken
            step.broken = true
        case .tlbFlush: flush(record, source, step)
        case .newTask, .fork, .exec, .exit, .rename:
            switch record.kind {
            case .newTask: birthRecords = max(birthRecords, .newTasks)
            case .fork: birthRecords = max(birthRecords, .forks)
            default: tellsChanges = true
            }
            // (Who tells of births with their flags does so in front of sched_process_fork.)
            if usesLifeCycle, record.kind != .fork || births == .withoutFlags {
                let isFirst = cpus[step.cpu].pid != record.pid
                follow(record, source, step)
                lifeCycle(record, source.headDetails, step, isFirst: isFirst)
            }
        case .marker:
            step.kind = .marker
            if SnapshotLine.begins(source.headDetails.text) { birthRecords = max(birthRecords, .snapshot) }
            if usesLifeCycle {
                if cpus[step.cpu].pid < 0 { follow(record, source, step) }
                snapshots.take(source.headDetails.text, &tasks)
            }
        case .schedSwitch: preconditionFailure("a sched_switch, which has a step of its own")
        default: break
        }
        return step
    }

    /// Takes the sched_switch record at the head of `source`. Half of all records are such.
    @inline(__always) mutating func stepSwitch(_ source: Lookahead) -> Step {
        let record = source.head
        let step = newStep(source)
        switched(record, source, step)
        return step
    }

    /// What the record of a reason from 1 on is. Which one comes next cannot be guessed, and the passes have to look at what is made of it anyway: no branch here.
    @inline(__always) func kind(_ reason: Int32, _ flags: UInt8) -> Step.Kind { kinds.base[Int(reason) | Int(flags & 0x08)] }

    @inline(__always) private mutating func newStep(_ source: Lookahead) -> Step {
        let cpu = source.cpu
        latest.base.pointee = Step.Fields(cpu: cpu, node: cpus[cpu].node)
        return Step(latest.base)
    }

    // MARK: switches

    @inline(__always) private mutating func switched(_ record: Held, _ source: Lookahead, _ step: Step) {
        let cpu = step.cpu
        step.kind = .switched
        goOut(record, step)
        var next = comeIn(record)
        var task = tasks.place(next)
        let following = source.peek(1)
        var loads = false
        if let following, following.isLoad, following.pid == record.prevPID {
            loads = record.word1 & rules.deadStates == 0 || !isExecOfLeader(source)
        }
        step.isCut = following == nil || following?.kind == .lost
        if loads {
            if !rules.mayLeaveAtOnce, mayUseMM(next) {
                next = usesMM(next, cpu)
                task = tasks.place(next)
            }
            task.pointee.switchesWithMM = task.pointee.switches
            if task.pointee.isExec == nil, task.pointee.origin == .afterLoad { task.pointee.isExec = true }
        }
        // exit_mm() follows at once on sched_process_exit, and much behind it.
        if !loads, task.pointee.isExiting { tasks.die(next) }
        step.loads = loads
        step.next = next
        if record.word1 & rules.deadStates != 0, record.prevPID != 0 { die(step.node, pid: record.prevPID) }
        cpus[cpu] = PerCPU(pid: record.nextPID, node: next, awaitsLoad: loads)
        if task.pointee.switches > 0, !task.pointee.isDead, !task.pointee.isExiting, record.nextPID == 0 || task.pointee.comm == record.comm {
            task.pointee.uncutComm = record.uncutComm
            task.pointee.isUsual = true
        }
    }

    /// Whose turn ends: the task that came in last, or one that nobody saw come.
    @inline(__always) private mutating func goOut(_ record: Held, _ step: Step) {
        let (known, node) = (cpus[step.cpu].pid, cpus[step.cpu].node)
        if known == record.prevPID, known >= 0 {
            step.node = node
        } else if known >= 0, tookLeadersPID(node, record.prevPID) {
            // Two tasks may have the same pid for a while: a dead leader, and the thread that took its pid with exec.
            tasks.rename(node, record.prevPID)
            step.node = node
        } else {
            step.node = tasks.node(record.prevPID)
            if known < 0 { return }
            step.broken = true
            // A CPU that goes offline does so under its stopper, and comes back with its idle task, which a thread that brings it up follows.
            step.wasOffline = record.prevPID == 0 && tasks[node].comm.isStopper && record.comm.bringsUp
            if !step.wasOffline { brokenChains += 1 }
        }
    }

    /// The node of the task that comes in, under the name that it has now.
    @inline(__always) private mutating func comeIn(_ record: Held) -> Int32 {
        var next = tasks.node(record.nextPID)
        let comm = record.comm
        // Every CPU's idle task has a name of its own.
        if record.nextPID != 0, tasks.place(next).pointee.comm != comm {
            if usesLifeCycle, gaps > 0 || brokenChains > 0 { next = execUnseen(next, pid: record.nextPID, comm) }
            let task = tasks.place(next)
            task.pointee.comm = comm
            task.pointee.hasKernelName = comm.isKernelThread
        }
        let task = tasks.place(next)
        task.pointee.switches &+= 1
        if task.pointee.switches == 1 { task.pointee.firstComm = comm }
        return next
    }

    private mutating func die(_ node: Int32, pid: Int32) {
        tasks.die(node)
        // With life-cycle records a pid's next task says so itself, and a leader's pid may live on (exec by another thread).
        if !usesLifeCycle { tasks.retire(pid) }
    }

    // MARK: tlb_flush

    @inline(__always) private mutating func flush(_ record: Held, _ source: Lookahead, _ step: Step) {
        let cpu = step.cpu
        step.pages = record.pages
        if cpus[cpu].awaitsLoad, record.isLoad {
            cpus[cpu].awaitsLoad = false
            step.kind = .switchLoaded
            return
        }
        if cpus[cpu].pid < 0, record.isLoad, lacksSwitch(source) {
            step.kind = .nothing
            return
        }
        follow(record, source, step)
        let reason = record.reason
        if reason == TLBReason.onTaskSwitch { return loaded(record, source, step) }
        guard UInt32(bitPattern: reason) < UInt32(Self.reasons) else { return }
        step.kind = kind(reason, record.flags)
        let isFlushed = reason == TLBReason.localMMShootdown
        if _slowPath(mayUseMM(step.node)), isFlushed { step.node = usesMM(step.node, cpu) }
        let task = tasks.place(step.node)
        task.pointee.switchesWithMM = isFlushed ? task.pointee.switches : task.pointee.switchesWithMM
        if _slowPath(task.pointee.origin == .afterLoad), isFlushed, task.pointee.isExec == nil { task.pointee.isExec = true }
    }

    /// The TASK_SWITCH record at the head, the first of its CPU or the first behind a gap, belongs to a sched_switch that is not there:
    /// what follows is another task's.
    private mutating func lacksSwitch(_ source: Lookahead) -> Bool {
        var distance = 1
        while let next = source.peek(distance), next.kind != .lost {
            if !next.inHardIRQ { return next.pid != source.head.pid }
            distance += 1
        }
        return true
    }

    @inline(never) private mutating func loaded(_ record: Held, _ source: Lookahead, _ step: Step) {
        if record.inHardIRQ {
            step.kind = takesGlobalASID(source, node: step.node) ? .answered : .leftInIRQ
            return
        }
        let node = tasks[step.node]
        if node.origin == .usesMM || startsToUseMM(source, step.node) {
            step.kind = .reloaded
            step.next = node.origin == .usesMM ? step.node : usesMM(step.node, step.cpu)
            return
        }
        if cpus[step.cpu].pokes == 0 { cpus[step.cpu].pokes = pokes(source) }
        if cpus[step.cpu].pokes > 0 {
            cpus[step.cpu].pokes -= 1
            step.kind = .nothing
            return
        }
        let behind = pokes(source, behind: 1)
        if behind > 0 {
            switch record.pid == 0 || node.isKernel ? nil : ending(source, behind: Int(behind)) {
            case .exec:
                // The task has visited a temporary mm before.
                cpus[step.cpu].pokes = behind - 1
                step.kind = .nothing
                return
            // It does so behind exit_mm().
            case .exit: break
            case nil:
                // Whoever borrows another mm while a borrowed one is loaded leaves that first.
                step.kind = .leftToPoke
                return
            }
        }
        if takesGlobalASID(source, node: step.node) {
            step.kind = .flushed
            return
        }
        if record.pid == 0 || node.isDead || node.isKernel && !helperExecs(source, pid: record.pid) {
            step.kind = .left
            return
        }
        step.kind = .reloaded
        step.next = tasks.add(record.pid, .afterLoad, parent: step.node)
        if node.isExiting { tasks[step.next].isExec = false }
        cpus[step.cpu].node = step.next
    }

    /// A kernel thread's child becomes a user process (call_usermodehelper()).
    private mutating func helperExecs(_ source: Lookahead, pid: Int32) -> Bool {
        guard usesLifeCycle else { return false }
        var distance = 1
        while let next = source.peek(distance), next.kind != .schedSwitch {
            if next.kind == .rename || next.kind == .exec, source.peekDetails(distance).pid == pid { return true }
            distance += 1
        }
        return false
    }

    /// The record names the current task: it should be the one that was switched in.
    @inline(__always) private mutating func follow(_ record: Held, _ source: Lookahead, _ step: Step) {
        if _slowPath(cpus[step.cpu].pid != record.pid || record.pid < 0) { correct(record, source, step) }
    }

    @inline(never) private mutating func correct(_ record: Held, _ source: Lookahead, _ step: Step) {
        let cpu = step.cpu
        let known = cpus[cpu].pid
        // An exec by a thread that is not the leader gives it the leader's pid without a switch; its CR3 load has the new pid already.
        let renamed = known > 0 && record.pid > 0 && !record.inHardIRQ && execFollows(source, pid: record.pid, old: known)
        if known >= 0, !renamed {
            step.broken = true
            // From v6.14 on a CPU that comes back may be in the mask of an mm that it had, and answer a flush before its first switch.
            step.wasOffline = record.pid == 0 && tasks[cpus[cpu].node].comm.isStopper && source.comesBackIdle
            if !step.wasOffline { brokenChains += 1 }
        }
        if renamed, !usesLifeCycle { step.leader = tasks.formerly(record.pid) }
        if renamed { step.node = cpus[cpu].node } else { step.node = tasks.node(record.pid) }
        if known < 0, usesLifeCycle, source.isBehindExec(pid: record.pid) {
            step.node = tasks.add(record.pid, .afterLoad, parent: step.node)
            tasks[step.node].isExec = true
        }
        cpus[cpu].pid = record.pid
        cpus[cpu].node = step.node
    }

    private mutating func execFollows(_ source: Lookahead, pid: Int32, old: Int32) -> Bool {
        if !usesLifeCycle { return source.head.kind == .tlbFlush && source.head.reason == TLBReason.onTaskSwitch }
        var distance = 0
        while let next = source.peek(distance) {
            if next.kind == .exec {
                let details = source.peekDetails(distance)
                return details.pid == pid && details.otherPID == old
            }
            if next.kind == .schedSwitch { return next.prevPID == pid && source.head.kind == .tlbFlush && source.head.reason == TLBReason.onTaskSwitch }
            distance += 1
        }
        return false
    }
}
