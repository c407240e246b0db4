import LazyTLB
import Testing

/// context_switch(), switch_mm_irqs_off(), enter_lazy_tlb().
struct SwitchTests {
    @Test(arguments: all) func `a switch to another mm loads CR3, enters its mask and leaves the previous one's`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.user(0, b))
        #expect(effects.cr3Load)
        #expect(effects.records == [.cr3Load])
        #expect(rig.scheme.loadedMM(0) == b)
        #expect(rig.scheme.bookedMM(0) == b)
        #expect(rig.scheme.state(0) == .ok)
        #expect(rig.mask(a) == [])
        #expect(rig.mask(b) == [0])
        #expect(rig.counters.cr3Loads == 2)
        #expect(rig.counters.contextSwitches == 2)
    }

    @Test(arguments: all) func `a switch between threads of one mm loads nothing`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.user(0, a))
        #expect(!effects.cr3Load)
        #expect(effects.records.isEmpty)
        #expect(rig.mask(a) == [0])
    }

    @Test(arguments: all) func `a kernel thread borrows the mm, lazily, and stays in its mask`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.kernel(0))
        #expect(!effects.cr3Load)
        #expect(rig.scheme.state(0) == .lazy)
        #expect(rig.scheme.loadedMM(0) == a)
        #expect(rig.mask(a) == [0])
        #expect(rig.machine.mm[0] == .none)
        #expect(rig.machine.activeMM[0] == a)
    }

    @Test(arguments: all) func `the task whose mm a kernel thread borrowed comes back without a CR3 load`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .kernel(0), .user(0, a))
        #expect(!effects.cr3Load)
        #expect(rig.scheme.state(0) == .ok)
    }

    @Test(arguments: all) func `a task whose mm was left while it was borrowed needs a CR3 load`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .idleLeave(cpu: 0), .user(0, a))
        #expect(effects.records == [.cr3Load])
        #expect(!effects.redundantLoad)
        #expect(rig.scheme.loadedMM(0) == a)
        #expect(rig.mask(a) == [0])
    }

    @Test(arguments: all) func `a CPU that has just come up is in state 0, which enter_lazy_tlb() leaves as it is`(id: String) {
        var rig = Rig(id)
        rig.apply(.kernel(0))
        #expect(rig.scheme.state(0) == .reset)
        #expect(rig.scheme.loadedMM(0) == .initMM)
        rig.apply(.user(0, a))
        #expect(rig.scheme.state(0) == .ok)
    }

    @Test(arguments: all) func `exec switches to the new mm in task context`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.exec(cpu: 0, mm: b))
        #expect(effects.records == [.cr3Load])
        #expect(rig.mask(a) == [])
        #expect(rig.mask(b) == [0])
        #expect(rig.machine.mm[0] == b)
        #expect(rig.counters.contextSwitches == 1)
    }

    @Test(arguments: all) func `an exiting task goes on lazily with the mm it gave up`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a))
        let effects = rig.apply(.exitMM(cpu: 0))
        #expect(effects.records.isEmpty)
        #expect(rig.scheme.state(0) == .lazy)
        #expect(rig.machine.mm[0] == .none)
        #expect(rig.machine.activeMM[0] == a)
        #expect(rig.scheme.loadedMM(0) == a)
    }

    @Test(arguments: all) func `the last user of an mm tears it down lazily, and so leaves it`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .exitMM(cpu: 0))
        let effects = rig.apply(.flushRange(cpu: 0, mm: a, pages: everything))
        #expect(effects.records == [.cr3Load])
        #expect(effects.left)
        #expect(rig.mask(a) == [])
    }

    @Test(arguments: all) func `use_mm() switches a kernel thread to the mm, and unuse_mm() keeps it, lazily`(id: String) {
        var rig = Rig(id)
        rig.apply(.user(0, a), .kernel(0))
        let effects = rig.apply(.useMM(cpu: 0, mm: b))
        #expect(effects.records == [.cr3Load])
        #expect(rig.scheme.state(0) == .ok)
        #expect(rig.machine.mm[0] == b)
        rig.apply(.unuseMM(cpu: 0))
        #expect(rig.scheme.state(0) == .lazy)
        #expect(rig.machine.mm[0] == .none)
        #expect(rig.machine.activeMM[0] == b)
        #expect(rig.scheme.loadedMM(0) == b)
    }

    @Test(arguments: all) func `use_mm() of the mm that is borrowed already loads nothing`(id: String) {
        var rig = Rig(id)
        let effects = rig.apply(.user(0, a), .kernel(0), .useMM(cpu: 0, mm: a))
        #expect(!effects.cr3Load)
        #expect(rig.scheme.state(0) == .ok)
    }

    @Test(arguments: all) func `with late clearing, the CPU stays in the previous mask until its next stimulus`(id: String) {
        var rig = Rig(id)
        rig.machine.clearsLate = true
        rig.apply(.user(0, a), .user(0, b), .user(1, a))
        #expect(rig.mask(a) == [0, 1])
        #expect(rig.mask(b) == [0])
        rig.apply(.settled(cpu: 0))
        #expect(rig.mask(a) == [1])
    }
}
