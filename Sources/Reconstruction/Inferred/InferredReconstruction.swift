import CPrefetch
import LazyTLB
import Tables
import TraceData

/// The second pass: stimuli from records without mm pointers, with the mms that the first pass found.
///
/// A flush that names no mm is attributed by what stands beside it on its CPU (a LOCAL_MM_SHOOTDOWN, the end of an mm), else by what
/// the CPUs that answer it have loaded. What nothing tells is `unknown` and stays so.
struct InferredReconstruction<Sink: StimulusSink> {
    var sink: Sink
    var evidence: EvidenceSummary
    var walk: TraceWalk
    var findings: Findings
    let rules: KernelRules
    let cpus: Int
    var observed: ObservedCPUs
    let state: Flat<PerCPU>
    /// By mm: the CPU that was the last to switch away from it; -1 if none was, nor where the table ends.
    var lastLeaver = FlatList<Int32>()
    /// Row 0: the CPUs with a flush under way (``PerCPU/sending``).
    var senders: MaskTable
    /// Row by sender: the CPUs that have answered its flush under way.
    var answers: MaskTable
    /// Gaps so far, those before the CPUs' first records included: the number of the next one in ``Findings``.
    var gaps: Int
    /// Row by sender: the CPUs that had its flush's mm loaded when it began.
    var awaited: MaskTable
    /// By CPU: those of its answers to come that belong to batches under way (``addAnswers(to:_:_:from:)``), and how many there are in all.
    var claims: [[AnswerClaim]]
    var claimCount = 0
    /// CPUs that are on their way off.
    var goingDown: [GoingDown] = []
    /// Those under way, and some that are over, at most one of each CPU; nearly always none.
    var longSwitches: [LongSwitch] = []
    /// For what a mask is only needed for a moment: ``emptyMask()``.
    private var mask: MaskTable
    /// All CPUs' records that are to come; and the same by CPU, nil for those without any.
    let sources: [Lookahead]
    let sourceOf: [Lookahead?]
    /// Switches that left CR3 alone though another mm was loaded than the next task has.
    var silentChanges = 0
    var before = Before()
    /// A switch to the idle task loaded CR3: see ``KernelRules/mayLeaveAtOnce``.
    var leavesAtOnce = false
    private var users = MMUsers()
    /// Context switches by ``Basis``, where that is not what the task's mm is known from all its life (``TaskNode/asFound``).
    let switches = Flat(repeating: 0, count: Basis.allCases.count)

    struct PerCPU {
        /// The current task's mm.
        var mm = MM.unknown
        /// The flush whose remote half is to come with the next SEND_IPI.
        var remote = Remote.none
        var remoteMM = MM.none
        /// The local half was applied with the send already (kernels that send first).
        var localDone = false
        /// An exec was just seen: the mm that it left.
        var leftMM = MM.none
        /// A flush under way.
        var sending = false
        var isBatch = false
        var sentMM = MM.none
        var sentPages: Int64 = 0
        var sentAt: UInt64 = 0
        /// When the CPU last answered a flush with REMOTE_SHOOTDOWN; 0 if it has not yet.
        var answeredAt: UInt64 = 0
        var isDown = false
        /// A switch whose TASK_SWITCH record is still to come: since when, to whom, and what the task's mm is known from.
        var isPending = false
        var basis = Basis.unknown
        var nextNode: Int32 = -1
        var prevPID: Int32 = -1
        var begun: UInt64 = 0
        /// The switch under way loads CR3.
        var loads = false
        /// The mm that the switch under way leaves.
        var leaves = MM.none
        /// The mm that the CPU's last switch left, until its next record, and when it was left.
        var lingering = MM.none
        var leftAt: UInt64 = 0
        /// The gap that the CPU's next record ends; -1 if none.
        var gap = -1
    }

    enum Remote { case none, flush, batch }

    init(sink: Sink, sources: [Lookahead], cpus: Int, rules: KernelRules, findings: Findings, births: Births, start: UInt64) {
        self.sink = sink
        self.sources = sources
        var byCPU = [Lookahead?](repeating: nil, count: cpus)
        for source in sources { byCPU[source.cpu] = source }
        sourceOf = byCPU
        self.cpus = cpus
        self.rules = rules
        self.findings = findings
        evidence = EvidenceSummary(kind: births == .untold ? .flushes : .lifeCycle)
        walk = TraceWalk(cpus: cpus, rules: rules, births: births)
        observed = ObservedCPUs(cpus: cpus, start: start)
        senders = MaskTable(cpus: cpus, rows: 1)
        answers = MaskTable(cpus: cpus, rows: cpus)
        awaited = MaskTable(cpus: cpus, rows: cpus)
        claims = [[AnswerClaim]](repeating: [], count: cpus)
        mask = MaskTable(cpus: cpus, rows: 1)
        state = Flat(repeating: PerCPU(), count: cpus)
        for cpu in 0..<cpus { state[cpu].gap = cpu }
        gaps = cpus
        self.sink.clearLate()
    }

