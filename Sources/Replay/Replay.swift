import LazyTLB
import Reconstruction
import TraceData

/// Runs the schemes side by side on one stream of stimuli, counts, compares, and keeps what the recorded kernel did beside it.
public struct Replay: StimulusSink, Sendable {
    public let cpus: Int
    let stride: Int
    public let machine: Machine
    /// The pid of the task that the next stimulus lets in; -1 if that was not told.
    @usableFromInline var coming: Int32 = -1
    public internal(set) var v412: Lane<V412>
    public internal(set) var v413: Lane<V413>
    /// `v4.12` and `v4.13-parent` beside `v4.13`.
    var besideV412: Comparison
    var besideParent: Comparison
    /// The two old schemes have done different things. Until then one is run for both: `parent` and `besideParent` are not used.
    private(set) var haveParted = false
    var parent: Lane<V413Parent>
    /// The tlb_flush records that all schemes predict, as far as they are counted once for all.
    var common: FlushTally
    /// A copy, which knows nothing of the latest stimulus: for the end.
    public var v413Parent: Lane<V413Parent> { haveParted ? parent : Lane(v412, scheme: V413Parent(v412.scheme)) }
    public var comparisons: [Comparison] { [besideV412, haveParted ? besideParent : Comparison(besideV412, old: V413Parent.id)] }
    /// The tlb_flush records of the recorded kernel.
    public internal(set) var recorded: FlushTally
    /// mm_cpumask() values that probes read.
    public internal(set) var masks = 0
    public internal(set) var marks: [Mark] = []
    public internal(set) var marksOmitted = 0
    public internal(set) var traffic: IPITraffic
    public internal(set) var latency: ShootdownLatency
    let times: CPUTimes
    /// Time of the last record, ns.
    public internal(set) var lastTime: UInt64 = 0

    /// Counters at a trace_marker line.
    public struct Mark: Sendable {
        public var time: UInt64
        public var text: String
        /// By scheme id.
        public var vmstat: [String: VMStat]
    }

    /// Beyond this many trace_marker lines the rest is counted only.
    public static let markLimit = 1000

    /// - Parameters:
    ///   - primary: the scheme whose IPIs the traffic matrix shows.
    ///   - divergenceLimit: how many divergences to keep for each pair of schemes; all are counted.
    public init(cpus: Int, primary: String = V413.id, divergenceLimit: Int = 0) {
        self.cpus = cpus
        stride = max(1, (cpus + 63) / 64)
        machine = Machine(cpus: cpus)
        common = FlushTally(cpus: cpus)
        v412 = Lane(cpus: cpus, common: common)
        parent = Lane(cpus: cpus, common: common)
        v413 = Lane(cpus: cpus, common: common)
        besideV412 = Comparison(old: V412.id, new: V413.id, cpus: cpus, limit: divergenceLimit)
        besideParent = Comparison(old: V413Parent.id, new: V413.id, cpus: cpus, limit: divergenceLimit)
        recorded = FlushTally(cpus: cpus)
        traffic = IPITraffic(cpus: cpus, primary: primary)
        latency = ShootdownLatency(cpus: cpus)
        times = CPUTimes(cpus: cpus)
    }

