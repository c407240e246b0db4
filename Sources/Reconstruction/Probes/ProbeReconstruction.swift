import LazyTLB
import TraceData

/// Which of the probes there are that some kernels have no place for.
public struct ProbeCoverage: Sendable {
    /// Where a CPU switches to a task without an mm, or a task gives its own up: enter_lazy_tlb(), or __switch_to().
    public var lazy: Bool
    /// Where a CPU goes off: idle_task_exit() (up to v6.13).
    public var offline: Bool
    /// Where an IPI is handled: flush_tlb_func(), or flush_tlb_func_remote().
    public var handlers: Bool

    public init(lazy: Bool = true, offline: Bool = true, handlers: Bool = true) { (self.lazy, self.offline, self.handlers) = (lazy, offline, handlers) }
}

/// Stimuli from probe events: the true mm of every task, the moments of every flush and of every IPI's handler.
///
/// The probes and their fields are listed in docs/recording.md. Nothing is inferred but the order of what the probes leave open: the
/// moment at which an exiting task gives up its mm, and which mms a batched flush is made of.
public struct ProbeReconstruction<Sink: StimulusSink> {
    public var sink: Sink
    public internal(set) var mms = MMTable()
    let cpus: Int
    let rules: KernelRules
    let longSize: Int
    let coverage: ProbeCoverage
    /// All CPUs' records that are to come.
    let sources: [Lookahead]
    var pointers: [UInt64: MM] = [:]
    var naming: Naming
    var initPointer: UInt64?
    /// The mm through which kernel text is patched (``KernelRules/usesTemporaryMM``).
    var pokingPointer: UInt64?
    /// By mm: its mask when it was last seen, where that tells more than what its CPUs have loaded (``KernelRules/clearsMaskLate``).
    var lastMasks: [MM: UInt64] = [:]
    var observed: ObservedCPUs
    var machine: Machine
    var clocks: ClockWatch
    var state: [PerCPU]
    /// Row by sender: the CPUs that have answered its flush under way.
    var answers: MaskTable
    /// Tasks that have called mm_release() and not yet shown whether to exec or to exit. They may go on on another CPU.
    var releasing: Set<Int32> = []
    /// Flushes whose task was preempted at their beginning, by its pid.
    var interrupted: [Int32: InterruptedFlush] = [:]
    public internal(set) var names: [Int32: Comm] = [:]
    var switchesByName: [Comm: Int] = [:]
    public internal(set) var evidence = EvidenceSummary(kind: .probes)
    /// The same of before a window. It goes on, since it is looked at as well.
    private var before = EvidenceSummary(kind: .probes)

    /// What is under way on one CPU.
    struct PerCPU {
        /// A sched_switch whose switch_mm() has not been seen yet.
        var switching = false
        /// The task that the last sched_switch let in, -1 before the first.
        var current: Int32 = -1
        var prevPID: Int32 = 0
        var nextPID: Int32 = 0
        var nextComm = Comm.empty
        /// The time of the sched_switch record.
        var begun: UInt64 = 0
        /// The next task's mm pointer as switch_mm()'s argument; nil if only __switch_to tells.
        var nextMM: UInt64?
        /// flush_tlb_others() under way: the request.
        var sending = false
        var sentMM: UInt64 = 0
        var sentStart: UInt64 = 0
        var sentEnd: UInt64?
        /// The sender is in its own flush_tlb_func(), or behind it, and has no record of it yet.
        var inOwnHalf = false
        /// The remote half of a flush that is still to come (``.none`` if none is), in order of the trace.
        var remote = Remote.none
        var remoteMM = MM.none
        var remotePages: Int64 = 0
        var down = false
        /// What the CR3 load that is about to show was caused by.
        var pending: Stimulus?
        /// The mm whose mask the CPU is still to leave after a switch.
        var lingering = MM.none
        var pendingPID: Int32 = 0
        /// The remote half belongs to the flush's own record, behind which no send follows.
        var remoteAtRecord = false
        /// The remote half comes before the CPU's next record.
        var remoteAtNext = false
        var sendFollows = false
        /// CR3 loads that are still to come of a patch of kernel text.
        var pokeLoads = 0
        /// When the CPU last flushed anything, by its records; 0 if it has not yet.
        var flushedAt: UInt64 = 0
        /// The time of the CPU's last record, or since when there could have been one; 0 if records were lost there.
        var lastTime: UInt64 = 0
    }

