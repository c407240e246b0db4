import LazyTLB
import Testing

/// idle_task_exit(), reset_lazy_tlbstate(), and a CPU coming up.
struct HotplugTests {
    @Test(arguments: all) func `a CPU going down loads init_mm if its idle task borrows a user mm`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .offline(cpu: 0))
        let effects = rig.apply(.cpuDown(cpu: 0))
        #expect(effects.cr3Load)
        #expect(!effects.redundantLoad)
        #expect(rig.scheme.state(0) == .reset)
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.scheme.bookedMM(0) == .initMM)
        #expect(rig.mask(a) == [])
        #expect(rig.counters.cr3Loads == 2)
    }

    @Test(arguments: all) func `a CPU whose idle task has init_mm already goes down without a CR3 load`(id: String) {
        var rig = Rig(id)
        #expect(!rig.apply(.kernel(0), .cpuDown(cpu: 0)).cr3Load)
    }

    @Test(arguments: old) func `after leave_mm() the old scheme loads init_mm again: a redundant CR3 load`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .cpuDown(cpu: 0))
        #expect(effects.cr3Load)
        #expect(effects.redundantLoad)
        #expect(rig.counters.cr3Loads == 3)
    }

    @Test func `the reworked scheme knows that it need not`() {
        var rig = Rig(V413.id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .cpuDown(cpu: 0))
        #expect(!effects.cr3Load)
        #expect(effects.warnings.isEmpty)
        #expect(rig.counters.cr3Loads == 2)
    }

    @Test(arguments: all) func `a CPU that comes up is interrupted again`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .offline(cpu: 0), .cpuDown(cpu: 0), .cpuUp(cpu: 0))
        rig.apply(.user(0, a), .user(1, a))
        #expect(rig.flush(1, a) == [0])
    }

    @Test(arguments: all) func `a CPU whose records are lost while it is off is interrupted again once it runs`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .offline(cpu: 0), .cpuDown(cpu: 0), .forget(cpu: 0))
        rig.apply(.user(0, a), .user(1, a))
        #expect(rig.flush(1, a) == [0])
    }

    @Test(arguments: old) func `a CPU stays in init_mm's mask when it goes down, and the old leave_mm() takes it out later`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .cpuDown(cpu: 0), .cpuUp(cpu: 0))
        #expect(rig.mask(.initMM) == [0])
        let effects = rig.apply(.kernel(0), .idleLeave(cpu: 0))
        #expect(effects.records == [.cr3Load])
        #expect(effects.redundantLoad)
        #expect(rig.mask(.initMM) == [])
    }

    @Test(arguments: all) func `a CPU that comes up invalidates one page of its own, for the GDT in the fixmap`(id: String) {
        var rig = Rig(id)
        let before = rig.counters.vmstat.localFlushOne
        rig.apply(.user(0, a), .kernel(0), .offline(cpu: 0), .cpuDown(cpu: 0), .cpuUp(cpu: 0))
        #expect(rig.counters.vmstat.localFlushOne == before + 1)
    }

    /// reset_lazy_tlbstate() comes behind idle_task_exit(), whose switch_mm() is over by then.
    @Test(arguments: all) func `a CPU that has gone down is in no user mm's mask, however late masks are cleared`(id: String) {
        var rig = Rig(id)
        rig.machine.clearsLate = true
        rig.apply(.user(0, a), .user(1, a), .kernel(0), .offline(cpu: 0), .cpuDown(cpu: 0))
        #expect(rig.mask(a) == [1])
        #expect(rig.flush(1, a) == [])
        #expect(rig.counters.ipiSends == 0)
    }
}