    /// What comes next cannot be guessed, and each look at what it is costs a wrong guess: one look serves all schemes. So the stimuli that
    /// nearly all are have a function each, into which the schemes' transitions for it, and no others, are compiled.
    @inlinable @inline(__always) public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        switch stimulus {
        case .contextSwitch(let cpu, let mm):
            contextSwitch(cpu, mm, to: coming, moment)
            coming = -1
        case .flushRange(let cpu, let mm, let pages): flushRange(cpu, mm, pages, moment)
        case .flushOthers(let cpu, let mm, let pages): flushOthers(cpu, mm, pages, moment)
        case .deliver(let cpu, let sender): deliver(cpu, from: sender, moment)
        case .settled(let cpu): settled(cpu, moment)
        default: applyOther(stimulus, moment)
        }
    }

    /// The same without any short way, so that ``effects(_:)`` tells what each scheme did.
    mutating func applyInFull(_ stimulus: Stimulus, at moment: Moment) {
        applyOther(stimulus, moment)
        if case .deliver(let cpu, let sender) = stimulus { answered(cpu, from: sender, moment) }
    }

    @inline(never) @usableFromInline mutating func flushRange(_ cpu: Int, _ mm: MM, _ pages: Int64, _ moment: Moment) {
        if runs(cpu, mm) { return flushRangeOfRunning(cpu, pages, moment) }
        let stimulus = Stimulus.flushRange(cpu: cpu, mm: mm, pages: pages)
        begin(stimulus, moment)
        v412.run(cpu) { $0.flushRange(cpu, mm, pages, on: machine, &$1) }
        v413.run(cpu) { $0.flushRange(cpu, mm, pages, on: machine, &$1) }
        compare(cpu, moment, stimulus)
    }

    @inline(never) @usableFromInline mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, _ moment: Moment) {
        lastTime = max(lastTime, moment.time)
        if runs(cpu, mm), let others = sameOthers(cpu, mm) { return flushSameOthers(others, cpu, mm, pages) }
        v412.run(cpu) { $0.flushOthers(cpu, mm, pages, on: machine, &$1) }
        v413.run(cpu) { $0.flushOthers(cpu, mm, pages, on: machine, &$1) }
        compare(cpu, moment, .flushOthers(cpu: cpu, mm: mm, pages: pages), maySend: true)
    }

    @inline(never) @usableFromInline mutating func deliver(_ cpu: Int, from sender: Int, _ moment: Moment) {
        lastTime = max(lastTime, moment.time)
        if flushesRunning(cpu, from: sender) {
            deliverToRunning(cpu, from: sender)
        } else {
            v412.run(cpu) { $0.deliver(cpu, from: sender, on: machine, &$1) }
            v413.run(cpu) { $0.deliver(cpu, from: sender, on: machine, &$1) }
            compare(cpu, moment, .deliver(cpu: cpu, from: sender))
        }
        answered(cpu, from: sender, moment)
    }

    @inline(__always) private mutating func answered(_ cpu: Int, from sender: Int, _ moment: Moment) {
        // Where the sender's record tells, or a later one of the receiver, that wrote none: it had nothing to do.
        // That a sender goes on tells nothing of when. (Where another CPU's probe shows an answer before its own record does, the task is known.)
        if moment.recordCPU == cpu || moment.pid >= 0, !moment.isSilent { latency.answered(sender, by: cpu, at: moment.time) }
    }

    /// A CPU leaves a mask: nothing that is compared. What the schemes did with the stimulus before is still there.
    @inline(never) @usableFromInline mutating func settled(_ cpu: Int, _ moment: Moment) {
        lastTime = max(lastTime, moment.time)
        v412.scheme.settle(cpu)
        v413.scheme.settle(cpu)
        if haveParted { parent.scheme.settle(cpu) }
    }

    @inline(never) @usableFromInline mutating func applyOther(_ stimulus: Stimulus, _ moment: Moment) {
        begin(stimulus, moment)
        v412.apply(stimulus, cpu: stimulus.cpu, on: machine)
        v413.apply(stimulus, cpu: stimulus.cpu, on: machine)
        compare(stimulus.cpu, moment, stimulus, maySend: true)
        machine.apply(stimulus)
        runs(stimulus, moment)
        if stimulus.endsDoubt { times.endDoubt(stimulus.cpu) }
        trackTime(stimulus.cpu, moment)
        if case .forget = stimulus, moment.cause == .lost { latency.lose() }
    }

    /// Who runs on the CPU, as far as the stimulus and the record that tells of it say.
    private mutating func runs(_ stimulus: Stimulus, _ moment: Moment) {
        switch stimulus {
        case .contextSwitch(let cpu, _): machine.pid[cpu] = coming
        case .exec(let cpu, _), .exitMM(let cpu), .useMM(let cpu, _), .unuseMM(let cpu), .observe(let cpu, _, _, _):
            if machine.pid[cpu] < 0 { machine.pid[cpu] = moment.pid }
        default: break
        }
        coming = -1
    }

    @inline(__always) private mutating func begin(_ stimulus: Stimulus, _ moment: Moment) {
        lastTime = max(lastTime, moment.time)
        if !haveParted, _slowPath(V413Parent.differs(from: v412.scheme, at: stimulus, on: machine)) { part() }
    }

    /// Compares what the schemes did. It happened on the CPU of the stimulus, which need not be that of the record that tells.
    ///
    /// - Parameter maySend: the stimulus is one for which a scheme may have sent IPIs.
    @inline(__always) mutating func compare(_ cpu: Int, _ told: Moment, _ stimulus: @autoclosure () -> Stimulus, maySend: Bool = false) {
        var moment = told
        moment.cpu = cpu
        if _slowPath(haveParted) { applyParent(stimulus(), cpu) }
        let (old, new) = (v412.effects, v413.effects)
        if maySend, old.pointee.sent || new.pointee.sent || haveParted && parent.effects.pointee.sent { compareTargets(stimulus(), moment) }
        if _slowPath(Effects.areNotable(old, beside: new)) { besideV412.note(stimulus(), moment, old: old.pointee, new: new.pointee) }
        let hasChanged = besideV412.track(moment, booked: old.pointee.booked, loaded: old.pointee.loaded, new: new.pointee.loaded)
        if _slowPath(haveParted) { compareParent(stimulus(), moment) }
        // Where the task stays, an mm is only left: that begins to be stale, or parts the schemes.
        if _slowPath(hasChanged || haveParted) { trackTime(cpu, moment) }
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }

    /// The CPU's task and what it has loaded, after a stimulus that was applied in full.
    @inline(__always) mutating func trackTime(_ cpu: Int, _ moment: Moment) {
        let (old, new) = (v412.effects.pointee.loaded, v413.effects.pointee.loaded)
        if machine.mm[cpu].isUser, old.isUser, new.isUser, !haveParted { return times.runLoaded(cpu, at: moment.time) }
        trackOtherTime(cpu, moment)
    }

    @inline(never) private mutating func trackOtherTime(_ cpu: Int, _ moment: Moment) {
        let old = v412.effects.pointee.loaded
        times.change(cpu, task: machine.mm[cpu], loaded: (old, haveParted ? parent.effects.pointee.loaded : old, v413.effects.pointee.loaded), at: moment.time)
    }

    @inline(never) private mutating func applyParent(_ stimulus: Stimulus, _ cpu: Int) { parent.apply(stimulus, cpu: cpu, on: machine) }

    @inline(never) private mutating func compareParent(_ stimulus: Stimulus, _ moment: Moment) {
        let (old, new) = (parent.effects, v413.effects)
        if Effects.areNotable(old, beside: new) { besideParent.note(stimulus, moment, old: old.pointee, new: new.pointee) }
        _ = besideParent.track(moment, booked: old.pointee.booked, loaded: old.pointee.loaded, new: new.pointee.loaded)
    }

    /// From here on the two old schemes go their own ways.
    @inline(never) private mutating func part() {
        (parent, besideParent) = (v413Parent, comparisons[1])
        haveParted = true
    }

    func brokenInvariant(_ cpu: Int) -> String? {
        v412.scheme.brokenInvariant(cpu) ?? (haveParted ? parent.scheme.brokenInvariant(cpu) : nil) ?? v413.scheme.brokenInvariant(cpu)
    }

    /// Who is interrupted by the flush that CPU `moment.cpu` just began, scheme beside scheme.
    private mutating func compareTargets(_ stimulus: Stimulus, _ moment: Moment) {
        let cpu = moment.cpu
        var sums = SchemeCounts()
        for index in 0..<stride {
            let (old, new) = (v412.targets(cpu, index), v413.targets(cpu, index))
            let words = (old, haveParted ? parent.targets(cpu, index) : old, new)
            besideV412.targets(index, old: words.0, new: words.2)
            if haveParted { besideParent.targets(index, old: words.1, new: words.2) }
            traffic.add(sender: cpu, wordIndex: index, words)
            sums += SchemeCounts(v412: words.0.nonzeroBitCount, v413Parent: words.1.nonzeroBitCount, v413: words.2.nonzeroBitCount)
        }
        let mm = machine.mm[cpu]
        traffic.add(mm.isUser ? .mm(mm) : .task(moment.pid), sums)
        if !besideV412.haveSameTargets { endTargets(&besideV412, stimulus.mm, moment) { v412.scheme.bookedMM($0) } }
        if !besideParent.haveSameTargets { endTargets(&besideParent, stimulus.mm, moment) { parent.scheme.bookedMM($0) } }
    }

    /// A batch has no mm of its own: then it is the one for which the CPU is in the batch's mask.
    private func endTargets(_ comparison: inout Comparison, _ mm: MM, _ moment: Moment, _ booked: (Int) -> MM) {
        let isBatch = mm == .none
        let extra = isBatch ? comparison.firstExtra.map(booked) ?? mm : mm
        let missing = isBatch ? comparison.firstMissing.map { v413.scheme.bookedMM($0) } ?? mm : mm
        comparison.endTargets(extraMM: extra, missingMM: missing, at: moment)
    }

    public mutating func clearLate() { machine.clearsLate = true }

    @inline(__always) public mutating func willRun(_ task: IncomingTask, cpu: Int) { coming = task.pid }

    public mutating func mayBeDown(_ cpu: Int, at time: UInt64) { times.doubt(cpu, at: time) }

    public mutating func setBatch(_ batch: Batch, cpu: Int) { machine.batch[cpu] = batch }

    public mutating func complete(cpu: Int, at moment: Moment) {
        for index in 0..<stride {
            forEachBit(pendingWord(cpu, index)) { deliver(index * 64 + $0, from: cpu, moment.handled(by: index * 64 + $0)) }
        }
        if _slowPath(moment.cause == .lost) { latency.cutOff(cpu) } else { latency.complete(cpu) }
    }

    @inline(__always) public mutating func completeUnsent(cpu: Int, at moment: Moment) {
        if stride == 1, v412.scheme.pendingWord(cpu, 0) | v413.scheme.pendingWord(cpu, 0) == 0, !haveParted || parent.scheme.pendingWord(cpu, 0) == 0 { return }
        if stride > 1, !isOutstanding(cpu) { return }
        complete(cpu: cpu, at: moment)
    }

    @inline(__always) public mutating func recorded(_ record: Held) {
        let (cpu, reason, time) = (Int(record.cpu), record.reason, record.time)
        lastTime = max(lastTime, time)
        recorded.add(cpu: cpu, reason: reason, pages: record.pages)
        if reason == TLBReason.remoteSendIPI { sent(cpu, at: time) }
    }

    @inline(__always) public mutating func recordedLoad(cpu: Int, at time: UInt64) {
        lastTime = max(lastTime, time)
        recorded.add(cpu: cpu, reason: 0, pages: Stimulus.flushAll)
    }

    /// A SEND_IPI record of the recorded kernel, which is counted elsewhere.
    mutating func sent(_ cpu: Int, at time: UInt64) { latency.sent(cpu, at: time) }

    /// The records of the recorded kernel, where they were counted elsewhere, and the time of the last of them.
    mutating func take(recorded: FlushTally, until time: UInt64) {
        self.recorded = recorded
        lastTime = max(lastTime, time)
    }

    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {
        guard mm.isKnown else { return }
        masks += 1
        v412.checkMask(mm, word)
        if haveParted { parent.checkMask(mm, word) }
        v413.checkMask(mm, word)
    }

    public mutating func marker(_ text: String, at moment: Moment) {
        guard marks.count < Replay.markLimit else {
            marksOmitted += 1
            return
        }
        marks.append(
            Mark(
                time: moment.time, text: text,
                vmstat: [
                    V412.id: v412.scheme.counters.vmstat,
                    V413Parent.id: haveParted ? parent.scheme.counters.vmstat : v412.scheme.counters.vmstat,
                    V413.id: v413.scheme.counters.vmstat,
                ]))
    }

    /// The trace ends: flushes that are still under way reach their targets, intervals end.
    ///
    /// - Parameter end: the time of its last record, of whatever event.
    public mutating func finish(at end: UInt64 = 0) {
        lastTime = max(lastTime, end)
        for cpu in 0..<cpus { latency.cutOff(cpu) }
        for cpu in 0..<cpus { complete(cpu: cpu, at: Moment(time: lastTime, cpu: cpu, pid: 0, cause: .other)) }
        besideV412.finish(at: lastTime)
        if haveParted { besideParent.finish(at: lastTime) }
        times.finish(at: lastTime)
    }
}
