import LazyTLB
import Replay
import Testing
@testable import Verification

/// What the exploration looks at: that its checks can fail, and that worlds are told apart by what matters.
@Suite struct WorldTests {
    private let a = MM(1)
    private let b = MM(2)

    private func world(_ steps: [Stimulus]) -> (world: World, violations: Set<String>) {
        var world = World(cpus: 2, mms: 2)
        var violations: Set<String> = []
        for step in steps {
            var batch: [MM] = []
            if case .batchLocal = step { batch = [a] }
            violations.formUnion(world.take(Step(step, batch: batch)).violations.map { "\(World.schemes[$0.scheme]): \($0.what)" })
        }
        return (world, violations)
    }

    private func ofAll(_ what: String) -> Set<String> { Set(World.schemes.map { "\($0): \(what)" }) }

    // MARK: Histories that no kernel has

    /// A CPU that runs an mm and is taken out of its mask gets no IPI for its flush.
    @Test func aTLBThatKeepsWhatAFlushTookAwayIsSeen() {
        let flush: [Stimulus] = [.flushRange(cpu: 1, mm: a, pages: 1), .flushOthers(cpu: 1, mm: a, pages: 1)]
        let run = Stimulus.contextSwitch(cpu: 0, mm: a)
        #expect(world([run, flush[0], .forget(cpu: 0), flush[1]]).violations == ofAll("a TLB may hold entries of a flush that has ended"))
        #expect(world([run, flush[0], flush[1], .deliver(cpu: 0, from: 1)]).violations.isEmpty)
        // Not before the flush has ended: it waits for the CPU.
        #expect(world([run, flush[0], flush[1]]).violations.isEmpty)
        // Whoever loads CR3 meanwhile has nothing left of it.
        #expect(world([run, flush[0], .contextSwitch(cpu: 0, mm: b), .forget(cpu: 0), flush[1]]).violations.isEmpty)
    }