    enum Remote { case none, flush, batch }

    struct InterruptedFlush {
        var mm: MM
        var pages: Int64
        var page: Bool
    }

    /// - Parameters:
    ///   - sources: all CPUs' records that are to come.
    ///   - rules: what the recorded kernel's tlb_flush records mean.
    ///   - longSize: bytes of the recorded kernel's long.
    ///   - coverage: which probes there are.
    ///   - savedNames: names of tasks by pid, for those that no record names.
    ///   - start: the time of the first record, ns.
    ///   - beginsEverywhere: all CPUs' records are there from then on: none of their first ones were overwritten.
    public init(
        sink: Sink, sources: [Lookahead], cpus: Int, rules: KernelRules, longSize: Int, coverage: ProbeCoverage, savedNames: [Int32: Comm] = [:], start: UInt64,
        beginsEverywhere: Bool = false
    ) {
        self.sink = sink
        self.sources = sources
        self.cpus = cpus
        naming = Naming(savedNames: savedNames)
        self.rules = rules
        self.longSize = longSize
        self.coverage = coverage
        observed = ObservedCPUs(cpus: cpus, start: start)
        machine = Machine(cpus: cpus)
        clocks = ClockWatch(cpus: cpus)
        state = [PerCPU](repeating: PerCPU(lastTime: beginsEverywhere ? start : 0), count: cpus)
        answers = MaskTable(cpus: cpus, rows: cpus)
        self.sink.clearLate()
    }

    /// Takes the record at the head of `source`.
    public mutating func consume(_ source: Lookahead) {
        let record = source.head
        let cpu = Int(record.cpu)
        let moment = Moment(time: record.time, cpu: cpu, pid: record.pid, cause: record.kind)
        state[cpu].lastTime = record.time
        if state[cpu].lingering != .none { settled(cpu, moment) }
        if !record.inHardIRQ { completeIfOver(cpu, record, moment) }
        if _slowPath(state[cpu].remoteAtNext), !record.inHardIRQ {
            state[cpu].remoteAtNext = false
            decideRemote(cpu, moment)
        }
        if _slowPath(!interrupted.isEmpty) { resumeFlush(cpu, source, moment) }
        switch record.kind {
        case .lost:
            interrupted.removeAll()
            evidence.gaps += 1
            evidence.lostEvents.addClamped(record.word0)
            clocks.lost(cpu)
            forget(cpu, moment)
        case .schedSwitch: beginSwitch(cpu, record, source, moment)
        case .tlbFlush: flushRecord(cpu, record, moment)
        case .rename: rename(record, source.headDetails)
        case .marker: mark(source.headDetails.text, moment)
        case .exit: if source.headDetails.pid == record.pid { exitIfReleased(cpu, moment) }
        case .newTask, .fork: naming.isAnother(source.headDetails.pid)
        case .exec: naming.execs(source.headDetails)
        case .other: break
        default: probe(cpu, record, source, moment)
        }
    }

    mutating func beginWindow(at time: UInt64) {
        before = evidence
        observed.beginWindow(at: time)
        switchesByName = [:]
        sink.beginWindow(at: time)
    }

    /// The trace ends.
    public mutating func finish(at end: UInt64) {
        observed.finish(at: end)
        evidence.takeAway(before)
        evidence.unknownTime = observed.unknownTime
    }

    mutating func apply(_ stimulus: Stimulus, _ moment: Moment) {
        sink.apply(stimulus, at: moment)
        machine.apply(stimulus)
    }

    /// Applies what `source`'s head causes: at once, or, if it leads to a CR3 load, when that is known to be done.
    ///
    /// Between a probe at the entry of a function that writes CR3 and the TASK_SWITCH record behind the write, the CPU enters and leaves
    /// masks, and neither record tells when. So it is done at the latest with that record, and before if another CPU sees it in a mask:
    /// ``settle(_:_:by:)``.
    mutating func applyOrDefer(_ stimulus: Stimulus, _ source: Lookahead, _ moment: Moment) {
        takeEffect(moment.cpu, moment)
        if loadFollows(source) { postpone(stimulus, moment) } else { apply(stimulus, moment) }
    }

    mutating func postpone(_ stimulus: Stimulus, _ moment: Moment) {
        state[moment.cpu].pending = stimulus
        state[moment.cpu].pendingPID = moment.pid
    }

