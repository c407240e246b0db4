import LazyTLB
import Testing

/// leave_mm(), and the state in which it leaves the CPU.
struct LeaveTests {
    @Test(arguments: all) func `an idle driver's leave_mm() loads init_mm and leaves the mask`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0))
        let effects = rig.apply(.idleLeave(cpu: 0))
        #expect(effects.left)
        #expect(effects.records == [.cr3Load])
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.mask(a) == [])
        #expect(rig.counters.leaveMM == 1)
    }

    /// The idle task borrows the mm: coming back is free, but for a CPU that has left it. Another task's mm is loaded in any case.
    @Test(arguments: all) func `coming back to a borrowed mm costs a CR3 load once it is left`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .user(0, a), .user(0, a))
        #expect(rig.counters.savedLoads == 1)
        rig.apply(.kernel(0), .idleLeave(cpu: 0), .user(0, a))
        #expect((rig.counters.savedLoads, rig.counters.reloads) == (1, 1))
        rig.apply(.kernel(0), .idleLeave(cpu: 0), .user(0, b), .kernel(0), .user(0, a))
        #expect((rig.counters.savedLoads, rig.counters.reloads) == (1, 1))
    }

    @Test(arguments: old) func `the old third state: lazy, active_mm names the mm that was left, CR3 is init_mm`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0))
        #expect(rig.scheme.state(0) == .lazy)
        #expect(rig.scheme.bookedMM(0) == a)
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.mask(a) == [])
    }

    @Test func `the reworked scheme is in state OK with init_mm after leave_mm()`() {
        var rig = Rig(V413.id)
        rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0))
        #expect(rig.scheme.state(0) == .ok)
        #expect(rig.scheme.bookedMM(0) == .initMM)
        #expect(rig.mask(.initMM) == [0])
        rig.apply(.kernel(0))
        #expect(rig.scheme.state(0) == .lazy)
    }

    @Test(arguments: old) func `a second leave_mm() finds the CPU out of the mask and does nothing`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .idleLeave(cpu: 0))
        #expect(effects.records.isEmpty)
        #expect(effects.staleLeave)
        #expect(rig.counters.leaveMM == 1)
    }

    @Test func `the reworked leave_mm() does nothing when init_mm is loaded, whatever the state`() {
        var rig = Rig(V413.id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .idleLeave(cpu: 0))
        #expect(effects.records.isEmpty)
        #expect(effects.warnings.isEmpty)
        #expect(rig.scheme.state(0) == .ok)
    }

    @Test(arguments: all) func `a switch ends the third state`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .user(0, b))
        #expect(!rig.isStale(0))
        #expect(rig.scheme.bookedMM(0) == b)
        #expect(rig.scheme.loadedMM(0) == b)
    }

    /// ``Machine/clearsLate``: leave_mm() is not split.
    @Test(arguments: all) func `leave_mm() takes the CPU out of the mask at once, however late masks are cleared`(id: String) {
        var rig = Rig(id)
        rig.machine.clearsLate = true
        rig.apply(.user(0, a), .user(1, a), .kernel(0), .idleLeave(cpu: 0))
        #expect(rig.mask(a) == [1])
        #expect(rig.flush(1, a) == [])
        #expect(rig.counters.ipiSends == 0)
    }
}
