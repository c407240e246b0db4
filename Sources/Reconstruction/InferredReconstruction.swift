import LazyTLB
import TraceData

/// The second pass: stimuli from records without mm pointers, with the mms that the first pass found.
///
/// A flush that names no mm is attributed by what stands beside it on its CPU (a LOCAL_MM_SHOOTDOWN, the end of an mm), else by what
/// the CPUs that answer it have loaded. What nothing tells is `unknown` and stays so.
struct InferredReconstruction<Sink: StimulusSink> {
    var sink: Sink
    private(set) var evidence: EvidenceSummary
    private var walk: TraceWalk
    private let classes: TaskClasses
    private let rules: KernelRules
    private let cpus: Int
    private var observed: ObservedCPUs
    private var state: [PerCPU]
    /// By mm: the CPU that was the last to switch away from it.
    private var lastLeaver: [Int32]
    /// Row by sender: the CPUs that have answered its flush under way.
    private var answers: MaskTable
    /// All CPUs' records that are to come, by source, and the source of each CPU (-1 if it has none).
    private let sources: [Lookahead]
    private(set) var contradictions = 0

    private struct PerCPU {
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
        var isDown = false
        /// A switch whose TASK_SWITCH record is still to come.
        var pending: Moment?
        /// ``pending`` loads CR3.
        var loads = false
        /// The mm that ``pending`` leaves.
        var leaves = MM.none
        /// The mm that the CPU's last switch left, until its next record, and when it was left.
        var lingering = MM.none
        var leftAt: UInt64 = 0
    }

    private enum Remote { case none, flush, batch }

    init(sink: Sink, sources: [Lookahead], cpus: Int, rules: KernelRules, classes: TaskClasses, lifeCycle: Bool, start: UInt64) {
        self.sink = sink
        self.sources = sources
        self.cpus = cpus
        self.rules = rules
        self.classes = classes
        evidence = EvidenceSummary(kind: lifeCycle ? .lifeCycle : .flushes)
        walk = TraceWalk(cpus: cpus, rules: rules, lifeCycle: lifeCycle)
        lastLeaver = [Int32](repeating: -1, count: classes.mms.count)
        observed = ObservedCPUs(cpus: cpus, start: start)
        answers = MaskTable(cpus: cpus, rows: cpus)
        state = [PerCPU](repeating: PerCPU(), count: cpus)
        self.sink.willReplay(classes.mms)
        self.sink.clearLate()
    }

    mutating func consume(_ source: Lookahead) {
        let record = source.head
        let step = walk.step(source)
        let cpu = step.cpu
        let moment = Moment(time: record.time, cpu: cpu, pid: record.pid, cause: record.kind)
        if state[cpu].sending, !record.inHardIRQ, !(record.kind == .tlbFlush && record.reason == 4) { complete(cpu, moment) }
        if step.broken { broken(step, moment) }
        switch step.kind {
        case .switched: switched(step, source, moment)
        case .reloaded: reloaded(step, source, moment)
        case .left: left(step, source, moment)
        case .leftInIRQ: leftInIRQ(step, moment)
        case .flushed: flushed(step, source, moment)
        case .batch: batch(step, source, moment)
        case .sent: sent(step, source, moment)
        case .answered: answered(step, moment)
        case .lifeCycle: lifeCycle(step, record, moment)
        case .switchLoaded: finishSwitch(cpu, record.time)
        case .nothing, .broken: break
        }
        if record.kind == .tlbFlush { sink.recorded(record) }
        if record.kind == .marker { sink.marker(source.headDetails.text, at: moment) }
    }

    mutating func finish(at end: UInt64) {
        observed.finish(at: end)
        evidence.unknownTime = observed.unknownTime
        evidence.brokenChains = walk.brokenChains
        evidence.gaps = walk.gaps
        evidence.lostEvents = walk.lostEvents
    }

    private mutating func apply(_ stimulus: Stimulus, _ moment: Moment) {
        // The CPU's next stimulus has settled its last switch.
        state[stimulus.cpu].lingering = .none
        sink.apply(stimulus, at: moment)
    }

    /// Notes what the recorded kernel has loaded.
    private mutating func load(_ cpu: Int, _ mm: MM, _ time: UInt64) {
        if observed.load(cpu, mm, at: time) { sink.loaded(mm, cpu: cpu, at: time) }
    }

    // MARK: tasks

    private func mm(of node: Int32) -> MM {
        if node < 0 { return .unknown }
        return walk.tasks[node].isDead || walk.tasks[node].isDying ? .none : classes.mm[Int(node)]
    }

