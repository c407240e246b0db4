import LazyTLB
import TraceData

/// Who is in a mask in the moments between records.
extension InferredReconstruction {
    /// A CPU leaves the mask of the mm that it switched away from a moment behind its TASK_SWITCH record. Only the last to leave an mm
    /// may be in between; of the others it is known.
    mutating func linger(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        settle(mm, moment)
        state[cpu].lingering = mm
        state[cpu].leftAt = moment.time
        let index = Int(mm.index)
        if _slowPath(index >= lastLeaver.count) { lastLeaver.extend(with: -1, to: index + 1) }
        lastLeaver.base[index] = Int32(truncatingIfNeeded: cpu)
    }

    /// The CPU that was the last to switch away from a user mm; -1 if none was.
    @inline(__always) mutating func lastLeaver(of mm: MM) -> Int {
        Int(mm.index) < lastLeaver.count ? Int(lastLeaver.base[Int(mm.index)]) : -1
    }

    mutating func settle(_ mm: MM, _ moment: Moment) {
        guard mm.isUser else { return }
        let cpu = lastLeaver(of: mm)
        guard cpu >= 0, state[cpu].lingering == mm else { return }
        apply(.settled(cpu: cpu), Moment(time: moment.time, cpu: cpu, pid: moment.pid, cause: moment.cause))
    }

    /// `sender` flushes `mm`. If it sends IPIs, another CPU is in the mask: one that has the mm loaded, or is about to, or has just left.
    mutating func settle(_ mm: MM, sender: Int, sends: Bool, _ moment: Moment) {
        guard mm.isUser else { return }
        if _slowPath(!goingDown.isEmpty) { settleDown(mm, sends: sends, moment) }
        // With clearsMaskLate CPUs in the mask may have left the mm long ago.
        let isExplained = !sends || rules.clearsMaskLate || isLoadedElsewhere(mm, than: sender) || goingDown.contains { $0.mm == mm }
        if isExplained { return settle(mm, moment) }
        for cpu in 0..<cpus where isPending(cpu, mm) && cpu != sender {
            return finishSwitch(cpu, moment.time)
        }
        let last = lastLeaver(of: mm)
        if last >= 0, moment.time &- state[last].leftAt > Self.lingeringLimit { settle(mm, moment) }
    }

    /// The CPU is in the middle of a switch to the mm.
    @inline(__always) func isPending(_ cpu: Int, _ mm: MM) -> Bool {
        let place = state.place(cpu)
        // Either alone cannot be guessed.
        let (isPending, isTheMM) = (place.pointee.isPending, place.pointee.mm == mm)
        return isPending && isTheMM
    }

    /// Another CPU than `sender` has the mm loaded, and is not in the middle of a switch away from it.
    private mutating func isLoadedElsewhere(_ mm: MM, than sender: Int) -> Bool {
        for cpu in 0..<cpus where observed.loaded[cpu] == mm && cpu != sender && (!state[cpu].isPending || state[cpu].mm == mm) { return true }
        return false
    }

    /// A CPU has left the user mm so recently that it may still be in its mask.
    mutating func wasJustLeft(_ mm: MM, _ moment: Moment) -> Bool {
        guard mm.isUser else { return false }
        let last = lastLeaver(of: mm)
        return last >= 0 && state[last].lingering == mm && moment.time &- state[last].leftAt <= Self.lingeringLimit
    }

    /// A CPU that has left an mm longer ago than this, ns, is out of its mask, whatever else remains unexplained.
    static var lingeringLimit: UInt64 { 200_000 }
}