    mutating func takeEffect(_ cpu: Int, _ moment: Moment) {
        guard let stimulus = state[cpu].pending else { return }
        state[cpu].pending = nil
        let previous = observed.loaded[cpu]
        if case .contextSwitch = stimulus { finishSwitch(cpu, nil, moment) } else { apply(stimulus, moment) }
        if case .exec(_, let mm) = stimulus { load(cpu, mm, moment.time) }
        if case .useMM(_, let mm) = stimulus { load(cpu, mm, moment.time) }
        state[cpu].lingering = previous
        // No mask will tell when an older kernel's switch_mm() would have cleared the bit: it does so with the load.
        if rules.clearsMaskLate, previous != .none { settled(cpu, moment) }
    }

    mutating func settled(_ cpu: Int, _ moment: Moment) {
        state[cpu].lingering = .none
        apply(.settled(cpu: cpu), moment)
    }

    /// An observation of mm_cpumask(mm) puts the CR3 loads that are under way on other CPUs before or after it.
    mutating func settle(_ mm: MM, _ word: UInt64, by observer: Int, _ moment: Moment) {
        guard mm.isKnown else { return }
        for cpu in 0..<min(cpus, 64) where cpu != observer {
            let seen = word & (1 << UInt64(cpu)) != 0
            if state[cpu].lingering == mm, !seen { settled(cpu, Moment(time: moment.time, cpu: cpu, pid: moment.pid, cause: .ctxsw)) }
            guard let stimulus = state[cpu].pending else { continue }
            let next: MM
            switch stimulus {
            case .contextSwitch(_, let mm), .exec(_, let mm), .useMM(_, let mm): next = mm
            default: next = .initMM
            }
            let done = next == mm ? seen : observed.loaded[cpu] == mm ? !seen : false
            guard done else { continue }
            // It follows from the observer's record: none of the CPU itself was written then.
            var shown = Moment(time: moment.time, cpu: cpu, pid: state[cpu].pendingPID, cause: moment.cause)
            shown.recordCPU = moment.recordCPU
            takeEffect(cpu, shown)
            if state[cpu].lingering == mm, !seen { settled(cpu, Moment(time: moment.time, cpu: cpu, pid: moment.pid, cause: .ctxsw)) }
        }
    }

    mutating func observe(_ mm: MM, _ word: UInt64, _ moment: Moment) {
        // There a mask tells nothing of what its CPUs have loaded.
        if rules.clearsMaskLate {
            lastMasks[mm] = word
            return
        }
        settle(mm, word, by: moment.cpu, moment)
        sink.observedMask(mm, word, at: moment)
    }

