import LazyTLB
import TraceData

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
