import CPrefetch
import LazyTLB
import Tables
import TraceData

/// The first pass: walks the whole trace and collects what its records tell of which tasks share an mm.
///
/// Pairs whose relation the life cycle settles are not kept, so memory grows with tasks, not with records.
struct EvidencePass {
    var walk: TraceWalk
    /// Without what is in ``silentFlushes``, up to the end.
    var relations = PairTable(empty: Relation())
    let silentFlushes: SilentFlushes
    /// How often a node answered one of two nodes' flushes.
    var either: [Either: UInt32] = [:]
    var settlements: GapSettlements
    let state: Flat<PerCPU>
    /// Row 0: the CPUs whose SEND_IPI was seen, and nothing behind it yet (``Send/underWay``).
    var senders: MaskTable
    /// CPUs whose records are missing here and now.
    var openGaps = 0
    var vforks: VforkWatch
    /// Of those that may be children, since it was last looked at how long the others run (``VforkWatch/longestRun``).
    var vforkSleeps = 0
    /// Kept where it is not told with whom a child shares its mm.
    var silentRuns = SilentRuns()
    var watch: AnswerWatch
    var unansweredFlushes = UnansweredFlushes()
    var elimination: Elimination
    var clocks: ClockWatch
    let usesLifeCycle: Bool
    /// Births are told without their flags.
    @inline(__always) var lacksFlags: Bool { walk.births == .withoutFlags }
    /// 0 if CPUs may be lazy.
    private let unusual: Int
    /// The order in which the records came, for the second pass.
    var order = MergeOrder(sources: 0)
    /// A switch to the idle task loaded CR3: v4.14 to v4.19 with PCID, where init_mm is loaded whenever a task without an mm runs.
    private var leavesAtOnce = false

    struct PerCPU {
        var loaded = LoadedNode.unknown
        var isLazy = false
        var gap = Gap.unheard
        /// When the current task came in, ns, or another one before that; 0 at the start.
        var cameIn: UInt64 = 0
        var send = Send()
    }

    enum Gap {
        case none
        case open
        /// There was no record of the CPU yet, and perhaps there will not be any.
        case unheard
    }

    /// A flush under way of the mm that ``node`` has.
    struct Send {
        /// Its SEND_IPI was seen, and nothing behind it yet.
        var underWay = false
        /// The sender's own half came behind the SEND_IPI.
        var hasLocalHalf = false
        /// The same, and it is known whose mm it is of.
        var open = false
        var node: Int32 = -1
        var pages: Int64 = 0
        /// When its latest record was written, ns.
        var at: UInt64 = 0
        /// The local half was seen: the next SEND_IPI belongs to it.
        var paired = false
        /// The local half is to come, if it is one.
        var awaitsLocal = false
        /// How much an answer to it counts.
        var weight: UInt32 = 0

        /// There is anything to forget.
        @inline(__always) var isSet: Bool { underWay || paired }
    }

    init(cpus: Int, rules: KernelRules, births: Births) {
        walk = TraceWalk(cpus: cpus, rules: rules, births: births)
        state = Flat(repeating: PerCPU(), count: cpus)
        senders = MaskTable(cpus: cpus, rows: 1)
        settlements = GapSettlements(cpus: cpus)
        usesLifeCycle = births != .untold
        unusual = rules.mayLeaveAtOnce ? 1 : 0
        vforks = VforkWatch(killable: rules.killableState)
        watch = AnswerWatch(cpus: cpus)
        silentFlushes = SilentFlushes(cpus: cpus)
        elimination = Elimination(cpus: cpus)
        clocks = ClockWatch(cpus: cpus)
    }

    /// Takes the record at the head of `source`. Returns how a second pass may take it.
    @discardableResult @inline(__always) mutating func consume(_ source: Lookahead) -> Way {
        let (record, cpu) = (source.head, source.cpu)
        if state[cpu].gap == .none, walk.takesLoad(cpu, record.isLoad) { return record.pages == Stimulus.flushAll ? .awaitedLoad : .any }
        // Looked at once: which kind comes next cannot be guessed.
        if record.kind == .schedSwitch { return consumeSwitch(source) }
        consumeOther(source)
        return .any
    }

    /// Asks for what leads to the task of a record, which is to come.
    @inline(__always) mutating func willConsume(_ record: Held) {
        if record.kind == .schedSwitch { walk.tasks.ask(record.nextPID) }
        prefetch_write(state.base + Int(record.cpu))
    }

    /// The same for the task itself, when that is there.
    @inline(__always) mutating func willConsumeSoon(_ record: Held) {
        guard record.kind == .schedSwitch else { return }
        prefetch_write(walk.tasks.nodes.base + Int(walk.tasks.known(record.nextPID)))
        clocks.ask(record.nextPID)
    }

