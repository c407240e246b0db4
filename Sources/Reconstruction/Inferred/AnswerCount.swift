import LazyTLB
import TraceData

/// Which of several mms a flush is of, told by how often CPUs answer: each CPU answers a flush once, and other flushes are under way.
extension InferredReconstruction {
    /// The one of `candidates` that was flushed by `sender`'s SEND_IPI record at `send`: of several, the only one whose CPUs, the sender's
    /// aside, have all answered; if that is not enough, the only one whose CPUs have answered more often than other flushes of it explain.
    func onlyMM(_ candidates: [MM], _ mask: MaskTable, _ sender: Int, _ send: Held) -> MM? {
        if candidates.count < 2 { return candidates.first }
        let whole = candidates.filter { mm in
            !(0..<cpus).contains {
                $0 != sender && observed.loaded[$0] == mm && !mask.contains($0, 0) && (state[$0].mm.isUser || !rules.sparesLazy)
            }
        }
        if whole.count == 1 { return whole[0] }
        let answered = whole.filter { isAnswered($0, sender, send) }
        return answered.count == 1 ? answered[0] : nil
    }

    /// Each CPU that runs a task of `mm`, the sender's aside, answers `send` or a flush that is not known.
    func isAnswered(_ mm: MM, _ sender: Int, _ send: Held) -> Bool {
        var any = false
        for cpu in 0..<cpus where cpu != sender && observed.loaded[cpu] == mm && state[cpu].mm.isUser {
            if !answersMore(cpu, mm, sender, send) { return false }
            any = true
        }
        return any
    }

    /// CPU `cpu` answers more flushes of as many pages as `send` than other CPUs' tasks of `mm` have begun.
    ///
    /// - Complexity: O(``Lookahead/depth`` times CPUs), for the few flushes of which nothing else tells the mm.
    private func answersMore(_ cpu: Int, _ mm: MM, _ sender: Int, _ send: Held) -> Bool {
        var answered: [UInt64] = []
        forEachAhead(cpu) { record in
            if record.inHardIRQ, record.kind == .tlbFlush, record.reason == TLBReason.remoteShootdown, record.pages == send.pages, record.time >= send.time {
                answered.append(record.time)
            }
        }
        // When each sender has a flush under way that this CPU is still to answer.
        var begun: [UInt64] = []
        for other in 0..<cpus where other != cpu && other != sender && state[other].mm == mm {
            if state[other].sending, state[other].sentMM == mm, state[other].sentPages == send.pages, !answers.contains(cpu, other) { begun.append(0) }
            forEachAhead(other) { record in
                if !record.inHardIRQ, record.kind == .tlbFlush, record.reason == TLBReason.remoteSendIPI, record.pages == send.pages { begun.append(record.time) }
            }
        }
        begun.sort()
        var open = begun[...]
        var more = 0
        for time in answered {
            if let first = open.first, first <= time { open.removeFirst() } else { more += 1 }
        }
        return more > 0
    }
}
