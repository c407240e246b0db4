import Tables

/// An executable model of one kernel generation's lazy-TLB handling.
///
/// A scheme is one function from (state, stimulus) to effects. It knows no traces and no time. Its state lies in tables that a copy shares: a
/// scheme has one owner.
public protocol Scheme: Sendable {
    /// The tool's identifier of the scheme, the kernel version that it models.
    static var id: String { get }

    init(cpus: Int)

    /// One of its own in the same state: a copy of the value shares its tables.
    func copy() -> Self

    // What nearly all stimuli are, each by itself: so that a caller that knows which one it has need not look again.

    mutating func contextSwitch(_ cpu: Int, _ mm: MM, on machine: Machine, _ effects: inout Effects)
    /// The same for a task without an mm: enter_lazy_tlb() is all that a scheme does then. CR3 and the bookkeeping's mm stay, no record is written.
    mutating func contextSwitchToLazy(_ cpu: Int, on machine: Machine)
    /// CR3 points to the user's `mm`, the bookkeeping names it, so that the CPU is in its mask, and no switch of before is left open.
    func holds(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool
    /// Asks for what a switch of the CPU to `mm` will look at, which may come soon. Changes nothing.
    func ask(_ cpu: Int, _ mm: MM)
    /// The same as ``contextSwitch(_:_:on:_:)`` for a task whose mm the CPU holds: it is not lazy any more, and nothing else happens.
    mutating func contextSwitchToHeld(_ cpu: Int, on machine: Machine)
    /// The mm that CR3 points to, if it is not the user's `mm`, and if a switch to that is as it is meant to be, with nothing to warn of: the bookkeeping names it as well, and so does
    /// the task that goes, which has it or borrows it. Else unknown.
    func leaves(_ cpu: Int, for mm: MM, on machine: Machine) -> MM
    /// The same as ``contextSwitch(_:_:on:_:)`` from such an mm: it loads CR3, with a TASK_SWITCH record, and nothing else happens.
    mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, on machine: Machine)
    mutating func flushRange(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects)
    mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects)
    mutating func deliver(_ cpu: Int, from sender: Int, on machine: Machine, _ effects: inout Effects)

    // Most flushes are of the mm of the task that runs, and so are those that CPUs answer. Then nothing changes but counters and who is to answer, and a caller who
    // has seen that several schemes are so far can do for all of them what it does for one.

    /// The current task has the user's `mm`, CR3 points to it and the bookkeeping names it, in state OK.
    func runs(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool
    /// The same as ``flushRange(_:_:_:on:_:)`` of the mm that the CPU runs: it flushes, with a LOCAL_MM_SHOOTDOWN record.
    mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64)
    /// With ``Machine/clearsLate``: leaves the mask of the mm that the CPU last switched away from, as all stimuli begin.
    mutating func settle(_ cpu: Int)
    /// Word `index` of mm_cpumask(mm) of a user's mm, without `cpu` itself.
    func othersWord(_ cpu: Int, _ mm: MM, _ index: Int) -> UInt64
    /// The same as ``flushOthers(_:_:_:on:_:)`` of the mm that the CPU runs, if others are in its mask, on a machine of up to 64 CPUs: it interrupts `targets`, which are those
    /// of them that are online, with a SEND_IPI record. `receivers` is what these are.
    mutating func interrupt(_ targets: UInt64, _ receivers: Receivers, _ cpu: Int, _ mm: MM, _ pages: Int64)
    /// `sender` waits for this CPU to flush the mm that it runs.
    func flushesRunning(_ cpu: Int, from sender: Int) -> Bool
    /// The same as ``deliver(_:from:on:_:)`` for such a CPU: it flushes, with a REMOTE_SHOOTDOWN record of ``pages(sentBy:)``.
    mutating func deliverToRunning(_ cpu: Int, from sender: Int)
    /// The pages of `sender`'s latest flush_tlb_others().
    func pages(sentBy sender: Int) -> Int64

    /// All other stimuli.
    mutating func applyOther(_ stimulus: Stimulus, on machine: Machine, _ effects: inout Effects)

    var counters: Counters { get set }
    /// The CPUs that `sender`'s latest flush_tlb_others() interrupted: word `index` of the mask.
    func targetWord(_ sender: Int, _ index: Int) -> UInt64
    /// Those of them that have not handled its IPI yet.
    func pendingWord(_ sender: Int, _ index: Int) -> UInt64
    /// Word `index` of mm_cpumask(mm) of a known mm.
    func maskWord(_ mm: MM, _ index: Int) -> UInt64

    /// The mm that CR3 points to.
    func loadedMM(_ cpu: Int) -> MM
    /// The mm that the scheme's own bookkeeping names: cpu_tlbstate.active_mm, or loaded_mm.
    func bookedMM(_ cpu: Int) -> MM
    func state(_ cpu: Int) -> TLBState

    /// The first broken invariant of a CPU, in words; nil if all hold.
    func brokenInvariant(_ cpu: Int) -> String?
}

