import LazyTLB
import Reconstruction
@testable import Replay
import Testing

/// Each kind of divergence, from the shortest history that has it.
struct ComparisonTests {
    @Test func `schemes that do the same do not diverge`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1))
        run.at(20, .flushRange(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1))
        run.at(30, .user(1, b))
        run.complete(40, 0)
        run.at(50, .user(0, b))
        run.replay.finish()
        #expect(run.v412.kinds == [:])
        #expect(run.parent.kinds == [:])
        #expect(run.v412.staleNs == 0)
    }

    @Test func `stale-active-mm lasts from leave_mm() to the next switch_mm()`() {
        var run = Run()
        run.at(10, .user(2, a), .kernel(2))
        run.at(100, .idleLeave(cpu: 2))
        run.at(150, .kernel(2))
        run.at(350, .user(2, b))
        for comparison in [run.v412, run.parent] {
            #expect(comparison.kinds == [.staleActiveMM: 1])
            #expect(comparison.staleNs == 250)
            let found = comparison.divergences[0]
            #expect(found.moment.time == 100)
            #expect(found.end == 350)
            #expect(found.moment.cpu == 2)
            #expect(found.moment.pid == 102)
            #expect(found.mm == a)
            #expect(found.scheme == comparison.old)
        }
    }

    @Test func `the intervals of several CPUs add up`() {
        var run = Run()
        run.at(0, .user(0, a), .user(1, b), .kernel(0), .kernel(1))
        run.at(10, .idleLeave(cpu: 0))
        run.at(15, .idleLeave(cpu: 1))
        run.at(30, .user(1, b))
        run.at(50, .user(0, a))
        #expect(run.v412.staleNs == 40 + 15)
        #expect(run.v412.divergences.map(\.mm) == [b, a])
    }

    @Test func `the end of the trace ends an interval`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0), .idleLeave(cpu: 0))
        run.at(90, .kernel(1))
        run.replay.finish()
        #expect(run.v412.staleNs == 80)
        #expect(run.v412.divergences.map(\.end) == [90])
        run.replay.finish()
        #expect(run.v412.staleNs == 80)
    }

    @Test func `time that runs backwards adds nothing`() {
        var run = Run()
        run.at(100, .user(0, a), .kernel(0), .idleLeave(cpu: 0))
        run.at(90, .user(0, a))
        #expect(run.v412.staleNs == 0)
        #expect(run.v412.divergences.map(\.end) == [90])
    }

    @Test func `noop-ipi names the CPU that was interrupted for nothing, the sender, and since when it was stale`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1))
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.at(30, .idleLeave(cpu: 1))
        run.at(40, .deliver(cpu: 1, from: 0))
        let found = run.v412.all(.noopIPI)
        #expect(run.v412.kinds == [.noopIPI: 1])
        #expect(found[0].moment.time == 40)
        #expect(found[0].moment.cpu == 1)
        #expect(found[0].mm == a)
        #expect(found[0].sender == 0)
        #expect(found[0].targets == [])
        #expect(found[0].scheme == V412.id)
        #expect(found[0].since?.time == 30)
    }

    @Test func `an IPI that the sender's next record completes diverges on its receiver, whose task is not known`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .user(3, a), .kernel(3))
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.at(25, .idleLeave(cpu: 3))
        run.complete(60, 0)
        let found = run.v412.all(.noopIPI)
        #expect(found.map(\.moment.cpu) == [3])
        #expect(found.map(\.moment.pid) == [-1])
        #expect(found.map(\.moment.time) == [60])
    }

    @Test func `an interval that a completed IPI begins is the receiver's`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1))
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.complete(30, 0)
        run.at(100, .user(1, a))
        #expect(run.v412.staleNs == 70)
        #expect(run.v412.divergences.map(\.moment.cpu) == [1])
        #expect(run.v412.divergences.map(\.mm) == [a])
    }

    @Test func `a batch's IPI to a stale CPU is no noop-ipi: it is for no mm`() {
        var run = Run()
        run.at(10, .user(1, a), .kernel(1), .idleLeave(cpu: 1), .kernel(1), .user(0, b))
        run.batch(20, 0, b, others: [1])
        run.at(30, .deliver(cpu: 1, from: 0))
        #expect(run.v412.kinds == [:])
    }

    @Test func `noop-local-flush is a CPU's own flush of the mm that it has left`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0))
        run.at(20, .idleLeave(cpu: 0))
        run.at(30, .flushRange(cpu: 0, mm: a, pages: 1))
        run.at(40, .flushPage(cpu: 0, mm: a))
        for comparison in [run.v412, run.parent] {
            #expect(comparison.kinds == [.noopLocalFlush: 2])
            #expect(comparison.divergences.map(\.moment.time) == [30, 40])
            #expect(comparison.divergences.map(\.mm) == [a, a])
            #expect(comparison.divergences.map(\.since?.time) == [20, 20])
        }
    }

    @Test func `redundant-cr3-load: a CPU that has left goes down`() {
        var run = Run()
        run.at(10, .user(1, a), .kernel(1))
        run.at(20, .idleLeave(cpu: 1))
        run.at(70, .cpuDown(cpu: 1))
        #expect(run.v412.kinds == [.redundantCR3Load: 1, .staleActiveMM: 1])
        let found = run.v412.all(.redundantCR3Load)[0]
        #expect(found.moment.time == 70)
        #expect(found.moment.cpu == 1)
        #expect(found.mm == .initMM)
        #expect(found.scheme == V412.id)
        #expect(found.since?.time == 20)
        #expect(run.v412.staleNs == 50)
    }

    @Test func `extra-ipi: a lazy CPU that took part in a batch is still in the mask in v4.12, and only there`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0), .user(1, a))
        run.batch(20, 0, a)
        run.complete(25, 0)
        run.at(30, .flushOthers(cpu: 1, mm: a, pages: 1))
        let found = run.v412.all(.extraIPI)
        #expect(found.count == 1)
        #expect(found[0].moment.time == 30)
        #expect(found[0].moment.cpu == 1)
        #expect(found[0].mm == a)
        #expect(found[0].targets == [0])
        #expect(found[0].scheme == V412.id)
        #expect(found[0].since?.time == 20)
        #expect(run.v412.extraIPITargets == 1)
        #expect(run.v412.missingIPITargets == 0)
        #expect(run.parent.extraIPITargets == 0)
        #expect(run.parent.count(.extraIPI) == 0)
    }

    @Test func `each extra-ipi names its own targets only`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0), .user(1, a), .user(2, b), .kernel(2), .user(3, b))
        run.batch(20, 0, a)
        run.complete(21, 0)
        run.batch(22, 2, b)
        run.complete(23, 2)
        run.at(30, .flushOthers(cpu: 1, mm: a, pages: 1))
        run.at(40, .flushOthers(cpu: 3, mm: b, pages: 1))
        #expect(run.v412.all(.extraIPI).map(\.targets) == [[0], [2]])
        #expect(run.v412.all(.extraIPI).map(\.mm) == [a, b])
        #expect(run.v412.extraIPITargets == 2)
    }

    @Test func `since tells when the views last parted, not when they first did`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0), .user(1, a))
        run.batch(20, 0, a)
        run.complete(21, 0)
        run.at(30, .user(0, a), .kernel(0))
        run.batch(40, 0, a)
        run.complete(41, 0)
        run.at(50, .flushOthers(cpu: 1, mm: a, pages: 1))
        #expect(run.v412.all(.extraIPI).map(\.since?.time) == [40])
    }

    @Test func `a divergence is the stimulus's CPU's, whichever CPU's record it was read from`() {
        var run = Run()
        run.at(10, .user(0, a), .user(1, a), .kernel(1), .flushOthers(cpu: 0, mm: a, pages: 1))
        run.replay.apply(.deliver(cpu: 1, from: 0), at: run.moment(20, 0))
        run.replay.finish()
        #expect(run.v412.divergences.map(\.kind) == [.staleActiveMM])
        #expect(run.v412.divergences.map(\.moment.cpu) == [1])
        #expect(run.v412.divergences.map(\.mm) == [a])
    }

    @Test func `missing-ipi is the reverse; no history has it`() {
        var comparison = Comparison(old: V412.id, new: V413.id, cpus: 130, limit: 10)
        comparison.targets(0, old: 0b0110, new: 0b0101)
        comparison.targets(2, old: 0, new: 0b10)
        comparison.endTargets(extraMM: b, missingMM: a, at: Run().moment(20, 3))
        let found = comparison.all(.missingIPI)
        #expect(found.map(\.targets) == [[0, 129]])
        #expect(found.map(\.cpu) == [3])
        #expect(found.map(\.mm) == [a])
        #expect(found.map(\.scheme) == [V413.id])
        #expect(comparison.missingIPITargets == 2)
        #expect(comparison.all(.extraIPI).map(\.targets) == [[1]])
        #expect(comparison.all(.extraIPI).map(\.mm) == [b])
        #expect(comparison.extraIPITargets == 1)
    }

    @Test func `extra-flush: v4.12 flushes for a batch when lazy, the others leave`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0))
        run.batch(20, 0, a)
        let found = run.v412.all(.extraFlush)
        #expect(found.count == 1)
        #expect(found[0].scheme == V412.id)
        #expect(found[0].mm == a)
        #expect(run.parent.count(.extraFlush) == 0)
    }

    @Test func `extra-flush: after leave_mm() the reworked scheme flushes for a batch, the old ones do nothing`() {
        var run = Run()
        run.at(10, .user(1, a), .kernel(1), .idleLeave(cpu: 1), .user(0, b))
        run.batch(20, 0, b, others: [1])
        run.at(30, .deliver(cpu: 1, from: 0))
        for comparison in [run.v412, run.parent] {
            #expect(comparison.kinds == [.extraFlush: 1])
            #expect(comparison.divergences[0].scheme == V413.id)
            #expect(comparison.divergences[0].mm == .initMM)
            #expect(comparison.divergences[0].moment.cpu == 1)
        }
    }

    @Test func `an IPI that only one of them sent is no extra flush besides`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0), .user(1, a))
        run.batch(20, 0, a)
        run.complete(25, 0)
        run.at(30, .flushOthers(cpu: 1, mm: a, pages: 1))
        run.at(31, .user(0, a))
        run.at(40, .deliver(cpu: 0, from: 1))
        #expect(run.v412.count(.extraIPI) == 1)
        #expect(run.v412.count(.extraFlush) == 1)
        #expect(run.v412.all(.extraFlush)[0].moment.time == 20)
    }

    @Test func `a warning says which, and where`() {
        var run = Run()
        run.at(10, .user(0, a), .idleLeave(cpu: 0))
        #expect(run.v412.kinds == [.warning: 2])
        #expect(run.v412.divergences.map(\.scheme) == [V412.id, V413.id])
        #expect(run.v412.divergences.map(\.detail) == ["leave-mm-while-ok", "leave-mm-while-ok"])
        #expect(run.v412.divergences.map(\.mm) == [a, a])
        #expect(run.v412.divergences.map(\.moment.time) == [10, 10])
    }

    @Test func `a warning of one scheme alone is its own`() {
        var new = Run()
        new.at(10, .user(0, a), .xenExitMmap(cpu: 0, mm: a))
        #expect(new.v412.divergences.filter { $0.kind == .warning }.map(\.scheme) == [V413.id])
        // No stimuli force the old ones alone.
        var effects = Effects()
        effects.warnings = .activeMMMismatch
        var none = Effects()
        #expect(Effects.areNotable(&effects, beside: &none))
        #expect(Effects.areNotable(&none, beside: &effects))
        var comparison = Comparison(old: V412.id, new: V413.id, cpus: 4, limit: 10)
        comparison.note(.idleLeave(cpu: 0), Run().moment(20, 0), old: effects, new: Effects())
        #expect(comparison.divergences.map(\.scheme) == [V412.id])
        #expect(comparison.divergences.map(\.detail) == ["active-mm-mismatch"])
    }

    @Test func `all divergences are counted, the first ones kept`() {
        var run = Run(limit: 2)
        for time: UInt64 in 1...5 { run.at(time * 10, .user(0, a), .kernel(0), .idleLeave(cpu: 0), .user(0, a)) }
        #expect(run.v412.count(.staleActiveMM) == 5)
        #expect(run.v412.divergences.map(\.moment.time) == [10, 20])
    }

    @Test func `targets beyond CPU 63 are named by their numbers`() {
        var run = Run(cpus: 130)
        run.at(10, .user(64, a), .kernel(64), .user(129, a), .kernel(129), .user(1, a))
        run.batch(20, 64, a)
        run.complete(21, 64)
        // The batch's IPI made CPU 129 leave; CPU 64 is in v4.12's mask still.
        run.at(30, .flushOthers(cpu: 1, mm: a, pages: 1))
        #expect(run.v412.all(.extraIPI).map(\.targets) == [[64]])
        run.complete(31, 1)
        #expect(run.replay.v412.scheme.counters.ipiLeft == 2)
    }

    @Test(arguments: Divergence.Kind.allCases) func `each kind has a count of its own`(kind: Divergence.Kind) {
        var run = Run()
        run.at(10, .user(0, a))
        #expect(run.v412.count(kind) == 0)
        #expect(run.v412.counts.count == Divergence.Kind.allCases.count)
    }

    /// init_mm is loaded again by the leave_mm() of a CPU that came up in its mask: nothing is stale then, nor parted any more.
    @Test func `since is none once the views agree again`() {
        var run = Run()
        run.at(10, .user(0, a), .kernel(0))
        run.batch(20, 0, a)
        run.at(30, .user(0, b), .kernel(0), .cpuDown(cpu: 0))
        run.at(40, .cpuUp(cpu: 0), .kernel(0), .idleLeave(cpu: 0))
        run.at(50, .user(0, a))
        let found = run.v412.all(.redundantCR3Load)
        #expect(found.count == 1)
        #expect(found.allSatisfy { $0.since == nil })
    }
}
