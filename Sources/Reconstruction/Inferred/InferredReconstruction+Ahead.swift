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

    /// A switch is short, but for a virtual CPU that has to wait for its processor in the middle. If one is under way for longer, away from `mm`, of which `sender` flushes, the CPU has
    /// left the mask if no IPI is sent. It takes none before the end of the switch: if one is sent, and the sender goes on earlier, it has left as well, if it ran the mm. (If it was lazy
    /// this says nothing, since v4.20: it is spared.)
    mutating func finishSwitches(from mm: MM, _ sender: Lookahead, sends: Bool) {
        if longSwitches == 0 || rules.clearsMaskLate { return }
        for cpu in 0..<cpus where state[cpu].isLong && state[cpu].isPending && state[cpu].leaves == mm && cpu != sender.cpu {
            guard sender.headTime > state[cpu].begun &+ Self.longSwitch, let end = sourceOf[cpu]?.peek(0), end.isLoad else { continue }
            let goesOn = sends ? goesOn(sender) ?? .max : 0
            if !sends || state[cpu].ranLeft && goesOn < end.time { finishSwitch(cpu, sender.headTime) }
        }
    }

    /// ns; an emulated CPU with probe events takes up to a tenth of it.
    static var longSwitch: UInt64 { 500_000 }

    /// When the CPU whose SEND_IPI record is at the head has waited for the others, at the latest; nil if its next records do not tell.
    private mutating func goesOn(_ source: Lookahead) -> UInt64? {
        // Its own half is done while it waits.
        var ownHalf = rules.sendsFirst
        var distance = 1
        while let next = source.peek(distance), next.kind != .lost {
            distance += 1
            if next.inHardIRQ { continue }
            guard ownHalf, next.kind == .tlbFlush, next.reason == TLBReason.localMMShootdown else { return next.time }
            ownHalf = false
        }
        return nil
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
