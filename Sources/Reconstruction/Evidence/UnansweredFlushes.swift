import Tables

/// Flushes that were sent and that nobody answered, v4.20 to v6.13: SEND_IPI is recorded before lazy CPUs are left out (tlb_is_not_lazy()), so one
/// of those has the sender's mm loaded. Of the tasks that ran there last, one shares the mm: that relates the threads of a process that keep a CPU
/// each, and never come in on one another's.
struct UnansweredFlushes {
    /// A sender, and the tasks whose mms lazy CPUs had loaded, in order.
    struct Case: Hashable {
        var sender: Int32
        var suspects: [Int32]
    }

    /// How often, while nothing changed on any CPU counted once; and when that was last, ns.
    private(set) var counts: [Case: (count: UInt32, last: UInt64)] = [:]

    /// With more suspects than this a flush tells nothing.
    static let limit = 8
    /// More different ones are not kept.
    private static let casesLimit = 1 << 16

    /// - Parameter changed: when a CPU last changed its task or its mm, ns.
    mutating func add(_ sender: Int32, _ suspects: [Int32], at time: UInt64, changed: UInt64) {
        let new = Case(sender: sender, suspects: suspects.sorted())
        guard counts.count < Self.casesLimit || counts[new] != nil, counts[new]?.last ?? 0 < changed else { return }
        counts[new, default: (0, 0)].count.addClamped(1)
        counts[new]!.last = time
    }
}

extension EvidencePass {
    /// The CPU's flush, which began then, is over, and no CPU has answered it.
    mutating func unanswered(_ cpu: Int, since begun: UInt64) {
        guard walk.rules.sparesLazy, !walk.rules.clearsMaskLate, openGaps == 0 else { return }
        let sender = state[cpu].send.node
        var suspects: [Int32] = []
        for other in state.indices where other != cpu {
            // On the way from one mm to the next it may be in the masks of both.
            if watch.hasChanged(other, since: begun) { return }
            guard case .of(let node) = state[other].loaded else {
                if state[other].loaded == .unknown { return }
                continue
            }
            if node == sender { return }
            // It would have answered. (Who has come in silently may have no mm.)
            let isActive = walk.current(other) == node && walk.tasks[node].userEvidence > 0 && !walk.tasks[node].isDead
            if isActive || suspects.contains(node) { continue }
            if suspects.count == UnansweredFlushes.limit || relations[sender, node].strong > 0 { return }
            suspects.append(node)
        }
        if suspects.contains(where: { !settled(sender, $0) }) { unansweredFlushes.add(sender, suspects, at: begun, changed: watch.lastChange) }
    }
}
