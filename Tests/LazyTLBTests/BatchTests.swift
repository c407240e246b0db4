import LazyTLB
import Testing

/// try_to_unmap_flush() of v4.12, arch_tlbbatch_flush() since.
struct BatchTests {
    @Test(arguments: all) func `a CPU of the batch flushes everything, with reason LOCAL_SHOOTDOWN`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        rig.setBatch(0, a)
        let effects = rig.apply(.batchLocal(cpu: 0))
        #expect(effects.records == [FlushRecord(reason: .localShootdown, pages: everything)])
        #expect(rig.counters.vmstat.localFlushAll == 1)
    }

    @Test(arguments: all) func `a CPU outside of the batch flushes nothing of its own`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, b))
        rig.setBatch(0, b)
        #expect(!rig.apply(.batchLocal(cpu: 0)).flushed)
        #expect(rig.apply(.batchOthers(cpu: 0)).records == [FlushRecord(reason: .remoteSendIPI, pages: everything)])
        #expect(rig.targets(0) == [1])
    }

    @Test(arguments: all) func `the batch's mask is the union of its mms' masks and what else was recorded`(id: String) {
        var rig = Rig(id, cpus: 5)
        rig.apply(.user(0, a), .user(1, a), .user(2, b), .user(3, MM(3)))
        rig.setBatch(0, a, b, others: [4])
        rig.apply(.batchLocal(cpu: 0), .batchOthers(cpu: 0))
        #expect(rig.targets(0) == [1, 2, 4])
    }

    @Test func `v4.12 flushes even when lazy, and stays in the mask of the mm it borrows`() {
        var rig = Rig(V412.id)
        rig.apply(.user(0, a), .kernel(0))
        rig.setBatch(0, a)
        let effects = rig.apply(.batchLocal(cpu: 0))
        #expect(effects.flushed)
        #expect(!effects.left)
        #expect(effects.records == [FlushRecord(reason: .localShootdown, pages: everything)])
        #expect(rig.mask(a) == [0])
        #expect(rig.scheme.loadedMM(0) == a)
    }

    @Test(arguments: merged) func `later kernels leave instead`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0))
        rig.setBatch(0, a)
        let effects = rig.apply(.batchLocal(cpu: 0))
        #expect(!effects.flushed)
        #expect(effects.left)
        #expect(effects.records == [.cr3Load])
        #expect(rig.mask(a) == [])
        #expect(rig.counters.vmstat.localFlushAll == 0)
    }

    @Test func `so v4.12 is interrupted for the next flush of that mm, and v4.13 is not`() {
        var targets: [String: [Int]] = [:]
        for id in all {
            var rig = Rig(id)
            rig.apply(.user(0, a), .kernel(0), .user(1, a))
            rig.setBatch(0, a)
            rig.apply(.batchLocal(cpu: 0))
            targets[id] = rig.flush(1, a)
        }
        #expect(targets == [V412.id: [0], V413Parent.id: [], V413.id: []])
    }

    @Test(arguments: all) func `every receiver of a batch counts it, whatever it has loaded`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, b))
        rig.setBatch(0, a, others: [1])
        rig.apply(.batchLocal(cpu: 0), .batchOthers(cpu: 0))
        let effects = rig.apply(.deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .flushed)
        #expect(effects.records == [FlushRecord(reason: .remoteShootdown, pages: everything)])
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
    }

    /// CPU 1 has left `a`; CPU 0's batch, which was begun before, interrupts it.
    private func batchAfterLeave(_ id: String, _ between: Stimulus...) -> Rig {
        var rig = Rig(id)
        rig.apply(.user(1, a), .kernel(1), .idleLeave(cpu: 1), .user(0, b))
        for stimulus in between { rig.apply(stimulus) }
        rig.setBatch(0, b, others: [1])
        rig.apply(.batchLocal(cpu: 0), .batchOthers(cpu: 0), .deliver(cpu: 1, from: 0))
        return rig
    }

    @Test(arguments: old) func `a batch's IPI in the third state is counted and does nothing, and blames no mm`(id: String) {
        let rig = batchAfterLeave(id)
        #expect(rig.effects.delivery == .ignored)
        #expect(rig.effects.records.isEmpty)
        #expect(!rig.effects.staleLeave)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
    }

    @Test func `the reworked scheme, in state OK after leave_mm(), flushes for it`() {
        let rig = batchAfterLeave(V413.id)
        #expect(rig.effects.delivery == .flushed)
        #expect(rig.effects.records == [FlushRecord(reason: .remoteShootdown, pages: everything)])
    }

    @Test func `but not after the next enter_lazy_tlb()`() {
        let rig = batchAfterLeave(V413.id, .kernel(1))
        #expect(rig.effects.delivery == .ignored)
        #expect(rig.effects.records.isEmpty)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
    }
}
