import LazyTLB
import TraceData

/// A switch under way that takes longer than usual: a virtual CPU waits for its processor in the middle.
struct LongSwitch {
    var cpu: Int
    /// That it leaves, and whether the task that goes ran it: if not the CPU was lazy.
    var mm: MM
    var hasRun: Bool
    /// ns: of its sched_switch and its TASK_SWITCH record.
    var begun: UInt64
    var end: UInt64

    /// ns; an emulated CPU with probe events takes up to a tenth of it.
    static var limit: UInt64 { 500_000 }
}

/// What CPUs are about to do, by their records that are still to come.
extension InferredReconstruction {
    /// The CPUs that are in the middle of a switch to `mm` and will answer `send` behind it are in the mask already; where CPUs stay in masks (v6.14 and later), an answer does not tell.
    mutating func finishSwitches(to mm: MM, _ sender: Int, _ send: Held) {
        if rules.clearsMaskLate { return }
        for cpu in 0..<cpus where isPending(cpu, mm) && cpu != sender {
            guard let source = sourceOf[cpu] else { continue }
            var hasLoaded = false
            var distance = 0
            while let record = source.peek(distance), record.kind == .tlbFlush {
                distance += 1
                if !record.inHardIRQ {
                    if hasLoaded || record.reason != TLBReason.onTaskSwitch { break }
                    hasLoaded = true
                } else if hasLoaded, record.reason == TLBReason.remoteShootdown, record.pages == send.pages {
                    finishSwitch(cpu, send.time)
                    break
                }
            }
        }
    }

    @inline(never) mutating func begins(_ long: LongSwitch) {
        longSwitches.removeAll { $0.end <= long.begun }
        longSwitches.append(long)
    }

    /// `sender` flushes `mm`. A CPU in the middle of a long switch away from it has left the mask if no IPI is sent. It takes none before the end of the switch: if one is sent, and the
    /// sender goes on earlier, it has left as well, if it ran the mm. (If it was lazy this says nothing, since v4.20: it is spared.)
    mutating func finishSwitches(from mm: MM, _ sender: Lookahead, sends: Bool) {
        let now = sender.headTime
        longSwitches.removeAll { $0.end <= now }
        for long in longSwitches where long.mm == mm && long.cpu != sender.cpu && now > long.begun &+ LongSwitch.limit {
            if !sends || long.hasRun && endOfWait(sender, sender.head) < long.end { finishSwitch(long.cpu, now) }
        }
    }

    /// The CPU will answer a flush before it switches, or right behind that.
    mutating func willAnswer(_ cpu: Int) -> Bool {
        guard let source = sourceOf[cpu] else { return false }
        var distance = 0
        while let record = source.peek(distance), record.kind != .lost {
            if record.kind == .schedSwitch { return answersBehind(distance, source) }
            if record.inHardIRQ, record.kind == .tlbFlush, record.reason <= TLBReason.remoteShootdown { return true }
            distance += 1
        }
        return false
    }

    /// An interrupt that waited for the end of the switch `distance` places ahead answers a flush.
    mutating func answersBehind(_ distance: Int, _ source: Lookahead) -> Bool {
        var distance = distance + 1
        while let record = source.peek(distance), record.kind == .tlbFlush {
            distance += 1
            if record.inHardIRQ { return record.reason <= TLBReason.remoteShootdown }
            if record.reason != TLBReason.onTaskSwitch { return false }
        }
        return false
    }

    /// The records that a CPU is about to write, as long as its current task runs.
    func forEachAhead(_ cpu: Int, _ body: (Held) -> Void) {
        guard let source = sourceOf[cpu] else { return }
        var distance = 0
        while let record = source.peek(distance), record.kind != .schedSwitch, record.kind != .lost {
            distance += 1
            body(record)
        }
    }
}
