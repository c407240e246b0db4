import Tables
import TraceData

/// What each CPU had loaded behind each gap, as far as later records tell: collected by the first pass, used by the second.
///
/// Every change of CR3 leaves a TASK_SWITCH record on its CPU (switch_mm_irqs_off(), leave_mm()). So what a CPU shows before its first such
/// record behind a gap it had loaded all the time since the gap: with a switch that leaves CR3 alone to a task with an mm, with a flush of its
/// own, with the answer to another CPU's.
///
/// Both passes meet the gaps in the same order, so a gap's number is enough to find it again. Memory grows with gaps.
struct GapSettlements {
    /// A node whose mm was loaded.
    struct Settlement {
        /// -1: nothing tells.
        var node: Int32 = -1
        /// How many switches to the node there were by then: whether it still had its mm hangs on that.
        var switches: UInt32 = 0
        /// The task that was current behind the gap, and how many switches to it there were by then: whether it has exec'd in the gap may
        /// show later.
        var current: Int32 = -1
        var currentSwitches: UInt32 = 0
        /// If the node has no mm: who is out of the question.
        var witness: Elimination.Witness?
    }

    private(set) var gaps: [Settlement]
    /// Gaps in the order in which they ended.
    private(set) var ended: [Int] = []
    /// By CPU: its last gap, as long as CR3 has not changed since; -1 else.
    private let open: Flat<Int>
    /// By CPU: its last gap.
    private let last: Flat<Int>

    /// Every CPU begins with a gap: what was before the trace.
    init(cpus: Int) {
        gaps = [Settlement](repeating: Settlement(), count: cpus)
        open = Flat(Array(0..<cpus))
        last = Flat(Array(0..<cpus))
    }

    func isOpen(_ cpu: Int) -> Bool { open[cpu] >= 0 }

    mutating func begin(_ cpu: Int) {
        open[cpu] = gaps.count
        last[cpu] = gaps.count
        gaps.append(Settlement())
    }

    /// The CPU's gap is over.
    mutating func end(_ cpu: Int) { ended.append(last[cpu]) }

    /// Behind it `current` runs.
    mutating func note(_ cpu: Int, current: Int32, _ switches: UInt32) {
        gaps[last[cpu]].current = current
        gaps[last[cpu]].currentSwitches = switches
    }

    /// `node`'s mm is loaded, and was since the gap. If that is not `sure`, a later record may tell better.
    mutating func settle(_ cpu: Int, _ node: Int32, _ switches: UInt32, sure: Bool) {
        guard open[cpu] >= 0 else { return }
        gaps[open[cpu]].node = node
        gaps[open[cpu]].switches = switches
        if sure { open[cpu] = -1 }
    }

    /// Nothing but tasks without an mm ran since the gap.
    mutating func eliminate(_ cpu: Int, _ witness: Elimination.Witness) {
        if open[cpu] >= 0 { gaps[open[cpu]].witness = witness }
    }

    /// CR3 changes: what is loaded from here on says nothing of what was before.
    mutating func close(_ cpu: Int) { open[cpu] = -1 }
}

extension Lookahead {
    /// The current task may have given up its mm already: it dies before it shows the mm again, or leaves the CPU.
    ///
    /// Behind a gap the record that tells may be lost; the task is one with an mm (exit_mm() runs some time before sched_process_exit).
    func mayBeExiting(pid: Int32, deadStates: UInt64) -> Bool {
        var distance = 0
        while let next = peek(distance) {
            switch next.kind {
            case .lost: return false
            case .schedSwitch: return next.prevPID == pid && next.word1 & deadStates != 0
            case .exit: if next.pid == pid { return true }
            case .tlbFlush where !next.inHardIRQ && next.pid == pid && next.reason == TLBReason.localMMShootdown: return false
            case .tlbFlush where next.inHardIRQ && next.reason == TLBReason.remoteShootdown: return false
            case .exec, .rename, .newTask, .fork: if next.pid == pid { return false }
            default: break
            }
            distance += 1
        }
        return false
    }
}
