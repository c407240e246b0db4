import LazyTLB
import Testing

/// Each WARN and BUG fires when its condition is forced. Ordinary histories never do: see PropertyTests.
struct WarningTests {
    @Test(arguments: all) func `leave_mm() in state OK is a BUG, and does nothing`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .idleLeave(cpu: 0))
        #expect(effects.warnings == .leaveWhileOK)
        #expect(rig.scheme.loadedMM(0) == a)
        #expect(rig.counters.warnings == [1, 0, 0, 0, 0, 0])
    }

    @Test(arguments: old) func `a switch within active_mm is a BUG if cpu_tlbstate names another`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        // The task's active_mm says b, tlb.active_mm says a.
        rig.machine.apply(.contextSwitch(cpu: 0, mm: b))
        let effects = rig.apply(.user(0, b))
        #expect(effects.warnings == .activeMMMismatch)
        #expect(rig.counters.warnings[1] == 1)
    }

    @Test func `the reworked switch_mm() warns when the loaded mm's mask lacks the CPU, and mends it`() {
        var rig = Rig(V413.id)
        // A CPU that has just come up has init_mm loaded and is not in its mask; nobody switches to init_mm then.
        let effects = rig.apply(.useMM(cpu: 0, mm: .initMM))
        #expect(effects.warnings == .loadedNotInMask)
        #expect(!effects.cr3Load)
        #expect(rig.mask(.initMM) == [0])
        #expect(rig.apply(.useMM(cpu: 0, mm: .initMM)).warnings.isEmpty)
    }

    @Test func `it warns when the CPU is in the next mm's mask already`() {
        var rig = Rig(V413.id)
        // A switch away from a that never gets round to leaving its mask.
        rig.machine.clearsLate = true
        rig.apply(.user(0, a), .user(0, b))
        rig.machine.clearsLate = false
        let effects = rig.apply(.user(0, a))
        #expect(effects.warnings == .nextAlreadyInMask)
        #expect(rig.counters.warnings == [0, 0, 0, 1, 0, 0])
    }

    @Test func `it warns when the CPU is not in the previous mm's mask`() {
        var rig = Rig(V413.id)
        // The same, and then it gets round to it, when a is loaded again.
        rig.machine.clearsLate = true
        rig.apply(.user(0, a), .user(0, b))
        rig.machine.clearsLate = false
        rig.apply(.user(0, a))
        rig.machine.clearsLate = true
        let effects = rig.apply(.user(0, b))
        #expect(effects.warnings == .previousNotInMask)
        #expect(rig.counters.warnings == [0, 0, 0, 1, 1, 0])
    }

    @Test func `init_mm's mask is exempt from that, for a CPU that has just come up`() {
        var rig = Rig(V413.id)
        #expect(rig.mask(.initMM) == [])
        #expect(rig.apply(.user(0, a)).warnings.isEmpty)
    }

    @Test func `reset_lazy_tlbstate() warns when CR3 is not swapper_pg_dir`() {
        var rig = Rig(V413.id)
        rig.apply(.user(0, a), .kernel(0))
        // idle_task_exit() switches nothing if the idle task's active_mm is init_mm.
        rig.machine.apply(.cpuDown(cpu: 0))
        let effects = rig.apply(.cpuDown(cpu: 0))
        #expect(effects.warnings == .downWithUserCR3)
        #expect(rig.counters.warnings == [0, 0, 0, 0, 0, 1])
    }
}
