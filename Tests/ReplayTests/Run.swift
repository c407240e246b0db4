import LazyTLB
@testable import Reconstruction
import Replay
import TestSupport
import TraceData

/// A replay that is told what happens and when. CPUs come up at time 0, idle.
struct Run {
    var replay: Replay
    /// The task that was current on each CPU: 100, 101, …
    static func pid(_ cpu: Int) -> Int32 { 100 + Int32(cpu) }

    init(cpus: Int = 4, primary: String = V413.id, limit: Int = 100) {
        replay = Replay(cpus: cpus, primary: primary, divergenceLimit: limit)
        for cpu in 0..<cpus { at(0, .cpuUp(cpu: cpu)) }
    }

    mutating func at(_ time: UInt64, _ stimuli: Stimulus...) {
        for stimulus in stimuli { replay.apply(stimulus, at: moment(time, stimulus.cpu)) }
    }

    mutating func complete(_ time: UInt64, _ cpu: Int) { replay.complete(cpu: cpu, at: moment(time, cpu)) }

    mutating func batch(_ time: UInt64, _ cpu: Int, _ mms: MM..., others: [Int] = []) {
        var batch = Batch(cpus: replay.cpus)
        batch.mms = mms
        for other in others { batch.others.insert(other, 0) }
        replay.setBatch(batch, cpu: cpu)
        at(time, .batchLocal(cpu: cpu), .batchOthers(cpu: cpu))
    }

    /// A tlb_flush record of the recorded kernel.
    mutating func recorded(_ time: UInt64, _ cpu: Int, reason: FlushReason, pages: Int64) {
        Self.record(time, cpu, reason: reason, pages: pages) { replay.recorded($0) }
    }

    static func record(_ time: UInt64, _ cpu: Int, reason: FlushReason, pages: Int64, _ body: (Held) -> Void) {
        var record = CompactRecord()
        record.time = time
        record.cpu = Int32(cpu)
        record.kind = .tlbFlush
        record.word0 = UInt64(reason.rawValue)
        record.word1 = UInt64(bitPattern: pages)
        withUnsafePointer(to: &record) { body(Held($0)) }
    }

    func moment(_ time: UInt64, _ cpu: Int) -> Moment { Moment(time: time, cpu: cpu, pid: Run.pid(cpu), cause: .tlbFlush) }

    /// v4.12 and v4.13-parent beside v4.13.
    var v412: Comparison { replay.comparisons[0] }
    var parent: Comparison { replay.comparisons[1] }
}

extension Comparison {
    func all(_ kind: Divergence.Kind) -> [Divergence] { divergences.filter { $0.kind == kind } }
    /// The kinds that occurred, and how often.
    var kinds: [Divergence.Kind: Int] {
        Dictionary(uniqueKeysWithValues: Divergence.Kind.allCases.map { ($0, count($0)) }).filter { $0.value > 0 }
    }
}

let a = MM(1)
let b = MM(2)
let everything: Int64 = -1

extension RandomHistory.Step {
    /// Of a context switch: the task that comes in.
    var task: IncomingTask? { incoming.map { IncomingTask(pid: $0, comm: .empty, basis: .exact) } }
}

extension Stimulus {
    static func user(_ cpu: Int, _ mm: MM) -> Stimulus { .contextSwitch(cpu: cpu, mm: mm) }
    static func kernel(_ cpu: Int) -> Stimulus { .contextSwitch(cpu: cpu, mm: .none) }
}
