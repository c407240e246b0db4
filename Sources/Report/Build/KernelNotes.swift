import LazyTLB
import Reconstruction
import TraceData

/// What the recorded kernel leaves out of its records, or means by them, as far as a reader should know.
extension ReportBuilder {
    func kernelNotes() -> [String] {
        // A scheme that the user names tells how records are read, whatever the trace says.
        guard let release = context.kernel.candidates.first ?? context.kernel.release, let version = KernelVersion(release: release) else {
            return [
                "The trace names no kernel. Its records are read as those of v4.14 to v4.19 without PCID; before and since they mean other things. --kernel VERSION tells."
            ]
        }
        var notes: [String] = []
        if KernelRules(release: release).flushesPageSilently, !isExact {
            notes.append(
                "This kernel's flush_tlb_page() writes no record where no other CPU has the mm: local flushes, nr_tlb_local_flush_one and noop-local-flush are lower bounds.")
        }
        if version < KernelVersion(4, 9) {
            notes.append("What the records of kernels before v4.9 mean is not known here: they are read as those of v4.12, and no scheme is known to be this kernel's.")
        }
        if version >= KernelVersion(4, 20) {
            notes.append(
                "Since v4.20 SEND_IPI is recorded before lazy CPUs are left out" + (version >= KernelVersion(6, 14) ? ", since v6.14 for CPUs that have long left the mm, too" : "")
                    + ": recorded sends and answers are not to be compared with a scheme's IPIs.")
        }
        notes += pcidNotes(version) + foreignNotes(version)
        if version >= KernelVersion(6, 15) {
            notes.append(
                "From v6.15 on a kernel may flush by broadcast (INVLPGB), without IPIs and without a SEND_IPI record: what it flushed so is in no scheme's counters.")
        }
        return notes
    }

    /// Switches that flush nothing: only with PCID.
    private func pcidNotes(_ version: KernelVersion) -> [String] {
        guard version >= KernelVersion(4, 14), switchesWithoutFlush > 0 else { return [] }
        if version < KernelVersion(4, 20) {
            return [
                "With PCID this kernel keeps no CPU lazy, and what would make one leave its mm (a deep idle state, the end of the mm) has no record: IPI targets of the older schemes are upper bounds, stale-active-mm is a lower one."
            ]
        }
        return isExact ? [] : ["The machine has PCID. How near inferred mms come to the true ones was measured on machines without."]
    }

    /// What a kernel of that version cannot record: it has other TLB code than its release says, or somebody else flushes for it.
    private func foreignNotes(_ version: KernelVersion) -> [String] {
        var notes: [String] = []
        func cannot(_ records: Int, _ what: String, since: String) {
            notes.append(
                "\(count(records, "record")) \(what), which no kernel before \(since) writes: this one has other TLB code than its release says (a vendor's, or changes taken back). Its records are read as its release says; --kernel tells otherwise.")
        }
        if version < KernelVersion(4, 14), switchesWithoutFlush > 0 { cannot(switchesWithoutFlush, "of TLB_FLUSH_ON_TASK_SWITCH with 0 pages", since: "v4.14") }
        let wrong = replay.recorded.count(reason: Int32(FlushReason.remoteWrongCPU.rawValue))
        if version < KernelVersion(6, 14), wrong > 0 { cannot(wrong, "of TLB_REMOTE_WRONG_CPU", since: "v6.14") }
        let targets = replay.v413.scheme.counters.ipiTargets
        if replay.recorded.count(reason: Int32(FlushReason.remoteSendIPI.rawValue)) == 0, targets > Self.fewTargets {
            notes.append(
                "No TLB_REMOTE_SEND_IPI is recorded, though flushes have \(grouped(targets)) other CPUs to reach under \(V413.id): a hypervisor flushes for this kernel (Xen, Hyper-V), or flushes are broadcast.")
        }
        return notes
    }

    private var switchesWithoutFlush: Int { replay.recorded.count(reason: Int32(FlushReason.taskSwitch.rawValue), pages: 0) }

    /// So many may come from a CPU that is not known well.
    private static let fewTargets = 20

    /// Probe events tell of every flush.
    private var isExact: Bool { history.evidence.kind == .probes }
}
