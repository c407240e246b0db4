@testable import Reconstruction
import Testing

/// With which release each rule begins or ends: arch/x86/mm/tlb.c where nothing else is named.
struct KernelReleasesTests {
    private struct Change: Sendable {
        let last: String
        let first: String
        let rule: KeyPath<KernelRules, Bool> & Sendable
        var isSince = true
    }

    private static let changes = [
        // flush_tlb_page() becomes a flush_tlb_mm_range(); one flush_tlb_func_common() for all, in which lazy CPUs leave.
        Change(last: "4.12.14", first: "4.13.0", rule: \.flushesPageSilently, isSince: false), Change(last: "4.12.14", first: "4.13.0", rule: \.batchLeavesLazy),
        // tlb_gen: a CPU catches up with all that it has missed. PCID.
        Change(last: "4.13.16", first: "4.14.0", rule: \.hasExactAnswers, isSince: false), Change(last: "4.13.16", first: "4.14.0", rule: \.mayLeaveAtOnce),
        // Lazy CPUs again, which nobody interrupts unless page tables are freed; on_each_cpu_cond_mask() takes the sender along.
        Change(last: "4.19.300", first: "4.20.0", rule: \.mayLeaveAtOnce, isSince: false), Change(last: "4.19.300", first: "4.20.0", rule: \.reloadsStale),
        Change(last: "4.19.300", first: "4.20.0", rule: \.sparesLazy), Change(last: "4.19.300", first: "4.20.0", rule: \.repeatsOwnHalf),
        // efi_mm, arch/x86/platform/efi/efi_64.c (03781e40890c).
        Change(last: "4.16.18", first: "4.17.0", rule: \.usesTemporaryMM),
        // send_call_function_single_ipi(), kernel/smp.c.
        Change(last: "5.7.19", first: "5.8.0", rule: \.answersInIdle),
        // The local half while the others flush.
        Change(last: "5.12.19", first: "5.13.0", rule: \.sendsFirst), Change(last: "5.12.19", first: "5.13.0", rule: \.repeatsOwnHalf, isSince: false),
        // A flush whose generation has been reached is left out.
        Change(last: "5.19.17", first: "6.0.0", rule: \.skipsDoneFlushes),
        // mm_cpumask() is cleared late, by those who answer in vain.
        Change(last: "6.13.12", first: "6.14.0", rule: \.clearsMaskLate),
        // mm_needs_global_asid(), arch/x86/mm/tlb.c (INVLPGB).
        Change(last: "6.14.11", first: "6.15.0", rule: \.hasGlobalASIDs),
        // trace_sched_process_exit() moves, kernel/exit.c (3e816361e94a).
        Change(last: "6.15.11", first: "6.16.0", rule: \.exitsBeforeMM),
    ]

    @Test func `each rule begins, or ends, with its release`() {
        for change in Self.changes {
            #expect(KernelRules(release: change.last)[keyPath: change.rule] != change.isSince, "\(change)")
            #expect(KernelRules(release: change.first)[keyPath: change.rule] == change.isSince, "\(change)")
        }
    }

    /// sched_switch tells the bits of TASK_REPORT only: neither TASK_DEAD (0x40) nor TASK_WAKEKILL (0x80).
    @Test func `the bits of prev_state are others since 4.14`() {
        let (old, new) = (KernelRules(release: "4.13.16"), KernelRules(release: "4.14.0"))
        #expect((old.deadStates, old.killableState) == (0x70, 0x82))
        #expect((new.deadStates, new.killableState) == (0x30, 0x02))
    }
}