    @inline(never) private mutating func consumeSwitch(_ source: Lookahead) -> Way {
        let record = source.head
        let cpu = source.cpu
        let place = state.place(cpu)
        let gone = walk.current(cpu)
        if isPlain, place.pointee.gap == .none, !record.inHardIRQ, let change = walk.stepUsualSwitch(source) {
            // None of the rest of what follows has anything to do then.
            endSend(cpu)
            clocks.switched(cpu, from: record.prevPID, to: record.nextPID)
            watch.change(cpu, at: record.time)
            if change.loads { settlements.close(cpu) }
            cameIn(change.next, change.task, cpu, place, loads: change.loads, source)
            if watchesVfork { watchVfork(cpu, from: gone, to: change.next, prevState: record.word1, at: record.time) }
            // Else its pids do not tell all.
            guard record.pid == record.prevPID, change.task.pointee.pid == record.nextPID else { return .any }
            return change.loads ? .loadingSwitch(to: change.next) : .silentSwitch(to: change.next)
        }
        consumeUnusualSwitch(source)
        return .any
    }

    /// Nothing is watched for that only few traces have.
    private var isPlain: Bool {
        // One branch for all, since none is ever the one that decides.
        @inline(__always) get { elimination.count | unusual == 0 }
    }

    @inline(never) private mutating func consumeUnusualSwitch(_ source: Lookahead) {
        let record = source.head
        let step = walk.stepSwitch(source)
        begin(step, source)
        if !record.inHardIRQ { endSend(step.cpu) }
        clocks.switched(step.cpu, from: record.prevPID, to: record.nextPID)
        watch.change(step.cpu, at: record.time)
        switched(step, source)
        if watchesVfork { watchVfork(step.cpu, from: step.node, to: step.next, prevState: record.word1, at: record.time) }
    }

    /// Before all else: where records are missing, up to the first one that tells whose turn it is.
    @inline(__always) private mutating func begin(_ step: Step, _ source: Lookahead) {
        if _slowPath(step.broken) { broken(step, at: source.headTime) }
        if _slowPath(state[step.cpu].gap != .none), step.kind != .broken, step.node >= 0 { endGap(step, source) }
    }

    @inline(never) private mutating func consumeOther(_ source: Lookahead) {
        let (record, cpu) = (source.head, source.cpu)
        if state[cpu].gap == .none, let flush = walk.stepUsualFlush(record, cpu) {
            if !record.inHardIRQ { endSend(cpu, record, flush.kind) }
            return took(flush.kind, cpu, flush.node, source)
        }
        let step = walk.step(source)
        begin(step, source)
        if !record.inHardIRQ { endSend(cpu, record, step.kind) }
        switch step.kind {
        case .reloaded:
            if walk.tasks[step.node].isVforkChild { endVfork(step.node, load: step.next) }
            if step.leader >= 0 { addStrong(step.node, step.leader, 4) }
            settlements.close(cpu)
            watch.change(cpu, at: record.time)
            state[cpu].loaded = .of(step.next)
            // What follows is the end of the mm that the task had.
            if !walk.rules.sendsFirst, walk.tasks[step.next].origin != .usesMM { setSend(cpu, Send(node: step.node, pages: -1, at: record.time, paired: true)) }
        case .left, .leftToPoke:
            settlements.close(cpu)
            state[cpu].loaded = .initMM
        case .leftInIRQ:
            answered(cpu, pages: nil, at: record.time)
            watch.change(cpu, at: record.time)
            settlements.close(cpu)
            state[cpu].loaded = .initMM
            if step.node >= 0, !walk.tasks[step.node].isDead { walk.tasks[step.node].kernelEvidence.addClamped(1) }
        case .broken:
            clocks.lost(cpu)
            state[cpu].send.open = false
        case .flushed, .sent, .answered, .wrongCPU: took(step.kind, cpu, step.node, source)
        case .nothing, .switched, .switchLoaded, .batch, .lifeCycle, .marker: break
        }
    }

    /// A step of a flush, whose tlb_flush record is at the head.
    @inline(__always) private mutating func took(_ kind: Step.Kind, _ cpu: Int, _ node: Int32, _ source: Lookahead) {
        let record = source.head
        switch kind {
        case .flushed: flushed(cpu, node, pages: record.pages, at: record.time)
        case .sent: sent(cpu, node, source)
        case .answered:
            if !elimination.isIdle { clear(cpu, pages: record.pages) }
            watch.answer(cpu, pages: record.pages, unique: answered(cpu, pages: record.pages, at: record.time), at: record.time)
        case .wrongCPU: if record.inHardIRQ { answeredWrong(cpu) }
        default: break
        }
    }

