import LazyTLB
import TraceData
import Reconstruction

/// What the recorded kernel leaves out of its records, as far as a reader should know.
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
        if version >= KernelVersion(6, 15) {
            notes.append(
                "From v6.15 on a kernel may flush by broadcast (INVLPGB), without IPIs and without a SEND_IPI record: what it flushed so is in no scheme's counters.")
        }
        return notes
    }

    /// Probe events tell of every flush.
    private var isExact: Bool { history.evidence.kind == .probes }
}