    @inline(__always) mutating func consume(_ source: Lookahead) {
        let (record, cpu) = (source.head, source.cpu)
        if mayTakeLoad(cpu), walk.takesLoad(cpu, record.isLoad) {
            finishSwitch(cpu, record.time)
            sink.recorded(record)
        } else if record.kind == .schedSwitch {
            // Looked at once: which kind comes next cannot be guessed.
            consumeSwitch(source)
        } else {
            consumeOther(source)
        }
    }

    /// Asks for what a record needs that comes soon.
    @inline(__always) mutating func willConsume(_ turn: Turn) {
        prefetch_write(walk.tasks.nodes.base + Int(turn.node))
        prefetch_read(findings.nodes.base + Int(turn.node))
    }

    /// The same for what that leads to.
    @inline(__always) mutating func willConsumeSoon(_ turn: Turn, _ cpu: Int) {
        prefetch_write(state.base + cpu)
        if turn.node >= 0 { sink.maySwitch(cpu, to: findings.nodes[Int(turn.node)].mm) }
    }

    /// The same where the first pass has said how the record may be taken. What it says holds as long as this pass knows as much of the CPU.
    @inline(__always) mutating func consume(_ source: Lookahead, _ turn: Turn) {
        let cpu = source.cpu
        if turn.kind == .awaitedLoad, mayTakeLoad(cpu), walk.takesLoad(cpu, true) {
            finishSwitch(cpu, turn.time)
            sink.recordedLoad(cpu: cpu, at: turn.time)
        } else if turn.kind.rawValue >= Way.Kind.silentSwitch.rawValue, mayBeUsual(cpu) {
            let moment = Moment(time: turn.time, cpu: cpu, pid: walk.cpus[cpu].pid, cause: .schedSwitch)
            if _slowPath(state[cpu].sending) { complete(cpu, moment) }
            let change = walk.stepKnownSwitch(cpu, to: turn.node, loads: turn.kind == .loadingSwitch)
            cameIn(change.next, change.task, loads: change.loads, isCut: false, source, moment)
        } else {
            consume(source)
        }
    }

    @inline(__always) private func mayTakeLoad(_ cpu: Int) -> Bool { state[cpu].gap < 0 && !state[cpu].sending }

    @inline(__always) private func mayBeUsual(_ cpu: Int) -> Bool { state[cpu].gap < 0 && !state[cpu].isDown }

    @inline(never) private mutating func consumeSwitch(_ source: Lookahead) {
        let (record, cpu) = (source.head, source.cpu)
        guard mayBeUsual(cpu), let change = walk.stepUsualSwitch(source) else { return consumeUnusualSwitch(source) }
        let moment = Moment(time: record.time, cpu: cpu, pid: record.pid, cause: .schedSwitch)
        if _slowPath(state[cpu].sending), !record.inHardIRQ { complete(cpu, moment) }
        cameIn(change.next, change.task, loads: change.loads, isCut: false, source, moment)
    }

    @inline(never) private mutating func consumeUnusualSwitch(_ source: Lookahead) {
        let record = source.head
        let step = walk.stepSwitch(source)
        begin(step, source, Moment(time: record.time, cpu: step.cpu, pid: record.pid, cause: .schedSwitch))
        switched(step, source)
    }

    /// Before all else: the end of a flush under way, and records that are missing. A gap ends with the first record behind it that tells whose turn it is.
    @inline(__always) private mutating func begin(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        endSend(source, moment)
        if _slowPath(step.broken) { broken(step, moment) }
        if _slowPath(state[step.cpu].gap >= 0), step.kind != .broken, step.node >= 0 { endGap(step, source, moment) }
    }

    @inline(__always) private mutating func endSend(_ source: Lookahead, _ moment: Moment) {
        let record = source.head
        guard _slowPath(state[moment.cpu].sending), !record.inHardIRQ else { return }
        if isLocalHalf(record) { deliverToSpared(moment.cpu, moment) } else { complete(moment.cpu, moment) }
    }