    /// The record at the head leads to a CR3 load, through nothing but probes of the functions on the way.
    mutating func loadFollows(_ source: Lookahead) -> Bool {
        let head = source.head
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ != head.inHardIRQ { continue }
            switch next.kind {
            case .leave, .flushCommon: continue
            // leave_mm() calls switch_mm() without a previous mm; any other call is a switch of its own.
            case .swMM:
                let probe = source.peekDetails(distance - 1).probe
                if isLeave(probe) { continue }
                return false
            case .tlbFlush: return next.reason == TLBReason.onTaskSwitch
            default: return false
            }
        }
        return false
    }

    mutating func load(_ cpu: Int, _ mm: MM, _ time: UInt64) {
        if observed.load(cpu, mm, at: time) { sink.loaded(mm, cpu: cpu, at: time) }
    }

    // MARK: mm pointers

    /// init_mm is part of the kernel's image.
    mutating func isInit(_ pointer: UInt64) -> Bool { pointer == initPointer || longSize == 8 && pointer >= 0xffff_ffff_8000_0000 }

    /// The call of switch_mm() by leave_mm(): it has no task, and no previous mm. Where that is not told (v6.10 and later), nobody else who has none switches to init_mm.
    mutating func isLeave(_ probe: ProbeFields) -> Bool { probe.task == 0 && (probe.present.contains(.prevMM) ? probe.prevMM == 0 : isInit(probe.nextMM)) }

    /// An exiting task shows by the state of its CPU, or by its mm at its switch-out, that exit_mm() has made it lazy.
    mutating func exitIfReleased(_ cpu: Int, _ moment: Moment) {
        guard releasing.remove(moment.pid) != nil else { return }
        apply(.exitMM(cpu: cpu), moment)
    }

    /// Where no probe tells that a CPU becomes lazy: its state, or that the task is dead.
    mutating func exitIfNotSeen(_ cpu: Int, _ moment: Moment) {
        guard machine.mm[cpu].isUser else { return }
        releasing.remove(moment.pid)
        apply(.exitMM(cpu: cpu), moment)
    }

    mutating func forget(_ cpu: Int, _ moment: Moment) {
        if state[cpu].sending { sink.complete(cpu: cpu, at: moment) }
        state[cpu] = PerCPU()
        apply(.forget(cpu: cpu), moment)
        load(cpu, .unknown, moment.time)
    }

    // MARK: probes

    mutating func probe(_ cpu: Int, _ record: Held, _ source: Lookahead, _ moment: Moment) {
        let probe = source.headDetails.probe
        let lazy = probe.hasOwnState ? probe.ownState != 1 : probe.ownLazy
        if probe.otherCPU >= 0, Int(probe.otherCPU) < cpus, _slowPath(machine.activeMM[Int(probe.otherCPU)] == .unknown) { showOther(probe, moment) }
        if record.kind != .ctxsw, record.kind != .enterLazy, probe.hasOwnMM {
            if _slowPath(machine.activeMM[cpu] == .unknown) { show(cpu, loaded: probe.ownMM, lazy: lazy, of: record.pid, moment) }
            if lazy, probe.hasOwnState { exitIfReleased(cpu, moment) }
            if lazy, !coverage.lazy, !state[cpu].switching { exitIfNotSeen(cpu, moment) }
        }
        switch record.kind {
        case .ctxsw:
            if probe.prevMM == 0 { releasing.remove(state[cpu].prevPID) }
            finishSwitch(cpu, probe.nextMM, moment)
            if goesOffline(source) { apply(.offline(cpu: cpu), moment) }
            if _slowPath(machine.activeMM[cpu] == .unknown) { show(cpu, loaded: probe.ownMM, lazy: lazy, moment) }
        case .swMM: switchMM(cpu, record, probe, source, moment)
        case .enterLazy:
            enterLazy(cpu, record, probe, source, moment)
            // (is_lazy is only set now.)
            if _slowPath(machine.activeMM[cpu] == .unknown) { show(cpu, loaded: probe.ownMM, lazy: true, moment) }
        case .leave:
            if record.pid == 0, !record.inHardIRQ, state[cpu].pending == nil { applyOrDefer(.idleLeave(cpu: cpu), source, moment) }
        // What was patched.
        case .flushRange where probe.mm == pokingPointer: break
        case .flushRange, .flushPage:
            let mm = flushedMM(probe.mm, record)
            if probe.hasMask { observe(mm, probe.mask, moment) }
            let (pages, page) = (record.kind == .flushPage ? 1 : pages(probe), record.kind == .flushPage)
            if isPreempted(source) {
                interrupted[record.pid] = InterruptedFlush(mm: mm, pages: pages, page: page)
            } else {
                beginFlush(cpu, mm, pages, page: page, source, moment)
                placeRemote(source, moment)
            }
        case .flushOthers:
            if probe.mm != 0 { observe(flushedMM(probe.mm, record), probe.mask, moment) }
            state[cpu].sentMM = probe.mm
            state[cpu].sentStart = probe.start
            state[cpu].sentEnd = probe.present.contains(.end) ? probe.end : nil
            remotePart(cpu, moment)
        case .flushRemote: if record.inHardIRQ { delivered(cpu, probe, source, moment) }
        case .batch: beginBatch(cpu, probe, source, moment)
        case .flushAll: apply(.flushAll(cpu: cpu, kernelRange: false), moment)
        case .doFlushAll: applyOrDefer(.doFlushAll(cpu: cpu), source, moment)
        case .idleExit: goesDown(cpu, moment)
        case .mmRelease: if probe.pid == record.pid { releasing.insert(record.pid) }
        case .mmDrop:
            if let mm = pointers.removeValue(forKey: probe.mm) { lastMasks[mm] = nil }
        default: break
        }
    }

    /// Tracepoints fall silent on a CPU that is marked offline, probes do not: from here on it switches without a sched_switch.
    func goesOffline(_ source: Lookahead) -> Bool {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            switch next.kind {
            case .schedSwitch, .lost, .tlbFlush: return false
            case .ctxsw, .idleExit: return true
            default: continue
            }
        }
        return false
    }
}
