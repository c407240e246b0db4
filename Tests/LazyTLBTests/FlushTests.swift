import LazyTLB
import Testing

/// flush_tlb_mm_range(), flush_tlb_page(), flush_tlb_others().
struct FlushTests {
    @Test(arguments: all) func `a flush of the own mm writes one record with its pages`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.flushRange(cpu: 0, mm: a, pages: 7))
        #expect(effects.flushed)
        #expect(effects.records == [FlushRecord(reason: .localMMShootdown, pages: 7)])
        #expect(rig.counters.localFlushes == 1)
        #expect(rig.counters.vmstat.localFlushOne == 7)
        #expect(rig.counters.vmstat.localFlushAll == 0)
    }

    @Test(arguments: all) func `a full flush counts once, as a flush of all, and prints -1 pages`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.flushRange(cpu: 0, mm: a, pages: everything))
        #expect(effects.records == [FlushRecord(reason: .localMMShootdown, pages: -1)])
        #expect(rig.counters.vmstat.localFlushOne == 0)
        #expect(rig.counters.vmstat.localFlushAll == 1)
    }

    @Test(arguments: all) func `no number of pages that a damaged trace may hold stops the model`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        for pages in [Int64.max, .max, .min, -2, 0] { rig.apply(.flushRange(cpu: 0, mm: a, pages: pages)) }
        #expect(rig.counters.localFlushes == 5)
    }

    @Test(arguments: all) func `a flush of a foreign mm does nothing here`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, b))
        let effects = rig.apply(.flushRange(cpu: 0, mm: b, pages: 1))
        #expect(!effects.flushed)
        #expect(effects.records.isEmpty)
        #expect(rig.apply(.flushOthers(cpu: 0, mm: b, pages: 1)).records == [FlushRecord(reason: .remoteSendIPI, pages: 1)])
        #expect(rig.targets(0) == [1])
    }

    @Test(arguments: all) func `a kernel thread that flushes the mm it borrows leaves it`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0))
        let effects = rig.apply(.flushRange(cpu: 0, mm: a, pages: 1))
        #expect(effects.left)
        #expect(!effects.flushed)
        #expect(effects.records == [.cr3Load])
        #expect(rig.counters.vmstat.localFlushOne == 0)
    }

    @Test(arguments: all) func `a kernel thread under use_mm() flushes like a user task`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.useMM(cpu: 0, mm: a), .flushRange(cpu: 0, mm: a, pages: 2))
        #expect(effects.records == [FlushRecord(reason: .localMMShootdown, pages: 2)])
    }

    @Test(arguments: old) func `the old scheme flushes for the mm that a stale active_mm names, to no effect`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .flushRange(cpu: 0, mm: a, pages: 1))
        #expect(effects.staleLeave)
        #expect(effects.records.isEmpty)
    }

    @Test func `the reworked scheme knows that the mm is not loaded`() {
        var rig = Rig(V413.id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .flushRange(cpu: 0, mm: a, pages: 1))
        #expect(!effects.staleLeave)
        #expect(!effects.flushed)
        #expect(effects.records.isEmpty)
    }

    @Test func `flush_tlb_page() of v4.12 counts one page and writes no record`() {
        var rig = Rig(V412.id)
        let effects = rig.apply(.user(0, a), .flushPage(cpu: 0, mm: a))
        #expect(effects.flushed)
        #expect(effects.records.isEmpty)
        #expect(rig.counters.vmstat.localFlushOne == 1)
    }

    @Test(arguments: merged) func `later a flush of one page is a range flush with its record`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .flushPage(cpu: 0, mm: a))
        #expect(effects.records == [FlushRecord(reason: .localMMShootdown, pages: 1)])
        #expect(rig.counters.vmstat.localFlushOne == 1)
    }

    @Test(arguments: all) func `flush_tlb_page() by a kernel thread leaves the mm it borrows`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .flushPage(cpu: 0, mm: a))
        #expect(effects.left)
        #expect(effects.records == [.cr3Load])
    }

    @Test(arguments: all) func `a mask without other CPUs sends nothing`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .flushOthers(cpu: 0, mm: a, pages: 1))
        #expect(!effects.sent)
        #expect(effects.records.isEmpty)
        #expect(rig.counters.ipiSends == 0)
        #expect(rig.counters.vmstat.remoteFlush == 0)
    }

    @Test(arguments: all) func `flush_tlb_others() writes one record and interrupts every CPU of the mask but the sender`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .user(2, b), .user(3, a))
        let effects = rig.apply(.flushOthers(cpu: 0, mm: a, pages: everything))
        #expect(effects.records == [FlushRecord(reason: .remoteSendIPI, pages: everything)])
        #expect(rig.targets(0) == [1, 3])
        #expect(rig.counters.ipiSends == 1)
        #expect(rig.counters.ipiTargets == 2)
        #expect(rig.counters.vmstat.remoteFlush == 1)
    }

    @Test(arguments: all) func `a CPU that is marked offline counts for the send, but is not interrupted`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .kernel(1), .offline(cpu: 1))
        #expect(rig.apply(.flushOthers(cpu: 0, mm: a, pages: 1)).sent)
        #expect(rig.targets(0) == [])
        #expect(rig.counters.vmstat.remoteFlush == 1)
        #expect(rig.counters.ipiTargets == 0)
    }

    @Test(arguments: all) func `flush_tlb_all() counts once, and every CPU that runs it counts as a receiver`(id: String) {
        var rig = Rig(id, cpus: 2)
        rig.apply(.user(0, a), .user(1, a), .flushAll(cpu: 0, kernelRange: false))
        #expect(rig.effects.records.isEmpty)
        let effects = rig.apply(.doFlushAll(cpu: 0), .doFlushAll(cpu: 1))
        #expect(effects.flushed)
        #expect(effects.records.isEmpty)
        #expect(rig.counters.vmstat.remoteFlush == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 2)
    }

    @Test(arguments: all) func `a large kernel-range flush counts no remote flush`(id: String) {
        var rig = Rig(id)
        rig.apply(.flushAll(cpu: 0, kernelRange: true), .doFlushAll(cpu: 0))
        #expect(rig.counters.vmstat.remoteFlush == 0)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
    }

    @Test(arguments: all) func `a lazy CPU that flushes everything leaves as well`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .doFlushAll(cpu: 0))
        #expect(effects.left)
        #expect(effects.records == [.cr3Load])
    }

    /// do_flush_tlb_all() asks for TLBSTATE_LAZY; a CPU that has come up and has run kernel threads only is in state 0.
    @Test(arguments: all) func `a full flush makes no CPU leave whose state was never set`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .cpuDown(cpu: 0), .cpuUp(cpu: 0), .kernel(0))
        let effects = rig.apply(.doFlushAll(cpu: 0))
        #expect(effects.flushed && !effects.left && effects.records.isEmpty)
        #expect(rig.mask(.initMM) == [0])
    }
}