    @inline(never) private mutating func consumeOther(_ source: Lookahead) {
        let (record, cpu) = (source.head, source.cpu)
        let moment = Moment(time: record.time, cpu: cpu, pid: record.pid, cause: record.kind)
        if state[cpu].gap < 0, let flush = walk.stepUsualFlush(record, cpu) {
            endSend(source, moment)
            took(flush.kind, flush.node, source, moment)
            return tally(record)
        }
        let step = walk.step(source)
        begin(step, source, moment)
        switch step.kind {
        case .switchLoaded: finishSwitch(cpu, record.time)
        case .flushed, .sent, .answered, .batch, .wrongCPU: took(step.kind, step.node, source, moment)
        case .reloaded: reloaded(step, source, moment)
        case .left: left(step, source, moment)
        case .leftInIRQ: leftInIRQ(step, moment)
        case .leftToPoke: load(cpu, .initMM, record.time)
        case .lifeCycle: lifeCycle(step, record, moment)
        case .marker: if !SnapshotLine.begins(source.headDetails.text) { sink.marker(source.headDetails.text, at: moment) }
        case .nothing, .switched, .broken: break
        }
        if record.kind == .tlbFlush { tally(record) }
    }

    @inline(__always) private mutating func tally(_ record: Held) {
        if _slowPath(rules.isRepeated(record)) { return }
        sink.recorded(record)
    }

    /// A step of a flush, whose tlb_flush record is at the head.
    @inline(__always) private mutating func took(_ kind: Step.Kind, _ node: Int32, _ source: Lookahead, _ moment: Moment) {
        switch kind {
        case .flushed: flushed(node, source, moment)
        case .sent: sent(source, moment)
        case .answered: answered(source, moment)
        case .batch: batch(source, moment)
        case .wrongCPU: if source.head.inHardIRQ { answeredWrong(moment.cpu) }
        default: break
        }
    }

    @inline(__always) mutating func apply(_ stimulus: Stimulus, _ moment: Moment) {
        // The CPU's next stimulus has settled its last switch.
        state[stimulus.cpu].lingering = .none
        sink.apply(stimulus, at: moment)
    }

    /// Notes what the recorded kernel has loaded.
    @inline(__always) mutating func load(_ cpu: Int, _ mm: MM, _ time: UInt64) {
        if observed.load(cpu, mm, at: time) { sink.loaded(mm, cpu: cpu, at: time) }
    }

    /// A mask of one row, valid until the next.
    mutating func emptyMask() -> MaskTable {
        mask.clear(0)
        return mask
    }

    // MARK: tasks

    @inline(__always) func mm(of node: Int32) -> MM {
        if node < 0 { return .unknown }
        return walk.tasks[node].isDead || walk.tasks[node].isDying ? .none : findings.nodes[Int(node)].mm
    }

    @inline(__always) func basis(of node: Int32, _ mm: MM) -> Basis {
        if mm == .unknown { return .unknown }
        return walk.tasks[node].isDead || walk.tasks[node].isDying ? .lifeCycle : findings.nodes[Int(node)].basis
    }

    mutating func broken(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        gaps += 1
        if step.wasOffline, state[cpu].isDown { return }
        if state[cpu].sending { complete(cpu, moment) }
        state[cpu] = PerCPU(gap: gaps - 1)
        staysInDoubt(moment.time) { $0.cpu == cpu }
        apply(.forget(cpu: cpu), moment)
        load(cpu, .unknown, moment.time)
    }

    // MARK: CR3 loads outside of switches

    mutating func reloaded(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        let old = mm(of: step.node)
        let new = findings.nodes[Int(step.next)].mm
        if walk.tasks[step.next].origin == .usesMM { return useMM(cpu, new, moment) }
        if state[cpu].localDone {
            // Its flush has begun with the SEND_IPI.
            state[cpu].localDone = false
            return load(cpu, .initMM, moment.time)
        }
        if new == .none {
            let mm = old.isUser ? old : observed.loaded[cpu]
            if leavesAtOnce, users.isUsed(mm, beside: step.node, findings, walk.tasks) {
                // With PCID exit_mm() loads init_mm, whoever else has the mm: no flush.
                exited(cpu, moment)
                return load(cpu, .initMM, moment.time)
            }
            return endOfMM(cpu, mm, source, moment)
        }
        let left = observed.loaded[cpu]
        apply(.exec(cpu: cpu, mm: new), moment)
        if left.isUser, left != new { linger(cpu, left, moment) }
        state[cpu].mm = new
        state[cpu].leftMM = old
        load(cpu, new, moment.time)
    }

