import LazyTLB
import Testing

/// Where the trace does not tell, nothing is invented.
struct UnknownTests {
    @Test(arguments: all) func `the first switch of an unknown CPU counts as unknown, not as a CR3 load`(id: String) {
        var rig = Rig(unknown: id)
        let effects = rig.apply(.user(0, a))
        #expect(effects.records.isEmpty)
        #expect(rig.counters.unknownSwitches == 1)
        #expect(rig.counters.cr3Loads == 0)
        #expect(rig.scheme.loadedMM(0) == a)
        #expect(rig.mask(a) == [0])
        #expect(rig.apply(.user(0, b)).records == [.cr3Load])
    }

    @Test(arguments: all) func `a switch to an unknown mm, and the one after it, count no CR3 load`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(0, .unknown))
        #expect(rig.mask(a) == [])
        #expect(rig.scheme.loadedMM(0) == .unknown)
        rig.apply(.user(0, a))
        #expect(rig.counters.cr3Loads == 1)
        #expect(rig.counters.unknownSwitches == 2)
        #expect(rig.scheme.loadedMM(0) == a)
    }

    @Test(arguments: all) func `kernel threads leave an unknown CPU unknown`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.kernel(0), .idleLeave(cpu: 0), .doFlushAll(cpu: 0), .flushRange(cpu: 0, mm: a, pages: 1))
        #expect(rig.scheme.loadedMM(0) == .unknown)
        #expect(rig.counters.cr3Loads == 0)
        #expect(rig.counters.leaveMM == 0)
        #expect(rig.counters.unknownSwitches == 0)
        #expect(rig.counters.vmstat.localFlushOne == 0)
    }

    @Test(arguments: all) func `a flush of an unknown mm is counted and does nothing`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.user(0, .unknown), .user(1, .unknown))
        rig.apply(.flushRange(cpu: 0, mm: .unknown, pages: 1), .flushOthers(cpu: 0, mm: .unknown, pages: 1))
        #expect(rig.effects.records.isEmpty)
        #expect(rig.counters.localFlushes == 0)
        #expect(rig.counters.ipiSends == 0)
        #expect(rig.counters.unknownFlushes == 1)
    }

    @Test(arguments: all) func `a CPU that is forgotten is in no mask and is interrupted by nobody`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .forget(cpu: 1))
        #expect(rig.mask(a) == [0])
        #expect(rig.flush(0, a) == [])
        #expect(rig.scheme.loadedMM(1) == .unknown)
    }

    @Test(arguments: all) func `a CPU that is forgotten with an IPI under way ignores it`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .user(1, a), .flushOthers(cpu: 0, mm: a, pages: 1), .forget(cpu: 1))
        #expect(rig.apply(.deliver(cpu: 1, from: 0)).delivery == .ignored)
        #expect(rig.counters.vmstat.remoteFlushReceived == 0)
    }

    @Test(arguments: all) func `an observation settles an unknown CPU and no other`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.kernel(0), .observe(cpu: 0, mm: a, lazy: true, mask: true))
        #expect(rig.scheme.loadedMM(0) == a)
        #expect(rig.scheme.state(0) == .lazy)
        #expect(rig.mask(a) == [0])
        #expect(rig.machine.mm[0] == .none)
        #expect(rig.machine.activeMM[0] == a)
        rig.apply(.observe(cpu: 0, mm: b, lazy: false, mask: true))
        #expect(rig.scheme.loadedMM(0) == a)
    }

    @Test(arguments: all) func `an observed CPU that is out of the mask has left: CR3 is init_mm`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.kernel(0), .observe(cpu: 0, mm: a, lazy: true, mask: false))
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.mask(a) == [])
        #expect(rig.isStale(0) == (id != V413.id))
        #expect(rig.apply(.user(0, a)).records == [.cr3Load])
    }

    @Test(arguments: all) func `an observed CPU with init_mm and state OK breaks no invariant`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.observe(cpu: 0, mm: .initMM, lazy: false, mask: true))
        #expect(rig.scheme.brokenInvariant(0) == nil)
    }

    @Test(arguments: all) func `a CPU that goes down while unknown comes up known`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.kernel(0), .cpuDown(cpu: 0), .cpuUp(cpu: 0))
        #expect(rig.counters.cr3Loads == 0)
        #expect(rig.counters.warnings.allSatisfy { $0 == 0 })
        #expect(rig.scheme.loadedMM(0) == .initMM)
        #expect(rig.apply(.user(0, a)).records == [.cr3Load])
    }

    /// leave_mm() of a reworked kernel ends so.
    @Test(arguments: all) func `which mm the old active_mm of an observed CPU with init_mm and state OK names is not known`(id: String) {
        var rig = Rig(unknown: id)
        rig.apply(.observe(cpu: 0, mm: .initMM, lazy: false, mask: true))
        #expect(rig.scheme.bookedMM(0) == (id == V413.id ? .initMM : .unknown))
        #expect(rig.machine.mm[0] == .none)
        #expect(rig.machine.activeMM[0] == .initMM)
    }
}
