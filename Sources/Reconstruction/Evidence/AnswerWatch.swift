import LazyTLB
import Tables

/// Which CPUs answer a flush of one mm, and which do not, although a task with an mm runs there all the while: those have another mm.
///
/// flush_tlb_others() interrupts every CPU of mm_cpumask(mm), and a CPU on which a task with that mm runs is in it and not lazy: it flushes, with
/// a REMOTE_SHOOTDOWN record, before the sender goes on. (Since v4.14 it may skip that if it has caught up with another flush of the same mm,
/// so only a CPU that answers none counts.) This tells tasks apart that never meet on a CPU, which is all that relates the threads
/// of processes that were born before the trace or in a gap, where each keeps a CPU busy.
struct AnswerWatch {
    /// By CPU: when it last changed its task or its mm, and when it last answered a flush, ns.
    private let changed: Flat<UInt64>
    private let answered: Flat<UInt64>
    /// By sender: its flush under way.
    private let flushes: Flat<Flush>
    /// Row 0: the CPUs that have one.
    private var senders: MaskTable
    /// When records of some CPU were missing last.
    private var lastGap: UInt64 = 0
    private(set) var openFlushes = 0

    private struct Flush {
        var begun: UInt64 = 0
        var pages: Int64 = 0
        /// CPUs that may have answered it, and the last of them.
        var answers = 0
        var answerer = 0
        /// An answer to it, and to no other, was counted.
        var isCounted = false
    }

    init(cpus: Int) {
        changed = Flat(repeating: 1, count: cpus)
        answered = Flat(repeating: 0, count: cpus)
        flushes = Flat(repeating: Flush(), count: cpus)
        senders = MaskTable(cpus: cpus, rows: 1)
    }

    mutating func endGap(at time: UInt64) { lastGap = time }

    mutating func change(_ cpu: Int, at time: UInt64) { changed[cpu] = time }

    mutating func begin(_ sender: Int, pages: Int64, at time: UInt64) {
        if !senders.insert(sender, 0) { openFlushes += 1 }
        flushes[sender] = Flush(begun: max(1, time), pages: pages)
    }

    mutating func answer(_ cpu: Int, pages: Int64, unique sender: Int?, at time: UInt64) {
        answered[cpu] = time
        guard openFlushes > 0 else { return }
        for other in senders.others(than: cpu, 0) where flushes[other].pages == pages {
            flushes[other].answers += 1
            flushes[other].answerer = cpu
            if sender == other { flushes[other].isCounted = true }
        }
    }

    /// The CPU has a flush under way.
    @inline(__always) func isOpen(_ cpu: Int) -> Bool { openFlushes > 0 && senders.contains(cpu, 0) }

    /// The flush under way may have been answered.
    @inline(__always) func isAnswered(_ sender: Int) -> Bool { flushes[sender].answers > 0 }

    mutating func drop(_ sender: Int) {
        if senders.remove(sender, 0) { openFlushes -= 1 }
        flushes[sender].begun = 0
    }

    /// The sender goes on: all have answered.
    ///
    /// - Returns: when the flush began, how many CPUs may have answered it, and the CPU that alone may have answered it, if that is not known already.
    mutating func end(_ sender: Int, inGap: Bool) -> (begun: UInt64, answers: Int, only: Int?)? {
        let flush = flushes[sender]
        guard flush.begun > 0 else { return nil }
        drop(sender)
        return (flush.begun, flush.answers, flush.answers == 1 && !flush.isCounted && !inGap && lastGap < flush.begun ? flush.answerer : nil)
    }

    /// The CPU has changed its task or its mm between two times.
    @inline(__always) func hasChanged(_ cpu: Int, since begun: UInt64, before end: UInt64) -> Bool { changed[cpu] >= begun && changed[cpu] < end }

    /// The CPU has changed its task or its mm since shortly before then.
    func hasChanged(_ cpu: Int, since begun: UInt64) -> Bool { changed[cpu] >= begun || begun - changed[cpu] < Self.switchTime }

    /// When any CPU did so last.
    var lastChange: UInt64 { changed.indices.reduce(0) { max($0, changed[$1]) } }

    /// Within it a switch is done, ns.
    private static let switchTime: UInt64 = 100_000

    /// The CPU has run one and the same task since then, and answered nothing.
    @inline(__always) func isSilent(_ cpu: Int, since begun: UInt64) -> Bool { changed[cpu] < begun && answered[cpu] < begun }
}
