import CPrefetch
import Tables

/// Sees that the clocks of two CPUs differ: a task comes in on one CPU before it has left another, or a CPU answers a flush before it is sent.
///
/// On the path of every switch, so it only counts; ``ClockSkew`` measures, where there is something to be measured. Which tasks are running where is
/// kept for the tasks that ran last, by the low bits of their pid: of two that share a place one may go unwatched, but nothing is counted that did
/// not happen.
struct ClockWatch {
    /// Switches out of a task that had come in elsewhere before.
    private(set) var inversions = 0
    /// Answers to flushes, and those of them that answer none which is under way.
    private var answers = 0
    private var unmatched = 0
    /// There is a SEND_IPI record.
    private var hasSends = false
    /// Each CPU of the machine has records, so that whoever has sent an IPI has written so.
    var hasAllCPUs = true

    /// The clocks differ by more than can be. Answers say so if the records of those whom they answer are there.
    func differ(_ rules: KernelRules) -> Bool { inversions > 0 || hasAllCPUs && hasSends && unexplained(rules) > 0 }

    /// Answers to flushes that no CPU has under way, if those are too many for chance. Single answers may go astray: a record of their sender comes late (an emulated CPU that was stopped).
    func unexplained(_ rules: KernelRules) -> Int { rules.hasExactAnswers && unmatched >= 10 && unmatched * 200 > answers ? unmatched : 0 }

    /// Records that were seen to be missing so far.
    private var breaks: UInt32 = 0
    private let places: Flat<Place>
    /// By CPU: the current task, -1 if not known.
    private let current: Flat<Int32>

    private struct Place {
        var pid: Int32 = -1
        /// Where it runs; -1 if it does not.
        var cpu: Int32 = -1
        /// Where it came in meanwhile, -1 if nowhere; and whether it is still there.
        var other: Int32 = -1
        var isOther = false
        /// ``breaks`` when it came in.
        var breaks: UInt32 = 0
    }

    private static let count = 4096

    init(cpus: Int) {
        places = Flat(repeating: Place(), count: Self.count + cpus)
        current = Flat(repeating: -1, count: cpus)
    }

    /// Records of the CPU are missing.
    mutating func lost(_ cpu: Int) {
        breaks &+= 1
        current[cpu] = -1
    }

    /// A CPU sends an IPI.
    @inline(__always) mutating func sent() { hasSends = true }

    /// A CPU answers a flush, which is under way or not.
    @inline(__always) mutating func answered(matched: Bool) {
        answers &+= 1
        unmatched &+= matched ? 0 : 1
    }

    /// Asks for where a task's place is.
    @inline(__always) mutating func ask(_ pid: Int32) { prefetch_write(places.base + Int(pid) & (Self.count - 1)) }

    /// A task's place. Each CPU has one for its idle task, of which there are as many as CPUs.
    @inline(__always) private func place(_ pid: Int32, _ cpu: Int) -> UnsafeMutablePointer<Place> {
        places.base + (pid > 0 ? Int(truncatingIfNeeded: pid) & (Self.count - 1) : Self.count &+ cpu)
    }

    @inline(__always) mutating func switched(_ cpu: Int, from prev: Int32, to next: Int32) {
        if _slowPath(current[cpu] != prev) { breaks &+= current[cpu] < 0 ? 0 : 1 }
        current[cpu] = next
        let (from, to, here) = (place(prev, cpu), place(next, cpu), Int32(truncatingIfNeeded: cpu))
        guard from.pointee.pid == prev, from.pointee.cpu == here, from.pointee.other < 0, to.pointee.pid == next, to.pointee.cpu < 0 else {
            return switchedOddly(from, prev, to, next, here)
        }
        from.pointee.cpu = -1
        to.pointee.cpu = here
        to.pointee.breaks = breaks
    }

    /// One of the tasks is not known to be where it should be.
    @inline(never) private mutating func switchedOddly(_ from: UnsafeMutablePointer<Place>, _ prev: Int32, _ to: UnsafeMutablePointer<Place>, _ next: Int32, _ cpu: Int32) {
        if from.pointee.pid == prev { leave(from, cpu) }
        if to.pointee.pid != next {
            to.pointee = Place(pid: next, cpu: cpu, breaks: breaks)
        } else if to.pointee.cpu < 0 {
            to.pointee.cpu = cpu
            to.pointee.breaks = breaks
        } else {
            enter(to, cpu)
        }
    }

    private mutating func leave(_ place: UnsafeMutablePointer<Place>, _ cpu: Int32) {
        if place.pointee.cpu == cpu, place.pointee.other < 0 {
            place.pointee.cpu = -1
        } else if place.pointee.cpu == cpu {
            // If records are missing, one of them may be its way out and in again.
            if place.pointee.breaks == breaks { inversions += 1 }
            place.pointee.cpu = place.pointee.isOther ? place.pointee.other : -1
            place.pointee.other = -1
        } else if place.pointee.other == cpu {
            place.pointee.isOther = false
        } else {
            place.pointee.cpu = -1
            place.pointee.other = -1
        }
    }

    /// A task comes in that seems to run already. Whether it did shows when it leaves the CPU on which it was.
    private mutating func enter(_ place: UnsafeMutablePointer<Place>, _ cpu: Int32) {
        if place.pointee.cpu == cpu {
            place.pointee.other = -1
            place.pointee.breaks = breaks
        } else if place.pointee.other < 0 || place.pointee.other == cpu {
            place.pointee.other = cpu
            place.pointee.isOther = true
        }
    }
}
