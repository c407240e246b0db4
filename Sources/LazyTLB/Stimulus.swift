/// Something that happened to the machine, independent of how any scheme reacts to it.
///
/// CPUs are indices from 0. Pages are 4 KiB pages of the flushed range, ``flushAll`` for everything. A flush has two halves, because
/// a recording often fixes the moment of each: the local one, and ``flushOthers(cpu:mm:pages:)`` or
/// ``batchOthers(cpu:)``, in which a scheme may send IPIs. Those are answered one by one by ``deliver(cpu:from:)``.
public enum Stimulus: Equatable, Sendable {
    /// context_switch() to a task with `mm` (``MM/none`` for a kernel thread, ``MM/unknown`` where the trace does not tell).
    case contextSwitch(cpu: Int, mm: MM)
    /// exec_mmap(): the current task gets the new `mm` and activate_mm() switches to it.
    case exec(cpu: Int, mm: MM)
    /// exit_mm(): the current task gives up its mm; enter_lazy_tlb().
    case exitMM(cpu: Int)
    /// use_mm() by a kernel thread (kthread_use_mm() since v5.8).
    case useMM(cpu: Int, mm: MM)
    /// unuse_mm(): the task's mm is none again; enter_lazy_tlb(); active_mm stays.
    case unuseMM(cpu: Int)
    /// leave_mm() by an idle driver before a deep C-state.
    case idleLeave(cpu: Int)
    /// The local half of flush_tlb_mm_range().
    case flushRange(cpu: Int, mm: MM, pages: Int64)
    /// The local half of v4.12's flush_tlb_page(); later kernels call flush_tlb_mm_range() for one page.
    case flushPage(cpu: Int, mm: MM)
    /// The remote half of a flush of one mm: flush_tlb_others() if another CPU is in mm_cpumask().
    case flushOthers(cpu: Int, mm: MM, pages: Int64)
    /// The local half of a batched unmap flush (try_to_unmap_flush()), if this CPU is in the batch: see ``Batch``.
    case batchLocal(cpu: Int)
    /// The remote half of a batched unmap flush.
    case batchOthers(cpu: Int)
    /// The IPI of CPU `from`'s outstanding flush is handled on this CPU. No effect in a scheme that sent it none.
    case deliver(cpu: Int, from: Int)
    /// flush_tlb_all() (`kernelRange` false), or flush_tlb_kernel_range() above the ceiling (true), begins on this CPU.
    case flushAll(cpu: Int, kernelRange: Bool)
    /// do_flush_tlb_all() runs on this CPU.
    case doFlushAll(cpu: Int)
    /// A Xen PV guest's xen_exit_mmap(mm) on this CPU; its IPIs are answered by ``deliver(cpu:from:)``. Nothing that is recorded shows one: for histories that are made up.
    case xenExitMmap(cpu: Int, mm: MM)
    /// The CPU is marked offline (take_cpu_down()): nobody sends it IPIs any more; idle_task_exit() is still to come.
    case offline(cpu: Int)
    /// With ``Machine/clearsLate``: the CPU leaves the mask of the mm that it last switched away from.
    case settled(cpu: Int)
    /// The CPU goes down: idle_task_exit() and reset_lazy_tlbstate() on its idle task.
    case cpuDown(cpu: Int)
    /// The CPU comes up: current is its idle task, active_mm and CR3 are init_mm.
    case cpuUp(cpu: Int)
    /// Nothing is known of this CPU from here on (lost events, records left out) until it switches to a known mm.
    case forget(cpu: Int)
    /// The recording shows what an unknown CPU has loaded. `mask` tells whether the CPU is in mm_cpumask(mm).
    case observe(cpu: Int, mm: MM, lazy: Bool, mask: Bool)

    /// The CPU on which it happens.
    @inlinable public var cpu: Int {
        @inline(__always) get {
            switch self {
            case .contextSwitch(let cpu, _), .exec(let cpu, _), .exitMM(let cpu), .useMM(let cpu, _), .unuseMM(let cpu), .idleLeave(let cpu),
                .flushRange(let cpu, _, _), .flushPage(let cpu, _), .flushOthers(let cpu, _, _), .batchLocal(let cpu), .batchOthers(let cpu),
                .deliver(let cpu, _), .flushAll(let cpu, _), .doFlushAll(let cpu), .xenExitMmap(let cpu, _), .cpuDown(let cpu), .cpuUp(let cpu),
                .offline(let cpu), .settled(let cpu), .forget(let cpu), .observe(let cpu, _, _, _):
                return cpu
            }
        }
    }

    /// Pages of a flush of everything (TLB_FLUSH_ALL); the tracepoint prints -1.
    public static let flushAll: Int64 = -1
}

/// Which CPUs a batched unmap flush concerns, as far as the machine goes and no scheme does.
///
/// The kernel's batch mask is the union of mm_cpumask() of the mms at the time of each unmap. Masks differ between schemes, mms do
/// not: so a batch is the mms it is made of, and the CPUs that were in the recorded mask for a reason that no mm explains.
public struct Batch: Sendable {
    /// The mms whose pages the batch unmapped.
    public var mms: [MM] = []
    /// CPUs in the recorded mask that no mm of ``mms`` explains (they moved on since the unmap, or the mm is not known).
    public var others: MaskTable

    public init(cpus: Int) { others = MaskTable(cpus: cpus, rows: 1) }
}
