import LazyTLB
import TraceData

/// What the tlb_flush records of a kernel generation mean: the one table of it.
///
/// Read from arch/x86/mm/tlb.c of each generation, and checked against recordings of v4.12, v4.13, v5.10, v6.1, v6.12, v6.18 and v7.3 (docs/inference.md says which rule by which).
public struct KernelRules: Sendable {
    /// A switch back from a kernel thread may flush without a change of mm (v4.20 and later): a TASK_SWITCH record after a lazy CPU's
    /// switch proves no difference, unless it flushes nothing (PCID).
    public var reloadsStale = false
    /// A switch to a kernel thread loads init_mm at once (v4.14 to v4.19 with PCID). Whether the CPU has PCID shows in the records.
    public var mayLeaveAtOnce = false
    /// SEND_IPI comes before the sender's own half (v5.13 and later), not behind it: LOCAL_MM_SHOOTDOWN, LOCAL_SHOOTDOWN, or the
    /// TASK_SWITCH of a lazy sender.
    public var sendsFirst = false
    /// A lazy CPU is interrupted only if page tables are freed (v4.20 and later): that it does not answer says nothing.
    public var sparesLazy = false
    /// A CPU stays in mm_cpumask() of the mms that it switched away from, and answers their flushes with REMOTE_WRONG_CPU (v6.14 and
    /// later): a SEND_IPI says nothing of who has the mm loaded.
    public var clearsMaskLate = false
    /// An mm may get an ASID that all CPUs share, which each of them takes over with a TASK_SWITCH record of 0 pages (v6.15 and later).
    public var hasGlobalASIDs = false
    /// sched_process_exit comes before exit_mm() (v6.16 and later, 3e816361e94a), not behind it.
    public var exitsBeforeMM = false
    /// A CPU that another flush has brought up to date leaves no record, not even the sender (v6.0 and later).
    public var skipsDoneFlushes = false
    /// flush_tlb_page() invalidates its own CPU without a record (up to v4.12).
    public var flushesPageSilently = false
    /// An mm is borrowed for a moment: two TASK_SWITCH records, to it and back, with nothing in between. EFI services have one (v4.17 and later, efi_mm, 03781e40890c), and text is
    /// patched through one (v5.2 and later, poking_mm).
    public var usesTemporaryMM = false
    /// An idle CPU that polls is not interrupted, but runs what it is sent on its way out of the idle loop (v5.8 and later): in task context.
    public var answersInIdle = false
    /// The sender runs the handler of a flush of its own, too, behind its local half (v4.20 to v5.12): REMOTE_SHOOTDOWN in task context, which answers nobody.
    public var repeatsOwnHalf = false
    /// A batched flush makes a lazy CPU leave (TASK_SWITCH) instead of flushing (LOCAL_SHOOTDOWN): ce4a4e565f52, so v4.13 and later.
    public var batchLeavesLazy = false
    /// An answer flushes as many pages as its sender asked for (up to v4.13): later ones may catch up with several flushes at once.
    public var hasExactAnswers = false
    /// Bits of sched_switch's prev_state that mean that the task is dead: TASK_DEAD up to v4.13, EXIT_DEAD and EXIT_ZOMBIE since.
    public var deadStates: UInt64 = 0x30
    /// Bits of sched_switch's prev_state of a task in TASK_KILLABLE: with TASK_WAKEKILL up to v4.13, without since.
    public var killableState: UInt64 = 0x02

    /// - Parameter release: nil, or one that is none, for the rules that most kernels since share: those of v4.14 to v4.19 without PCID.
    public init(release: String?) {
        let named = KernelVersion(release: release)
        let version = named ?? KernelVersion(4, 14)
        if version < KernelVersion(4, 14) { (deadStates, killableState) = (0x70, 0x82) }
        hasExactAnswers = version < KernelVersion(4, 14)
        batchLeavesLazy = version >= KernelVersion(4, 13)
        flushesPageSilently = version < KernelVersion(4, 13)
        mayLeaveAtOnce = named != nil && version >= KernelVersion(4, 14) && version < KernelVersion(4, 20)
        reloadsStale = version >= KernelVersion(4, 20)
        sparesLazy = reloadsStale
        sendsFirst = version >= KernelVersion(5, 13)
        repeatsOwnHalf = version.repeatsOwnHalf
        usesTemporaryMM = version >= KernelVersion(4, 17)
        answersInIdle = version >= KernelVersion(5, 8)
        skipsDoneFlushes = version >= KernelVersion(6, 0)
        clearsMaskLate = version >= KernelVersion(6, 14)
        hasGlobalASIDs = version >= KernelVersion(6, 15)
        exitsBeforeMM = version >= KernelVersion(6, 16)
    }

    /// The rules of a recording's kernel.
    ///
    /// - Parameter kernel: its release where the file does not tell, or tells wrong.
    init(_ file: TraceFile, kernel: String?) {
        self.init(release: kernel ?? file.kernelRelease)
        // The field came with the change, which a kernel may have whatever its release says.
        if file.formats.event(named: "sched_process_exit")?.field("group_dead") != nil { exitsBeforeMM = true }
    }

    /// A tlb_flush record of the sender's own, which is no answer to it (``repeatsOwnHalf``).
    @inline(__always) func isRepeated(_ record: Held) -> Bool { repeatsOwnHalf && record.reason == TLBReason.remoteShootdown && !record.inHardIRQ && record.pid > 0 }

    /// The pages that an older kernel would be asked to flush, which takes them one by one up to its ceiling of 33 (tlb_single_page_flush_ceiling).
    ///
    /// From v4.20 on SEND_IPI counts small pages where the range has large ones, of which the ceiling is so many; the local half counts large ones, so that less than one is none.
    @inline(__always) func asked(_ pages: Int64) -> Int64 { !reloadsStale ? pages : pages > 33 ? Stimulus.flushAll : pages == 0 ? 1 : pages }
}

extension KernelRules {
    /// A task's SEND_IPI record and the TASK_SWITCH, LOCAL or LOCAL_MM_SHOOTDOWN beside it lie no further apart if they are of one flush, ns: preemption is off between them. In 45,000
    /// flushes of emulated kernels, probes in between, it was 9.5 ms at most.
    private static var farthestHalf: UInt64 { 20_000_000 }

    @inline(__always) func areSoon(_ first: Held, _ second: Held) -> Bool { second.time &- first.time <= Self.farthestHalf }

    /// The record may be the sender's own half of the flush that its SEND_IPI record tells of, whichever comes first.
    func isHalf(_ local: Held, of send: Held) -> Bool {
        guard local.reason == TLBReason.localMMShootdown, sendsFirst ? areSoon(send, local) : areSoon(local, send) else { return false }
        if hasExactAnswers { return local.pages == send.pages }
        // It may be behind other flushes of the mm, and flush all; or have nothing left to do.
        if local.pages == Stimulus.flushAll || local.pages == 0 && (send.pages != Stimulus.flushAll || !sendsFirst) { return true }
        // SEND_IPI counts small pages, and the half larger ones, where the mm has those.
        return send.pages != Stimulus.flushAll && local.pages <= send.pages
    }
}
