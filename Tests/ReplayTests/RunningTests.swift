import Reconstruction
import TestSupport
import Testing

@testable import LazyTLB
@testable import Replay

/// What most stimuli are has functions of its own in a ``Replay``: they come to what the schemes' transitions and their comparison come to.
struct RunningTests {
    @Test(arguments: Array(1...16) as [UInt64], [false, true])
    func shortWaysComeToTheSame(seed: UInt64, clearsLate: Bool) throws {
        // Above 64 CPUs masks have more than a word. Xen's exits set the schemes apart.
        for (cpus, length) in [(4, 2000), (70, 600)] {
            var (short, long) = (Replay(cpus: cpus, divergenceLimit: 1000), Replay(cpus: cpus, divergenceLimit: 1000))
            if clearsLate {
                short.clearLate()
                long.clearLate()
            }
            for (number, step) in RandomHistory(seed: seed, cpus: cpus, length: length, xen: seed % 2 == 0).steps.enumerated() {
                let cpu = step.stimulus.cpu
                let moment = Moment(time: UInt64(1000 * number), cpu: cpu, pid: Int32(100 + cpu), cause: .tlbFlush)
                if let batch = step.batch {
                    short.setBatch(batch, cpu: cpu)
                    long.setBatch(batch, cpu: cpu)
                }
                if let task = step.task {
                    short.willRun(task, cpu: cpu)
                    long.willRun(task, cpu: cpu)
                }
                short.apply(step.stimulus, at: moment)
                long.applyOther(step.stimulus, moment)
                try #require(isSame(short.v412, long.v412, cpu), "v4.12: \(step.stimulus)")
                try #require(isSame(short.v413, long.v413, cpu), "v4.13: \(step.stimulus)")
                try #require(short.haveParted == long.haveParted && (!short.haveParted || isSame(short.parent, long.parent, cpu)), "v4.13-parent: \(step.stimulus)")
            }
            try expectSame(short, long)
        }
    }

    /// It is there until idle_task_exit(); smp_call_function_many() masks with cpu_online_mask.
    @Test func `a CPU that is marked offline is still in the mask, and gets no IPI`() throws {
        var (short, long) = (Replay(cpus: 3), Replay(cpus: 3))
        let before = (0..<3).map { Stimulus.cpuUp(cpu: $0) } + (0..<3).map { .user($0, a) }
        for stimulus in before + [.offline(cpu: 2), .flushRange(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1)] {
            let moment = Moment(time: 1000, cpu: stimulus.cpu, pid: Run.pid(stimulus.cpu), cause: .tlbFlush)
            short.apply(stimulus, at: moment)
            long.applyInFull(stimulus, at: moment)
        }
        #expect(short.v412.scheme.maskWord(a, 0) == 0b111)
        #expect(short.v412.scheme.targetWord(0, 0) == 0b010)
        #expect(short.v413.scheme.targetWord(0, 0) == 0b010)
        #expect(short.outstanding(0) == [1])
        #expect(isSame(short.v412, long.v412, 0) && isSame(short.v413, long.v413, 0) && isSame(short.v413Parent, long.v413Parent, 0))
    }

    /// The CPU is in the same state, so are its shootdowns, and as much of everything has happened so far.
    private func isSame<Model: Scheme>(_ one: Lane<Model>, _ other: Lane<Model>, _ cpu: Int) -> Bool {
        let (first, second) = (one.scheme, other.scheme)
        return first.state(cpu) == second.state(cpu) && first.loadedMM(cpu) == second.loadedMM(cpu) && first.bookedMM(cpu) == second.bookedMM(cpu)
            && (0..<2).allSatisfy { first.targetWord(cpu, $0) == second.targetWord(cpu, $0) && first.pendingWord(cpu, $0) == second.pendingWord(cpu, $0) }
            && first.counters == second.counters
    }

    private func expectSame(_ short: Replay, _ long: Replay) throws {
        #expect(short.lastTime == long.lastTime)
        #expect(short.v412.scheme.counters == long.v412.scheme.counters)
        #expect(short.v413Parent.scheme.counters == long.v413Parent.scheme.counters)
        #expect(short.v413.scheme.counters == long.v413.scheme.counters)
        #expect(short.v412.predicted.differences(long.v412.predicted).isEmpty)
        #expect(short.v413Parent.predicted.differences(long.v413Parent.predicted).isEmpty)
        #expect(short.v413.predicted.differences(long.v413.predicted).isEmpty)
        #expect(short.v413.predicted.count(reason: 1) > 0)
        for (one, other) in zip(short.comparisons, long.comparisons) {
            #expect(one.counts == other.counts && one.staleNs == other.staleNs)
            #expect(one.extraIPITargets == other.extraIPITargets && one.missingIPITargets == other.missingIPITargets)
            #expect(one.divergences.map { String(describing: $0) } == other.divergences.map { String(describing: $0) })
        }
        #expect(Set(short.traffic.processes.keys) == Set(long.traffic.processes.keys))
        for (process, sums) in short.traffic.processes {
            let other = try #require(long.traffic.processes[process])
            #expect(sums.flushes == other.flushes && sums.targets == other.targets)
        }
        for sender in 0..<short.cpus { for receiver in 0..<short.cpus { #expect(short.traffic[sender, receiver] == long.traffic[sender, receiver]) } }
    }
}