    /// What follows so far can be told without changing anything (``TaskClasses/init(soFar:)``): births are told with their flags, and none is missing.
    var canBeAskedEarly: Bool { usesLifeCycle && !lacksFlags && walk.gaps == 0 }

    /// The life cycle tells one node's mm: it is a new one, which no other shares but those that it tells of as well. A task that was born
    /// in a gap may share it, too.
    @inline(__always) func settled(_ a: Int32, _ b: Int32) -> Bool {
        guard usesLifeCycle else { return false }
        // (Of one line of births, of which each may share its parent's mm.)
        if _slowPath(lacksFlags), walk.tasks.founder(a) == walk.tasks.founder(b) { return false }
        let (first, second) = (walk.tasks.isSettled(a), walk.tasks.isSettled(b))
        // (What uses an mm for a while is not.)
        if _fastPath(first && second) { return true }
        if walk.tasks[a].origin == .usesMM || walk.tasks[b].origin == .usesMM { return false }
        // (A snapshot may have missed one of those that share its mm.)
        return (first && !walk.tasks.isByFounderListed(a) || second && !walk.tasks.isByFounderListed(b)) && walk.gaps == 0
    }

    private mutating func switched(_ step: Step, _ source: Lookahead) {
        let (cpu, next, loads) = (step.cpu, step.next, step.loads)
        if walk.tasks[step.node].isDead { died(step.node) }
        if step.isCut, !loads {
            state[cpu].loaded = .unknown
            settlements.close(cpu)
            return
        }
        if !elimination.isIdle { eliminate(step) }
        if loads { settlements.close(cpu) }
        if walk.rules.mayLeaveAtOnce, loads, next == 0 { leavesAtOnce = true }
        if leavesAtOnce { return switchedAtOnce(step) }
        cameIn(next, walk.tasks.place(next), cpu, state.place(cpu), loads: loads, source)
    }

    /// What the CPU has loaded from here on, and what that tells of the task that has come in.
    @inline(__always) private mutating func cameIn(
        _ next: Int32, _ task: UnsafeMutablePointer<TaskNode>, _ cpu: Int, _ place: UnsafeMutablePointer<PerCPU>, loads: Bool, _ source: Lookahead
    ) {
        let wasLazy = place.pointee.isLazy
        let hasNone = task.pointee.origin == .kernel || task.pointee.isDead
        place.pointee.isLazy = hasNone || task.pointee.userEvidence == 0
        if hasNone {
            if loads { place.pointee.loaded = .initMM }
        } else if loads {
            task.pointee.userEvidence.addClamped(1)
            if case .of(let other) = place.pointee.loaded, other != next, !(walk.rules.reloadsStale && wasLazy && source.peek(1)?.pages != 0), !settled(next, other) {
                relations[next, other].different.addClamped(1)
            }
            place.pointee.loaded = .of(next)
        } else if task.pointee.origin != .usesMM {
            if settlements.isOpen(cpu) { settleSilently(cpu, next) }
            switch place.pointee.loaded {
            case .unknown: if walk.tasks.isSettled(next) || task.pointee.userEvidence > 0 { place.pointee.loaded = .of(next) }
            case .initMM: task.pointee.silentOnInit.addClamped(1)
            case .of(let other):
                if other != next, !settled(next, other) { cameSilently(next, task, on: other) }
            }
        }
    }

    /// Where no CPU is ever lazy, a CR3 load says nothing of whether the next task has an mm, but what was loaded before it does.
    private mutating func switchedAtOnce(_ step: Step) {
        let (cpu, next) = (step.cpu, step.next)
        let hasNone = walk.tasks[next].origin == .kernel || walk.tasks[next].isDead
        switch state[cpu].loaded {
        case .initMM:
            if hasNone { break }
            if step.loads { walk.tasks[next].userEvidence.addClamped(1) } else { walk.tasks[next].silentOnInit.addClamped(1) }
        case .of(let other) where other != next:
            if hasNone {
                if step.loads { walk.tasks[other].userEvidence.addClamped(1) } else { walk.tasks[other].kernelEvidence.addClamped(1) }
            } else if !settled(next, other) {
                if step.loads {
                    relations[next, other].different.addClamped(1)
                } else {
                    relations[next, other].silent.addClamped(1)
                }
            }
        case .of, .unknown: break
        }
        if hasNone { state[cpu].loaded = .initMM } else if step.loads { state[cpu].loaded = .of(next) }
    }

    /// Births are not told, or may be lost.
    private var watchesVfork: Bool {
        @inline(__always) get { !usesLifeCycle || walk.gaps > 0 }
    }

    mutating func addStrong(_ a: Int32, _ b: Int32, _ weight: UInt32) {
        relations[a, b].strong.addClamped(weight)
    }
}
