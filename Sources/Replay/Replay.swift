import LazyTLB
import Reconstruction

/// Runs the schemes side by side on one stream of stimuli, counts, compares, and keeps what the recorded kernel did beside it.
public struct Replay: StimulusSink {
    public let cpus: Int
    let stride: Int
    public internal(set) var machine: Machine
    public internal(set) var v412: Lane<V412>
    public internal(set) var v413Parent: Lane<V413Parent>
    public internal(set) var v413: Lane<V413>
    public internal(set) var comparisons: [Comparison]
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
        comparisons = [V412.id, V413Parent.id].map { Comparison(old: $0, new: V413.id, cpus: cpus, limit: divergenceLimit) }
        recorded = FlushTally(cpus: cpus)
        traffic = IPITraffic(cpus: cpus, primary: primary)
        latency = ShootdownLatency(cpus: cpus)
    }

    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        step(stimulus, moment)
        if case .deliver(let cpu, let sender) = stimulus { latency.answered(sender, by: cpu, at: moment.time) }
    }

    private mutating func step(_ stimulus: Stimulus, _ moment: Moment) {
        let cpu = stimulus.cpu
        lastTime = max(lastTime, moment.time)
        v412.apply(stimulus, cpu: cpu, on: machine)
        v413Parent.apply(stimulus, cpu: cpu, on: machine)
        v413.apply(stimulus, cpu: cpu, on: machine)
        comparisons[0].step(stimulus, moment, cpu: cpu, old: v412, new: v413, stride: stride)
        comparisons[1].step(stimulus, moment, cpu: cpu, old: v413Parent, new: v413, stride: stride)
        if v412.effects.sent || v413Parent.effects.sent || v413.effects.sent {
            countTraffic(cpu, moment)
        }
        machine.apply(stimulus)
        assert(brokenInvariant(cpu) == nil, brokenInvariant(cpu) ?? "")
    }

    private func brokenInvariant(_ cpu: Int) -> String? {
        v412.scheme.brokenInvariant(cpu) ?? v413Parent.scheme.brokenInvariant(cpu) ?? v413.scheme.brokenInvariant(cpu)
    }

    private mutating func countTraffic(_ cpu: Int, _ moment: Moment) {
        let process = machine.mm[cpu].isUser ? IPITraffic.Process.mm(machine.mm[cpu]) : .task(moment.pid)
        for index in 0..<stride {
            let words = (
                v412.effects.sent ? v412.scheme.targetWord(cpu, index) : 0,
                v413Parent.effects.sent ? v413Parent.scheme.targetWord(cpu, index) : 0,
                v413.effects.sent ? v413.scheme.targetWord(cpu, index) : 0
            )
            traffic.add(process, sender: cpu, wordIndex: index, words, first: index == 0)
        }
    }

    public mutating func clearLate() { machine.clearsLate = true }

    public mutating func setBatch(_ batch: Batch, cpu: Int) { machine.batch[cpu] = batch }

    public mutating func complete(cpu: Int, at moment: Moment) {
        for index in 0..<stride {
            let word =
                v412.scheme.pendingWord(cpu, index) | v413Parent.scheme.pendingWord(cpu, index) | v413.scheme.pendingWord(cpu, index)
            forEachBit(word) { step(.deliver(cpu: index * 64 + $0, from: cpu), moment) }
        }
        latency.complete(cpu)
    }

    public mutating func recorded(_ record: Held) {
        lastTime = max(lastTime, record.time)
        recorded.add(cpu: Int(record.cpu), reason: record.reason, pages: record.pages)
        if record.reason == 4 { latency.sent(Int(record.cpu), at: record.time) }
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
        for index in comparisons.indices { comparisons[index].finish(at: lastTime) }
    }
}
