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
        v412.scheme.flushRangeOfRunning(cpu, pages)
        v413.scheme.flushRangeOfRunning(cpu, pages)
        if haveParted { parent.scheme.flushRangeOfRunning(cpu, pages) }
        predict(cpu, .localMMShootdown, pages)
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
            v412.scheme.settle(cpu)
            v413.scheme.settle(cpu)
            if haveParted { parent.scheme.settle(cpu) }
            return
        }
        let targets = others & machine.online.word(0, 0)
        let receivers = machine.receivers(targets)
        v412.scheme.interrupt(targets, receivers, cpu, mm, pages)
        v413.scheme.interrupt(targets, receivers, cpu, mm, pages)
        if haveParted { parent.scheme.interrupt(targets, receivers, cpu, mm, pages) }
        predict(cpu, .remoteSendIPI, pages)
        traffic.add(sender: cpu, wordIndex: 0, (targets, targets, targets))
        traffic.add(.mm(mm), SchemeCounts(all: receivers.count))
    }

    /// In all schemes `sender` waits for this CPU to flush so many pages of the mm that it runs.
    @inline(__always) mutating func flushesRunning(_ cpu: Int, from sender: Int) -> Bool {
        let pages = v413.scheme.pages(sentBy: sender)
        return v413.scheme.flushesRunning(cpu, from: sender)
            && v412.scheme.flushesRunning(cpu, from: sender) && v412.scheme.pages(sentBy: sender) == pages
            && (!haveParted || parent.scheme.flushesRunning(cpu, from: sender) && parent.scheme.pages(sentBy: sender) == pages)
    }

    @inline(__always) mutating func deliverToRunning(_ cpu: Int, from sender: Int) {
        v412.scheme.deliverToRunning(cpu, from: sender)
        v413.scheme.deliverToRunning(cpu, from: sender)
        if haveParted { parent.scheme.deliverToRunning(cpu, from: sender) }
        predict(cpu, .remoteShootdown, v413.scheme.pages(sentBy: sender))
    }

    /// All schemes would have written the record.
    @inline(__always) mutating func predict(_ cpu: Int, _ reason: FlushReason, _ pages: Int64) {
        if !common.addFrequent(cpu: cpu, reason: Int32(reason.rawValue), pages: pages) { predictRare(cpu, reason, pages) }
    }

    @inline(never) private mutating func predictRare(_ cpu: Int, _ reason: FlushReason, _ pages: Int64) {
        v412.add(FlushRecord(reason: reason, pages: pages), cpu)
        v413.add(FlushRecord(reason: reason, pages: pages), cpu)
        if haveParted { parent.add(FlushRecord(reason: reason, pages: pages), cpu) }
    }
}
