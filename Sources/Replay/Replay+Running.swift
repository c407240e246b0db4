import LazyTLB
import Reconstruction
import Tables

/// Flushes on CPUs that run a task with the mm that is flushed, in all schemes: each does the same, and what is compared stays as it is. Most flushes are such, and most
/// answers to them.
extension Replay {
    /// In all schemes the CPU runs a task with the user's `mm`, and has it loaded.
    @inline(__always) mutating func runs(_ cpu: Int, _ mm: MM) -> Bool {
        mm.isUser && v412.scheme.runs(cpu, mm, on: machine) && v413.scheme.runs(cpu, mm, on: machine) && (!haveParted || parent.scheme.runs(cpu, mm, on: machine))
    }

    /// The local half.
    @inline(__always) mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64, _ moment: Moment) {
        lastTime = max(lastTime, moment.time)
        v412.flushRangeOfRunning(cpu, pages)
        v413.flushRangeOfRunning(cpu, pages)
        if haveParted { parent.flushRangeOfRunning(cpu, pages) }
    }

    /// The other CPUs in the mm's mask, if those are the same in all schemes; up to 64 CPUs.
    @inline(__always) mutating func sameOthers(_ cpu: Int, _ mm: MM) -> UInt64? {
        guard stride == 1 else { return nil }
        let others = v413.scheme.othersWord(cpu, mm, 0)
        return others == v412.scheme.othersWord(cpu, mm, 0) && (!haveParted || others == parent.scheme.othersWord(cpu, mm, 0)) ? others : nil
    }

    /// The remote half: all schemes interrupt the same CPUs.
    @inline(__always) mutating func flushSameOthers(_ others: UInt64, _ cpu: Int, _ mm: MM, _ pages: Int64) {
        if others == 0 {
            v412.doNothing(cpu)
            v413.doNothing(cpu)
            if haveParted { parent.doNothing(cpu) }
            return
        }
        let targets = others & machine.online.word(0, 0)
        v412.interrupt(targets, cpu, mm, pages)
        v413.interrupt(targets, cpu, mm, pages)
        if haveParted { parent.interrupt(targets, cpu, mm, pages) }
        traffic.add(sender: cpu, wordIndex: 0, (targets, targets, targets))
        let count = targets.nonzeroBitCount
        traffic.add(.mm(mm), (count, count, count))
    }

    /// In all schemes `sender` waits for this CPU to flush the mm that it runs.
    @inline(__always) mutating func flushesRunning(_ cpu: Int, from sender: Int) -> Bool {
        v412.scheme.flushesRunning(cpu, from: sender) && v413.scheme.flushesRunning(cpu, from: sender) && (!haveParted || parent.scheme.flushesRunning(cpu, from: sender))
    }

    @inline(__always) mutating func deliverToRunning(_ cpu: Int, from sender: Int) {
        v412.deliverToRunning(cpu, from: sender)
        v413.deliverToRunning(cpu, from: sender)
        if haveParted { parent.deliverToRunning(cpu, from: sender) }
    }
}