extension Scheme {
    /// Does what the kernel would have done.
    ///
    /// - Parameter machine: the state that all schemes share, as it was before the stimulus.
    /// - Complexity: O(1) in tasks and mms; O(CPUs / 64) for stimuli that send IPIs.
    public mutating func apply(_ stimulus: Stimulus, on machine: Machine, _ effects: inout Effects) {
        switch stimulus {
        case .contextSwitch(let cpu, let mm): contextSwitch(cpu, mm, on: machine, &effects)
        case .flushRange(let cpu, let mm, let pages): flushRange(cpu, mm, pages, on: machine, &effects)
        case .flushOthers(let cpu, let mm, let pages): flushOthers(cpu, mm, pages, on: machine, &effects)
        case .deliver(let cpu, let sender): deliver(cpu, from: sender, on: machine, &effects)
        default: applyOther(stimulus, on: machine, &effects)
        }
    }
}

/// cpu_tlbstate.state (arch/x86/include/asm/tlbflush.h, v4.13).
public enum TLBState: UInt8, Sendable {
    /// 0: never set since the CPU came up, or reset by reset_lazy_tlbstate().
    case reset
    /// TLBSTATE_OK
    case ok
    /// TLBSTATE_LAZY
    case lazy
}

/// The flush_tlb_others() calls whose IPIs are not all handled yet: at most one per CPU, since a sender waits.
struct Shootdowns: Sendable {
    var pending: MaskTable
    var sent: MaskTable
    /// By sender.
    private let flushes: Flat<Flush>

    struct Flush: Sendable {
        var mm = MM.none
        /// One of a Xen PV guest's exiting process.
        var isXen = false
        var pages: Int64 = 0
    }

    init(cpus: Int) {
        pending = MaskTable(cpus: cpus, rows: cpus)
        sent = MaskTable(cpus: cpus, rows: cpus)
        flushes = Flat(repeating: Flush(), count: cpus)
    }

    private init(_ other: Shootdowns) { (pending, sent, flushes) = (other.pending.copy(), other.sent.copy(), other.flushes.copy()) }

    /// The latest flush of `sender`.
    @inline(__always) subscript(_ sender: Int) -> Flush { flushes[sender] }

    func copy() -> Shootdowns { Shootdowns(self) }

    /// Opens a flush of `sender` to the CPUs of `row` in `masks` that are online, but itself. Returns what those are.
    mutating func open(
        _ sender: Int, _ mm: MM, _ pages: Int64, row: Int, in masks: MaskTable, on machine: Machine, xen isXen: Bool = false
    ) -> Receivers {
        flushes[sender] = Flush(mm: mm, isXen: isXen, pages: pages)
        var receivers = Receivers()
        for index in 0..<pending.stride {
            let word = masks.word(row, index, without: sender) & machine.online.word(0, index)
            pending.setWord(sender, index, word)
            sent.setWord(sender, index, word)
            receivers.add(word, index, on: machine)
        }
        return receivers
    }

    /// The same where it is known who those are, on a machine of up to 64 CPUs.
    @inline(__always) mutating func open(_ sender: Int, _ mm: MM, _ pages: Int64, targets: UInt64) {
        flushes[sender] = Flush(mm: mm, pages: pages)
        pending.setWord(sender, 0, targets)
        sent.setWord(sender, 0, targets)
    }

    @inline(__always) mutating func take(_ cpu: Int, from sender: Int) -> Bool { pending.remove(cpu, sender) }
}

extension MaskTable {
    /// cpumask_any_but(mask, cpu) < nr_cpu_ids: a CPU other than `cpu` is in the row.
    func hasOther(than cpu: Int, _ row: Int) -> Bool {
        for index in 0..<stride where word(row, index, without: cpu) != 0 { return true }
        return false
    }

    /// Word `index` of a row, without a CPU.
    @inline(__always) func word(_ row: Int, _ index: Int, without cpu: Int) -> UInt64 {
        let bits = word(row, index)
        return index == cpu >> 6 ? bits & ~(1 &<< UInt64(cpu & 63)) : bits
    }
}
