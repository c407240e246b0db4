import LazyTLB
import Reconstruction
import TraceData

/// Runs the schemes side by side on one stream of stimuli, counts, compares, and keeps what the recorded kernel did beside it.
public struct Replay: StimulusSink, Sendable {
    public let cpus: Int
    let stride: Int
    public let machine: Machine
    public internal(set) var v412: Lane<V412>
    public internal(set) var v413Parent: Lane<V413Parent>
    public internal(set) var v413: Lane<V413>
    /// `v4.12` and `v4.13-parent` beside `v4.13`.
    private var besideV412: Comparison
    private var besideParent: Comparison
    public var comparisons: [Comparison] { [besideV412, besideParent] }
    /// The tlb_flush records of the recorded kernel.
    public private(set) var recorded: FlushTally
    /// mm_cpumask() values that probes read.
    public private(set) var masks = 0
    public private(set) var marks: [Mark] = []
    public private(set) var marksOmitted = 0
    public internal(set) var traffic: IPITraffic
    public internal(set) var latency: ShootdownLatency
    /// Time of the last record, ns.
    public private(set) var lastTime: UInt64 = 0

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
        v412 = Lane(cpus: cpus)
        v413Parent = Lane(cpus: cpus)
        v413 = Lane(cpus: cpus)
        besideV412 = Comparison(old: V412.id, new: V413.id, cpus: cpus, limit: divergenceLimit)
        besideParent = Comparison(old: V413Parent.id, new: V413.id, cpus: cpus, limit: divergenceLimit)
        recorded = FlushTally(cpus: cpus)
        traffic = IPITraffic(cpus: cpus, primary: primary)
        latency = ShootdownLatency(cpus: cpus)
    }

    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        if _slowPath(moment.cpu != stimulus.cpu) {
            var there = moment
            there.cpu = stimulus.cpu
            step(stimulus, there)
        } else {
            step(stimulus, moment)
        }
        if case .deliver(let cpu, let sender) = stimulus { latency.answered(sender, by: cpu, at: moment.time) }
    }

    mutating func step(_ stimulus: Stimulus, _ moment: Moment) {
        let cpu = moment.cpu
        lastTime = max(lastTime, moment.time)
        v412.apply(stimulus, cpu: cpu, on: machine)
        v413Parent.apply(stimulus, cpu: cpu, on: machine)
        v413.apply(stimulus, cpu: cpu, on: machine)
        let (first, second, new) = (v412.effects, v413Parent.effects, v413.effects)
        if first.pointee.sent || second.pointee.sent || new.pointee.sent { compareTargets(stimulus, moment) }
        if _slowPath(Effects.areNotable(first, beside: new)) { besideV412.note(stimulus, moment, old: first.pointee, new: new.pointee) }
        if _slowPath(Effects.areNotable(second, beside: new)) { besideParent.note(stimulus, moment, old: second.pointee, new: new.pointee) }
        let loaded = new.pointee.loaded
        besideV412.track(moment, booked: first.pointee.booked, loaded: first.pointee.loaded, new: loaded)
        besideParent.track(moment, booked: second.pointee.booked, loaded: second.pointee.loaded, new: loaded)
        machine.apply(stimulus)
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }

    private func brokenInvariant(_ cpu: Int) -> String? {
        v412.scheme.brokenInvariant(cpu) ?? v413Parent.scheme.brokenInvariant(cpu) ?? v413.scheme.brokenInvariant(cpu)
    }

    /// Who is interrupted by the flush that CPU `moment.cpu` just began, scheme beside scheme.
    private mutating func compareTargets(_ stimulus: Stimulus, _ moment: Moment) {
        let cpu = moment.cpu
        var sums = (0, 0, 0)
        for index in 0..<stride {
            let words = (v412.targets(cpu, index), v413Parent.targets(cpu, index), v413.targets(cpu, index))
            besideV412.targets(index, old: words.0, new: words.2)
            besideParent.targets(index, old: words.1, new: words.2)
            traffic.add(sender: cpu, wordIndex: index, words)
            sums.0 += words.0.nonzeroBitCount
            sums.1 += words.1.nonzeroBitCount
            sums.2 += words.2.nonzeroBitCount
        }
        let mm = machine.mm[cpu]
        traffic.add(mm.isUser ? .mm(mm) : .task(moment.pid), sums)
        if !besideV412.haveSameTargets { endTargets(&besideV412, stimulus.mm, moment) { v412.scheme.bookedMM($0) } }
        if !besideParent.haveSameTargets { endTargets(&besideParent, stimulus.mm, moment) { v413Parent.scheme.bookedMM($0) } }
    }

    /// A batch has no mm of its own: then it is the one for which the CPU is in the batch's mask.
    private func endTargets(_ comparison: inout Comparison, _ mm: MM, _ moment: Moment, _ booked: (Int) -> MM) {
        let isBatch = mm == .none
        let extra = isBatch ? comparison.firstExtra.map(booked) ?? mm : mm
        let missing = isBatch ? comparison.firstMissing.map { v413.scheme.bookedMM($0) } ?? mm : mm
        comparison.endTargets(extraMM: extra, missingMM: missing, at: moment)
    }

    public mutating func clearLate() { machine.clearsLate = true }

    public mutating func setBatch(_ batch: Batch, cpu: Int) { machine.batch[cpu] = batch }

    public mutating func complete(cpu: Int, at moment: Moment) {
        for index in 0..<stride {
            let word =
                v412.scheme.pendingWord(cpu, index) | v413Parent.scheme.pendingWord(cpu, index) | v413.scheme.pendingWord(cpu, index)
            forEachBit(word) { step(.deliver(cpu: index * 64 + $0, from: cpu), moment.handled(by: index * 64 + $0)) }
        }
        latency.complete(cpu)
    }

    @inline(__always) public mutating func recorded(_ record: Held) {
        recorded(Int(record.cpu), reason: record.reason, pages: record.pages, at: record.time)
    }

    @inline(__always) mutating func recorded(_ cpu: Int, reason: Int32, pages: Int64, at time: UInt64) {
        lastTime = max(lastTime, time)
        recorded.add(cpu: cpu, reason: reason, pages: pages)
        if reason == 4 { latency.sent(cpu, at: time) }
    }

    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {
        guard mm.isKnown else { return }
        masks += 1
        v412.checkMask(mm, word)
        v413Parent.checkMask(mm, word)
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
                    V412.id: v412.scheme.counters.vmstat, V413Parent.id: v413Parent.scheme.counters.vmstat,
                    V413.id: v413.scheme.counters.vmstat,
                ]))
    }

    /// The trace ends: flushes that are still under way reach their targets, intervals end.
    public mutating func finish() {
        for cpu in 0..<cpus { complete(cpu: cpu, at: Moment(time: lastTime, cpu: cpu, pid: 0, cause: .other)) }
        besideV412.finish(at: lastTime)
        besideParent.finish(at: lastTime)
    }
}

extension Moment {
    /// An IPI that must have been handled by now: that happens on the receiver, whose task the sender's record does not tell.
    func handled(by receiver: Int) -> Moment {
        var handled = Moment(time: time, cpu: receiver, pid: -1, cause: cause)
        handled.recordCPU = cpu
        return handled
    }
}
