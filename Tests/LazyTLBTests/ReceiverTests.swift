import LazyTLB
import Testing

/// The handler of a flush IPI: flush_tlb_func(), flush_tlb_func_remote().
struct ReceiverTests {
    /// CPU 0 has sent CPU 1 an IPI for `a`.
    private func sent(_ id: String, pages: Int64 = 3) -> Rig {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .flushOthers(cpu: 0, mm: a, pages: pages))
        return rig
    }

    @Test(arguments: all) func `a receiver that runs the mm flushes`(id: String) {
        var rig = sent(id)
        let effects = rig.apply(.deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .flushed)
        #expect(effects.records == [FlushRecord(reason: .remoteShootdown, pages: 3)])
        #expect(rig.counters.ipiFlushed == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
        #expect(rig.counters.vmstat.localFlushOne == 0)
        #expect(rig.mask(a) == [0, 1])
    }

    @Test(arguments: all) func `a receiver that borrows the mm leaves it`(id: String) {
        var rig = sent(id)
        let effects = rig.apply(.kernel(1), .deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .left)
        #expect(effects.records == [.cr3Load])
        #expect(rig.counters.ipiLeft == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
        #expect(rig.mask(a) == [0])
    }

    @Test(arguments: all) func `a receiver that has moved on to another mm ignores the IPI and does not count it`(id: String) {
        var rig = sent(id)
        let effects = rig.apply(.user(1, b), .deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .ignored)
        #expect(effects.records.isEmpty)
        #expect(rig.counters.ipiIgnored == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 0)
    }

    @Test(arguments: old) func `noop-ipi: in the third state the old scheme counts the IPI and does nothing`(id: String) {
        var rig = sent(id)
        let effects = rig.apply(.kernel(1), .idleLeave(cpu: 1), .deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .ignored)
        #expect(effects.staleLeave)
        #expect(effects.records.isEmpty)
        #expect(rig.counters.ipiIgnored == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 1)
    }

    @Test func `there the reworked scheme does not count it`() {
        var rig = sent(V413.id)
        let effects = rig.apply(.kernel(1), .idleLeave(cpu: 1), .deliver(cpu: 1, from: 0))
        #expect(effects.delivery == .ignored)
        #expect(!effects.staleLeave)
        #expect(rig.counters.ipiIgnored == 1)
        #expect(rig.counters.vmstat.remoteFlushReceived == 0)
    }

    @Test(arguments: all) func `an IPI is handled once, and by targets only`(id: String) {
        var rig = sent(id)
        rig.apply(.deliver(cpu: 1, from: 0))
        #expect(rig.apply(.deliver(cpu: 1, from: 0)).delivery == .notTarget)
        #expect(rig.apply(.deliver(cpu: 2, from: 0)).delivery == .notTarget)
        #expect(rig.counters.ipiFlushed == 1)
        #expect(rig.pending(0) == [])
    }

    @Test(arguments: all) func `of two senders, each reaches the CPU`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .user(2, a), .kernel(2))
        rig.apply(.flushOthers(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 1, mm: a, pages: 2))
        #expect(rig.pending(0) == [1, 2])
        #expect(rig.pending(1) == [0, 2])
        #expect(rig.apply(.deliver(cpu: 2, from: 1)).delivery == .left)
        #expect(rig.apply(.deliver(cpu: 2, from: 0)).delivery == .ignored)
        #expect(rig.pending(0) == [1])
    }
}