    private mutating func broken(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        if step.wasOffline, state[cpu].isDown { return }
        if state[cpu].sending { complete(cpu, moment) }
        state[cpu] = PerCPU()
        apply(.forget(cpu: cpu), moment)
        load(cpu, .unknown, moment.time)
        if step.node >= 0, step.kind != .switched { state[cpu].mm = mm(of: step.node) }
    }

    private mutating func switched(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].isDown {
            state[cpu].isDown = false
            apply(.cpuUp(cpu: cpu), moment)
            load(cpu, .initMM, moment.time)
        }
        var next = mm(of: step.next)
        if next.isUser, !step.loads, !step.isCut, observed.loaded[cpu].isKnown, observed.loaded[cpu] != next, isDying(step.next) {
            walk.tasks[step.next].isDying = true
            next = .none
        }
        var moment = moment
        moment.begun = moment.time
        moment.nextPID = source.head.nextPID
        moment.nextComm = step.next == 0 ? .empty : walk.tasks[step.next].comm
        moment.basis = basis(of: step.next, next)
        count(moment.basis)
        state[cpu].mm = next
        state[cpu].leftMM = .none
        state[cpu].remote = .none
        state[cpu].pending = moment
        state[cpu].loads = step.loads
        state[cpu].leaves = step.loads && observed.loaded[cpu] != next ? observed.loaded[cpu] : .none
        if !step.loads {
            finishSwitch(cpu, moment.time)
            if next.isUser, observed.loaded[cpu] != next {
                if observed.loaded[cpu] != .unknown { contradictions += 1 }
                load(cpu, next, moment.time)
            }
        }
        if step.next > 0, walk.tasks[step.next].comm.isStopper { goOffline(cpu, source, moment) }
    }

    /// No later record shows the task with an mm: it has run exit_mm(), though its sched_process_exit is still to come.
    private func isDying(_ node: Int32) -> Bool { walk.tasks[node].switches > classes.switchesWithMM[Int(node)] }

    /// switch_mm() is done: with its TASK_SWITCH record, if there is one.
    private mutating func finishSwitch(_ cpu: Int, _ time: UInt64) {
        guard var moment = state[cpu].pending else { return }
        state[cpu].pending = nil
        moment.time = time
        let left = state[cpu].leaves
        apply(.contextSwitch(cpu: cpu, mm: state[cpu].mm), moment)
        if left.isUser { linger(cpu, left, moment) }
        guard state[cpu].loads else { return }
        state[cpu].loads = false
        let next = state[cpu].mm
        load(cpu, next != .none ? next : rules.mayLeaveAtOnce ? .initMM : .unknown, time)
    }

    // MARK: masks between records

    /// A CPU leaves the mask of the mm that it switched away from a moment behind its TASK_SWITCH record. Only the last to leave an mm
    /// may be in between; of the others it is known.
    private mutating func linger(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        settle(mm, moment)
        state[cpu].lingering = mm
        state[cpu].leftAt = moment.time
        lastLeaver[Int(mm.index)] = Int32(cpu)
    }

    private mutating func settle(_ mm: MM, _ moment: Moment) {
        guard mm.isUser else { return }
        let cpu = Int(lastLeaver[Int(mm.index)])
        guard cpu >= 0, state[cpu].lingering == mm else { return }
        apply(.settled(cpu: cpu), Moment(time: moment.time, cpu: cpu, pid: moment.pid, cause: moment.cause))
    }

    /// `sender` flushes `mm`. If it sends IPIs, another CPU is in the mask: one that has the mm loaded, or is about to, or has just left.
    private mutating func settle(_ mm: MM, sender: Int, sends: Bool, _ moment: Moment) {
        guard mm.isUser else { return }
        let isExplained = !sends || (0..<cpus).contains { $0 != sender && state[$0].pending == nil && observed.loaded[$0] == mm }
        if isExplained { return settle(mm, moment) }
        for cpu in 0..<cpus where cpu != sender && state[cpu].pending != nil && state[cpu].mm == mm {
            return finishSwitch(cpu, moment.time)
        }
        let last = Int(lastLeaver[Int(mm.index)])
        if last >= 0, moment.time &- state[last].leftAt > Self.lingeringLimit { settle(mm, moment) }
    }

    /// A CPU that has left an mm longer ago than this, ns, is out of its mask, whatever else remains unexplained.
    private static var lingeringLimit: UInt64 { 200_000 }

    private func basis(of node: Int32, _ mm: MM) -> Basis {
        if mm == .unknown { return .unknown }
        return walk.tasks[node].isDead || walk.tasks[node].isDying ? .lifeCycle : classes.basis[Int(node)]
    }

    private mutating func count(_ basis: Basis) {
        switch basis {
        case .exact: evidence.exact += 1
        case .lifeCycle: evidence.lifeCycle += 1
        case .hardware: evidence.hardware += 1
        case .convention: evidence.convention += 1
        case .unknown: evidence.unknown += 1
        }
    }

    /// A CPU whose stopper is followed by its idle task without a switch goes offline and comes back in between.
    private mutating func goOffline(_ cpu: Int, _ source: Lookahead, _ moment: Moment) {
        var distance = 1
        while let next = source.peek(distance), next.kind != .lost {
            if next.kind == .schedSwitch {
                guard next.prevPID == 0 else { return }
                apply(.offline(cpu: cpu), moment)
                apply(.cpuDown(cpu: cpu), moment)
                load(cpu, .initMM, moment.time)
                state[cpu].isDown = true
                state[cpu].mm = .none
                return
            }
            distance += 1
        }
    }

    private mutating func lifeCycle(_ step: Step, _ record: Held, _ moment: Moment) {
        guard record.kind == .exit, step.node >= 0, walk.tasks[step.node].isDead else { return }
        exited(step.cpu, moment)
    }

    /// The current task has given its mm up.
    private mutating func exited(_ cpu: Int, _ moment: Moment) {
        guard state[cpu].mm.isKnown || state[cpu].mm == .unknown else { return }
        state[cpu].mm = .none
        apply(.exitMM(cpu: cpu), moment)
    }

    // MARK: CR3 loads outside of switches

    private mutating func reloaded(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        let old = mm(of: step.node)
        let new = classes.mm[Int(step.next)]
        if new == .none { return endOfMM(cpu, old.isUser ? old : observed.loaded[cpu], source, moment) }
        let left = observed.loaded[cpu]
        apply(.exec(cpu: cpu, mm: new), moment)
        if left.isUser, left != new { linger(cpu, left, moment) }
        state[cpu].mm = new
        state[cpu].leftMM = old
        load(cpu, new, moment.time)
    }

    /// The last user of an mm tears it down (exit_mmap()): a full flush by a task that is lazy by now.
    private mutating func endOfMM(_ cpu: Int, _ mm: MM, _ source: Lookahead, _ moment: Moment) {
        exited(cpu, moment)
        ownFlush(cpu, mm, source, moment)
    }

    /// A task without an mm flushes the one that it borrows, and leaves it.
    private mutating func ownFlush(_ cpu: Int, _ mm: MM, _ source: Lookahead, _ moment: Moment) {
        evidence.flushes += 1
        if !mm.isKnown { evidence.unknownFlushes += 1 }
        let send = nextSend(source)
        let pages = send?.pages ?? Stimulus.flushAll
        apply(.flushRange(cpu: cpu, mm: mm, pages: pages), moment)
        load(cpu, .initMM, moment.time)
        if send == nil { settle(mm, sender: cpu, sends: false, moment) }
        if send == nil { return apply(.flushOthers(cpu: cpu, mm: mm, pages: pages), moment) }
        state[cpu].remote = .flush
        state[cpu].remoteMM = mm
    }

    private mutating func left(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if moment.pid == 0 {
            apply(.idleLeave(cpu: cpu), moment)
            return load(cpu, .initMM, moment.time)
        }
        if rules.batchLeavesLazy, let send = nextSend(source), send.pages == Stimulus.flushAll {
            return reclaimed(cpu, send, source, moment)
        }
        ownFlush(cpu, observed.loaded[cpu], source, moment)
    }

    /// A kernel thread that reclaims has left the mm it borrows with the local half of a batched flush: only an exit flushes all of one mm.
    ///
    /// `v4.12` would have stayed with the batch, and left with the thread's next flush of a page of that mm, which leaves no record
    /// here. That it goes on reclaiming is taken for granted: the old scheme leaves too. Else each batch would count as a CPU that stays
    /// in the mask until it switches, which the recordings with probe events do not bear out.
    private mutating func reclaimed(_ cpu: Int, _ send: Held, _ source: Lookahead, _ moment: Moment) {
        evidence.flushes += 1
        apply(.flushRange(cpu: cpu, mm: observed.loaded[cpu], pages: Stimulus.flushAll), moment)
        load(cpu, .initMM, moment.time)
        var mask = MaskTable(cpus: cpus, rows: 1)
        addAnswers(to: &mask, cpu, source, from: send)
        beginBatch(cpu, mask, moment)
        apply(.batchLocal(cpu: cpu), moment)
        state[cpu].remote = .batch
    }

    private mutating func leftInIRQ(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        // Only a lazy CPU leaves: a user task on it has run exit_mm() already.
        if state[cpu].mm.isUser { exited(cpu, moment) }
        if let sender = takeSender(to: cpu, pages: nil) {
            apply(.deliver(cpu: cpu, from: sender), moment)
        } else {
            apply(.doFlushAll(cpu: cpu), moment)
        }
        load(cpu, .initMM, moment.time)
    }

    // MARK: flushes

    /// The SEND_IPI record that belongs to the flush at the head: the next record of its task on this CPU.
    private func nextSend(_ source: Lookahead) -> Held? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            return next.kind == .tlbFlush && next.reason == 4 && next.pid == source.head.pid ? next : nil
        }
        return nil
    }

    private mutating func flushed(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        let mm = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
        if !mm.isKnown { evidence.unknownFlushes += 1 }
        if observed.loaded[cpu] == .unknown, mm.isUser { load(cpu, mm, moment.time) }
        apply(.flushRange(cpu: cpu, mm: mm, pages: step.pages), moment)
        if !rules.sendsFirst, let send = nextSend(source), send.pages == step.pages {
            state[cpu].remote = .flush
            state[cpu].remoteMM = mm
        } else {
            settle(mm, sender: cpu, sends: false, moment)
            apply(.flushOthers(cpu: cpu, mm: mm, pages: step.pages), moment)
        }
    }

    private mutating func batch(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        if state[cpu].localDone {
            state[cpu].localDone = false
            return
        }
        evidence.flushes += 1
        var mask = MaskTable(cpus: cpus, rows: 1)
        mask.insert(cpu, 0)
        let send = nextSend(source)
        if let send, send.pages == Stimulus.flushAll { addAnswers(to: &mask, cpu, source, from: send) }
        beginBatch(cpu, mask, moment)
        apply(.batchLocal(cpu: cpu), moment)
        if send?.pages == Stimulus.flushAll { state[cpu].remote = .batch } else { apply(.batchOthers(cpu: cpu), moment) }
    }

    private mutating func beginBatch(_ cpu: Int, _ mask: MaskTable, _ moment: Moment) {
        let batch = observed.batch(mask: mask)
        for mm in batch.mms { settle(mm, moment) }
        sink.setBatch(batch, cpu: cpu)
    }

    private mutating func sent(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        let pages = step.pages
        state[cpu].isBatch = false
        switch state[cpu].remote {
        case .flush: state[cpu].sentMM = state[cpu].remoteMM
        case .batch: state[cpu].isBatch = true
        case .none: attribute(step, source, moment)
        }
        state[cpu].remote = .none
        state[cpu].sending = true
        state[cpu].sentPages = pages
        for index in 0..<answers.stride { answers.setWord(cpu, index, 0) }
        if state[cpu].isBatch {
            state[cpu].sentMM = .none
            apply(.batchOthers(cpu: cpu), moment)
        } else {
            settle(state[cpu].sentMM, sender: cpu, sends: true, moment)
            apply(.flushOthers(cpu: cpu, mm: state[cpu].sentMM, pages: pages), moment)
        }
    }

    /// A SEND_IPI with no local half before it: of which mm?
    private mutating func attribute(_ step: Step, _ source: Lookahead, _ moment: Moment) {
        let cpu = step.cpu
        evidence.flushes += 1
        if rules.sendsFirst, localFollows(step, source, moment) { return }
        let own = state[cpu].mm
        var mask = MaskTable(cpus: cpus, rows: 1)
        addAnswers(to: &mask, cpu, source, from: source.head)
        let answers = answeringMMs(mask)
        let only = onlyMM(answers, mask, cpu)
        state[cpu].sentMM = .unknown
        if step.pages == Stimulus.flushAll {
            if state[cpu].leftMM.isUser, answers.isEmpty || answers == [state[cpu].leftMM] {
                // exec: the last user of the old mm is gone.
                state[cpu].sentMM = state[cpu].leftMM
            } else if mask.count(0) > 0 {
                state[cpu].isBatch = true
                beginBatch(cpu, mask, moment)
                apply(.batchLocal(cpu: cpu), moment)
            }
        } else if rules.flushesPageSilently, step.pages == 1, own.isUser, answers.isEmpty || answers.contains(own) {
            state[cpu].sentMM = own
            apply(.flushPage(cpu: cpu, mm: own), moment)
        } else if let only {
            // Its local half left no record: the mm is not loaded here. A scheme whose bookkeeping still names it may act on it.
            state[cpu].sentMM = only
            apply(step.pages == 1 ? .flushPage(cpu: cpu, mm: only) : .flushRange(cpu: cpu, mm: only, pages: step.pages), moment)
        }
        if !state[cpu].isBatch, !state[cpu].sentMM.isKnown { evidence.unknownFlushes += 1 }
    }

    /// The mms that the CPUs of `mask` have loaded.
    private func answeringMMs(_ mask: MaskTable) -> [MM] {
        var found: [MM] = []
        mask.forEach(0) { cpu in
            let mm = observed.loaded[cpu]
            if mm.isUser, !found.contains(mm) { found.append(mm) }
        }
        return found
    }

    /// The one of `candidates` that was flushed: of several, the only one whose CPUs, the sender's aside, have all answered.
    private func onlyMM(_ candidates: [MM], _ mask: MaskTable, _ sender: Int) -> MM? {
        if candidates.count < 2 { return candidates.first }
        let whole = candidates.filter { mm in
            !(0..<cpus).contains { $0 != sender && observed.loaded[$0] == mm && !mask.contains($0, 0) }
        }
        return whole.count == 1 ? whole[0] : nil
    }

    /// v5.13 and later: the sender's own half comes behind its SEND_IPI.
    private mutating func localFollows(_ step: Step, _ source: Lookahead, _ moment: Moment) -> Bool {
        let cpu = step.cpu
        guard let local = ownNext(source), local.kind == .tlbFlush, local.pid == moment.pid else { return false }
        if local.reason == 3 {
            state[cpu].sentMM = state[cpu].mm.isUser ? state[cpu].mm : observed.loaded[cpu]
            apply(.flushRange(cpu: cpu, mm: state[cpu].sentMM, pages: step.pages), moment)
            state[cpu].localDone = true
            return true
        }
        if local.reason == 2 {
            var mask = MaskTable(cpus: cpus, rows: 1)
            mask.insert(cpu, 0)
            addAnswers(to: &mask, cpu, source, from: source.head)
            beginBatch(cpu, mask, moment)
            apply(.batchLocal(cpu: cpu), moment)
            state[cpu].isBatch = true
            state[cpu].localDone = true
            return true
        }
        return false
    }

    /// The next record of this CPU outside of interrupts.
    private func ownNext(_ source: Lookahead) -> Held? {
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if !next.inHardIRQ { return next }
        }
        return nil
    }

    /// Adds the CPUs that answer the SEND_IPI record `send` of CPU `cpu`: their records lie between it and the sender's next one.
    private func addAnswers(to mask: inout MaskTable, _ cpu: Int, _ source: Lookahead, from send: Held) {
        var end = UInt64.max
        var distance = 1
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ || next.time <= send.time { continue }
            end = next.time
            break
        }
        for other in sources where other !== source {
            var distance = 0
            while let record = other.peek(distance), record.time <= end {
                distance += 1
                guard record.time >= send.time, record.inHardIRQ, record.kind == .tlbFlush else { continue }
                if record.reason == 1 && record.pages == send.pages || record.reason == 0 { mask.insert(Int(record.cpu), 0) }
            }
        }
    }

    /// The CPU whose flush this one answers: one of the mm that is loaded here, or a batch, which it has not answered yet.
    private mutating func takeSender(to cpu: Int, pages: Int64?) -> Int? {
        let loaded = observed.loaded[cpu]
        var found: Int?
        for sender in 0..<cpus where sender != cpu && state[sender].sending && !answers.contains(cpu, sender) {
            if let pages, state[sender].sentPages != pages { continue }
            if state[sender].isBatch {
                found = found ?? sender
            } else if state[sender].sentMM == loaded || loaded == .unknown {
                found = sender
                break
            }
        }
        if let found { answers.insert(cpu, found) }
        return found
    }

    private mutating func answered(_ step: Step, _ moment: Moment) {
        let cpu = step.cpu
        guard let sender = takeSender(to: cpu, pages: step.pages) else { return }
        if observed.loaded[cpu] == .unknown, state[sender].sentMM.isUser {
            let mm = state[sender].sentMM
            load(cpu, mm, moment.time)
            apply(.observe(cpu: cpu, mm: mm, lazy: false, mask: true), moment)
        }
        apply(.deliver(cpu: cpu, from: sender), moment)
    }

    private mutating func complete(_ cpu: Int, _ moment: Moment) {
        state[cpu].sending = false
        sink.complete(cpu: cpu, at: moment)
    }
}

extension InferredReconstruction {
    var mms: MMTable { classes.mms }
    /// Names by pid, as the last record of each told them.
    var names: [Int32: Comm] {
        var names: [Int32: Comm] = [:]
        for task in walk.tasks.nodes where task.comm != .empty { names[task.pid] = task.comm }
        return names
    }
}
