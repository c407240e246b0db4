import LazyTLB
import Testing

/// xen_exit_mmap(): pinned page tables must be out of every CR3 before they are unpinned.
struct XenTests {
    @Test(arguments: all) func `the exiting task's CPU leaves the mm`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .exitMM(cpu: 0), .xenExitMmap(cpu: 0, mm: a))
        #expect(effects.left)
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.mask(a) == [])
    }

    @Test(arguments: all) func `lazy CPUs leave it when they are interrupted, without a SEND_IPI record`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(1, a), .kernel(1), .user(2, b), .user(0, b), .xenExitMmap(cpu: 0, mm: a))
        #expect(effects.records.isEmpty)
        #expect(rig.targets(0) == [1])
        #expect(rig.apply(.deliver(cpu: 1, from: 0)).delivery == .left)
        #expect(rig.scheme.loadedMM(1) == .initMM)
        #expect(rig.counters.vmstat.remoteFlush == 0)
        #expect(rig.counters.vmstat.remoteFlushReceived == 0)
    }

    @Test(arguments: old) func `a task that still has the mm gets init_mm in CR3, while bookkeeping and mask stay`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .xenExitMmap(cpu: 0, mm: a))
        #expect(effects.records.isEmpty)
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.scheme.bookedMM(0) == a)
        #expect(rig.mask(a) == [0])
        #expect(rig.scheme.brokenInvariant(0) == nil)
    }

    @Test(arguments: old) func `so does another CPU that runs it`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, b), .user(1, a), .xenExitMmap(cpu: 0, mm: a), .deliver(cpu: 1, from: 0))
        #expect(rig.scheme.loadedMM(1) == .initMM)
        #expect(rig.mask(a) == [1])
        #expect(rig.scheme.brokenInvariant(1) == nil)
    }

    @Test func `the reworked scheme asks leave_mm(), which is a BUG for a task that still has the mm`() {
        var rig = Rig(V413.id)
        let effects = rig.apply(.user(0, a), .xenExitMmap(cpu: 0, mm: a))
        #expect(effects.warnings == .leaveWhileOK)
    }

    @Test(arguments: all) func `an mm that is not known concerns no CPU`(id: String) {
        var rig = Rig(unknown: id)
        let effects = rig.apply(.xenExitMmap(cpu: 0, mm: .unknown))
        #expect(!effects.sent)
        #expect(rig.scheme.loadedMM(0) == .unknown)
    }

    /// xen_drop_mm_ref(), arch/x86/xen/mmu_pv.c: the mask is made anew of mm_cpumask(mm).
    @Test(arguments: all) func `an exiting process interrupts for its own mm only, whichever the CPU has seen exit before`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(1, a), .kernel(1), .user(0, b), .xenExitMmap(cpu: 0, mm: a), .deliver(cpu: 1, from: 0))
        #expect(!rig.apply(.xenExitMmap(cpu: 0, mm: MM(3))).sent)
    }
}