    /// The last user of an mm tears it down (exit_mmap()): a full flush by a task that is lazy by now.
    mutating func endOfMM(_ cpu: Int, _ mm: MM, _ source: Lookahead, _ moment: Moment) {
        exited(cpu, moment)
        ownFlush(cpu, mm, source, moment)
    }

    /// A task without an mm flushes the one that it borrows, and leaves it.
    mutating func ownFlush(_ cpu: Int, _ mm: MM, _ source: Lookahead, _ moment: Moment) {
        evidence.flushes += 1
        if !mm.isKnown { evidence.unknownFlushes += 1 }
        let send = rules.sendsFirst ? nil : nextSend(source)
        let pages = rules.asked(send?.pages ?? Stimulus.flushAll)
        apply(.flushRange(cpu: cpu, mm: mm, pages: pages), moment)
        load(cpu, .initMM, moment.time)
        if send == nil { settle(mm, sender: cpu, sends: false, moment) }
        if send == nil { return applyUnsent(.flushOthers(cpu: cpu, mm: mm, pages: pages), moment) }
        state[cpu].remote = .flush
        state[cpu].remoteMM = mm
    }

    mutating func left(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].localDone {
            // Its flush has begun with the SEND_IPI.
            state[cpu].localDone = false
            return load(cpu, .initMM, moment.time)
        }
        // Handlers that were queued without an IPI run from the idle loop, or from the stopper (flush_smp_call_function_queue(), kernel/smp.c).
        if rules.answersInIdle, moment.pid == 0 || step.node >= 0 && walk.tasks[step.node].comm.isStopper, isAwaited(cpu) { return leftInIRQ(step, moment) }
        if moment.pid == 0 {
            apply(.idleLeave(cpu: cpu), moment)
            return load(cpu, .initMM, moment.time)
        }
        // sched_force_init_mm(): a CPU on its way down. In the older schemes idle_task_exit() does that, unrecorded.
        if rules.clearsMaskLate, step.node >= 0, walk.tasks[step.node].comm.isHotplug { return load(cpu, .initMM, moment.time) }
        if rules.batchLeavesLazy, !rules.sendsFirst, let send = nextSend(source), send.pages == Stimulus.flushAll {
            return reclaimed(cpu, send, source, moment)
        }
        let mm = observed.loaded[cpu]
        if mm.isUser, runsElsewhere(mm, cpu), rules.sendsFirst || nextSend(source) == nil {
            // A flush of that mm would have sent an IPI. It is do_flush_tlb_all() in the task that calls it (on_each_cpu()), or play_idle() of one that injects idle time.
            apply(rules.hasExactAnswers ? .doFlushAll(cpu: cpu) : .idleLeave(cpu: cpu), moment)
            return load(cpu, .initMM, moment.time)
        }
        ownFlush(cpu, mm, source, moment)
    }

    /// A task of the mm runs on another CPU, which has it loaded.
    private func runsElsewhere(_ mm: MM, _ cpu: Int) -> Bool {
        for other in 0..<cpus where other != cpu && observed.loaded[other] == mm && state[other].mm == mm { return true }
        return false
    }

    /// A kernel thread that reclaims has left the mm it borrows with the local half of a batched flush: only an exit flushes all of one mm.
    ///
    /// `v4.12` would have stayed with the batch, and left with the thread's next flush of a page of that mm, which leaves no record
    /// here. That it goes on reclaiming is taken for granted: the old scheme leaves too. Else each batch would count as a CPU that stays
    /// in the mask until it switches, which the recordings with probe events do not bear out.
    mutating func reclaimed(_ cpu: Int, _ send: Held, _ source: Lookahead, _ moment: Moment) {
        evidence.flushes += 1
        apply(.flushRange(cpu: cpu, mm: observed.loaded[cpu], pages: Stimulus.flushAll), moment)
        load(cpu, .initMM, moment.time)
        var mask = emptyMask()
        addAnswers(to: &mask, cpu, source, from: send)
        beginBatch(cpu, mask, moment)
        apply(.batchLocal(cpu: cpu), moment)
        state[cpu].remote = .batch
    }

    mutating func leftInIRQ(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        // Only a lazy CPU leaves: a user task on it has run exit_mm() already.
        if state[cpu].mm.isUser { exited(cpu, moment) }
        if let sender = takeSender(to: cpu, pages: nil, at: moment.time) {
            apply(.deliver(cpu: cpu, from: sender), moment)
        } else {
            apply(.doFlushAll(cpu: cpu), moment)
        }
        deliverRest(cpu, moment)
        load(cpu, .initMM, moment.time)
    }
}