    /// The IPI of one flush is not the answer to another: their pages differ.
    @Test func eachFlushIsAnsweredByItself() {
        var (world, _) = world([
            .contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 1, mm: a),
            .flushRange(cpu: 0, mm: a, pages: 1), .flushRange(cpu: 1, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 1, mm: a, pages: 1),
        ])
        #expect(world.stale == Array(repeating: [0b10, 0b01], count: 3))
        #expect(world.take(Step(.deliver(cpu: 0, from: 1))).violations.isEmpty)
        #expect(world.stale == Array(repeating: [0, 0b01], count: 3))
        #expect(world.phases == [.waiting(.init(mms: [a])), .free])
    }

    /// A batch flushes everything: what others' flushes of the mm are to take away, too.
    @Test func aBatchThrowsOutAll() {
        let (world, _) = world([.contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 1, mm: a), .flushRange(cpu: 1, mm: a, pages: 1), .batchLocal(cpu: 0)])
        #expect(world.stale == Array(repeating: [0, 0b01], count: 3))
    }

    /// It runs nothing any more that could use what its TLB has, and gets no IPI.
    @Test func aCPUThatIsMarkedOfflineMayKeepWhatItHas() {
        let steps: [Stimulus] = [
            .contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 0, mm: .none), .offline(cpu: 0), .flushRange(cpu: 1, mm: a, pages: 1), .flushOthers(cpu: 1, mm: a, pages: 1),
        ]
        let (world, violations) = world(steps)
        #expect(violations.isEmpty && world.phases == [.goingDown, .free])
        #expect(world.loaded(0, 0) == a)
    }

    @Test func aConditionOfTheKernelThatIsMetIsSeen() {
        // The idle loop's leave_mm() by a task that has an mm.
        #expect(world([.contextSwitch(cpu: 0, mm: a), .idleLeave(cpu: 0)]).violations == ofAll("WARN or BUG: leave-mm-while-ok"))
    }

    @Test func aBookkeepingThatDisagreesWithAMaskIsSeen() {
        let violations = world([.contextSwitch(cpu: 0, mm: a), .forget(cpu: 0), .observe(cpu: 0, mm: a, lazy: false, mask: false)]).violations
        #expect(violations.contains("v4.12: state OK, but the CPU is not in mm_cpumask(active_mm)"))
    }

    /// A task has another mm than its CPU has loaded: what a switch that does not load CR3 would leave.
    @Test func aTaskWithoutItsMMIsSeen() {
        var (world, _) = world([.contextSwitch(cpu: 0, mm: a)])
        world.machine.mm[0] = b
        world.machine.activeMM[0] = b
        let violations = Set(world.take(Step(.doFlushAll(cpu: 1))).violations.map(\.what))
        #expect(violations == [
            "a task runs with an mm that is not loaded, not booked, or not in state OK", "an mm is loaded that the current task neither has nor borrows: it may be freed",
        ])
    }

    /// What a switch that does not set the state would leave.
    @Test func aTaskOfALazyCPUIsSeen() {
        var (world, _) = world([.contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 0, mm: .none)])
        world.machine.mm[0] = a
        #expect(Set(world.take(Step(.doFlushAll(cpu: 1))).violations.map(\.what)) == ["a task runs with an mm that is not loaded, not booked, or not in state OK"])
    }

    // MARK: What may happen

    @Test func aCPUWaitsForWhomItInterrupts() {
        let (world, _) = world([
            .contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 1, mm: a), .flushRange(cpu: 1, mm: a, pages: 1), .flushOthers(cpu: 1, mm: a, pages: 1),
        ])
        // But for what interrupts it.
        #expect(world.possible.filter { $0.stimulus.cpu == 1 } == [Step(.doFlushAll(cpu: 1))])
        #expect(world.possible.filter { $0.stimulus == .deliver(cpu: 0, from: 1) }.count == 1)
    }

    @Test func theLastCPUStaysUp() {
        let (world, _) = world([.offline(cpu: 0)])
        #expect(world.possible.contains(Step(.cpuDown(cpu: 0))))
        #expect(!world.possible.contains(Step(.offline(cpu: 1))))
        #expect(!self.world([.offline(cpu: 0), .cpuDown(cpu: 0)]).world.possible.contains(Step(.offline(cpu: 1))))
    }

    /// stop_machine().
    @Test func aCPUGoesDownWhileNoneRunsATaskNorAFlush() {
        let down = Step(.offline(cpu: 0))
        #expect(world([]).world.possible.contains(down))
        #expect(!world([.contextSwitch(cpu: 1, mm: a)]).world.possible.contains(down))
        #expect(!world([.flushRange(cpu: 1, mm: a, pages: 1)]).world.possible.contains(down))
        #expect(world([.contextSwitch(cpu: 1, mm: a), .contextSwitch(cpu: 1, mm: .none)]).world.possible.contains(down))
    }

    /// From the idle task to a kernel thread: enter_lazy_tlb() runs again, behind a leave_mm() that has set state OK.
    @Test func tasksWithoutAnMMFollowEachOther() {
        let idle = Step(.contextSwitch(cpu: 0, mm: .none))
        let steps: [Stimulus] = [.contextSwitch(cpu: 0, mm: a), idle.stimulus, .idleLeave(cpu: 0)]
        #expect(world(steps).world.possible.contains(idle))
        #expect(world(steps).world.v413.state(0) == .ok && world(steps + [idle.stimulus]).world.v413.state(0) == .lazy)
    }

    @Test func execGivesAnMMThatNobodyHas() {
        let execs = world([.contextSwitch(cpu: 0, mm: a)]).world.possible.filter { if case .exec = $0.stimulus { true } else { false } }
        #expect(execs == [Step(.exec(cpu: 0, mm: b))])
        #expect(!world([.contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 1, mm: b)]).world.possible.contains { if case .exec = $0.stimulus { true } else { false } })
    }

    // MARK: Which worlds are the same

    @Test func namesOfCPUsAndMMsDoNotMatter() {
        let names = World.Naming.all(cpus: 2, mms: 2)
        #expect(names.count == 4)
        let steps: [Stimulus] = [.contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 0, mm: .none), .contextSwitch(cpu: 1, mm: b), .flushRange(cpu: 1, mm: a, pages: 1)]
        let others: [Stimulus] = [.contextSwitch(cpu: 1, mm: b), .contextSwitch(cpu: 1, mm: .none), .contextSwitch(cpu: 0, mm: a), .flushRange(cpu: 0, mm: b, pages: 1)]
        for count in 1...steps.count {
            #expect(world(Array(steps.prefix(count))).world.signature(names) == world(Array(others.prefix(count))).world.signature(names))
        }
        // But whose flush it is does, and each step.
        let whole = world(steps).world.signature(names)
        #expect(world(steps.dropLast() + [.flushRange(cpu: 1, mm: b, pages: 1)]).world.signature(names) != whole)
        #expect(world(Array(steps.dropLast())).world.signature(names) != whole)
    }

    /// The mask of a batch stays what it was when the batch began: a CPU that leaves afterwards is sent an IPI, one that left before is not.
    @Test func whomABatchWillAskIsPartOfTheState() {
        let names = World.Naming.all(cpus: 2, mms: 2)
        let lazy: [Stimulus] = [.contextSwitch(cpu: 1, mm: a), .contextSwitch(cpu: 1, mm: .none)]
        var late = world(lazy + [.batchLocal(cpu: 0), .idleLeave(cpu: 1)]).world
        var early = world(lazy + [.idleLeave(cpu: 1), .batchLocal(cpu: 0)]).world
        #expect(late.signature(names) != early.signature(names))
        _ = (late.take(Step(.batchOthers(cpu: 0))), early.take(Step(.batchOthers(cpu: 0))))
        #expect(late.unanswered(0) == 0b10 && early.unanswered(0) == 0)
    }

    /// Taking a step back is not possible: the copy is another world.
    @Test func aCopyIsAWorldOfItsOwn() {
        let names = World.Naming.all(cpus: 2, mms: 2)
        let (world, _) = world([.contextSwitch(cpu: 0, mm: a), .contextSwitch(cpu: 1, mm: a), .flushRange(cpu: 1, mm: a, pages: 1)])
        let before = world.signature(names)
        for step in world.possible {
            var copy = world.copy()
            #expect(copy.signature(names) == before)
            _ = copy.take(step)
            #expect(world.signature(names) == before, "\(step)")
        }
    }
}
