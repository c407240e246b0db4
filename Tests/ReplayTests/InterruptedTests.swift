import Dispatch
import LazyTLB
import Replay
import TestSupport
import Testing

@testable import Reconstruction

/// Of the CPUs that are interrupted: which of them ran the idle task, and which another task without an mm.
struct InterruptedTests {
    /// IPI targets, those that were idle, and those that ran another task without an mm.
    private struct Counts: Equatable, CustomStringConvertible {
        var targets, idle, kernel: Int
        var description: String { "\(targets) targets, \(idle) idle, \(kernel) kernel" }

        init(_ targets: Int, idle: Int, kernel: Int) { (self.targets, self.idle, self.kernel) = (targets, idle, kernel) }
        init(_ counters: Counters) { self.init(counters.ipiTargets, idle: counters.ipiIdle, kernel: counters.ipiKernel) }
    }

    private func expect(_ run: Run, _ counts: Counts, _ place: SourceLocation = #_sourceLocation) {
        for summary in run.replay.summaries { #expect(Counts(summary.counters) == counts, "\(summary.id)", sourceLocation: place) }
    }

    /// flush_tlb_others() sends to all of mm_cpumask(), lazy CPUs included; leave_mm() in the handler takes them out (arch/x86/mm/tlb.c, v4.12).
    @Test(arguments: [4, 70]) func `an idle CPU is interrupted once: then it has left the mm`(cpus: Int) {
        var run = Run(cpus: cpus)
        let idle = cpus - 1
        run.at(10, .user(0, a), .user(1, a), .user(idle, a))
        run.switches(20, idle, to: 0)
        run.at(30, .flushRange(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(2, idle: 1, kernel: 0))
        run.at(31, .deliver(cpu: 1, from: 0), .deliver(cpu: idle, from: 0))
        run.at(40, .flushRange(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(3, idle: 1, kernel: 0))
        #expect(run.replay.summaries.allSatisfy { $0.counters.ipiLeft == 1 && $0.counters.ipiFlushed == 1 })
    }

    @Test func `a kernel thread, and a task past exit_mm(), have no mm and are not the idle task`() {
        var run = Run()
        for cpu in 0..<4 { run.switches(10, cpu, to: 10 + Int32(cpu), a) }
        run.switches(20, 1, to: 7)
        run.at(20, .exitMM(cpu: 2))
        run.at(30, .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(3, idle: 0, kernel: 2))
    }

    @Test func `a kernel thread that uses an mm has one meanwhile`() {
        var run = Run()
        run.switches(10, 0, to: 10, a)
        run.switches(10, 1, to: 7)
        run.at(11, .useMM(cpu: 1, mm: a), .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(1, idle: 0, kernel: 0))
        run.complete(12, 0)
        run.at(13, .unuseMM(cpu: 1), .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(2, idle: 0, kernel: 1))
    }

    /// What a CPU ran when the IPI was sent, not when it came to handle it.
    @Test func `it counts at the moment of sending`() {
        var run = Run()
        run.switches(10, 0, to: 10, a)
        run.switches(10, 1, to: 11, a)
        run.at(20, .flushOthers(cpu: 0, mm: a, pages: 1))
        run.switches(21, 1, to: 0)
        run.at(22, .deliver(cpu: 1, from: 0))
        expect(run, Counts(1, idle: 0, kernel: 0))
    }

    /// One that comes up runs its idle task; of one whose records begin later, or are lost, only those tell.
    @Test func `what is not known counts as neither`() {
        var run = Run()
        run.switches(10, 0, to: 10, a)
        run.batch(11, 0, a, others: [1])
        expect(run, Counts(1, idle: 1, kernel: 0))
        run.complete(12, 0)
        run.at(20, .forget(cpu: 1))
        run.batch(21, 0, a, others: [1])
        expect(run, Counts(2, idle: 1, kernel: 0))
        run.complete(22, 0)
        // A record of the CPU: some task that has borrowed the mm is current.
        run.replay.apply(.observe(cpu: 1, mm: a, lazy: true, mask: true), at: Moment(time: 30, cpu: 1, pid: -1, cause: .other))
        run.at(31, .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(3, idle: 1, kernel: 0))
        run.complete(32, 0)
        // No sched_switch says which one this is.
        run.at(40, .user(1, a), .kernel(1), .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(4, idle: 1, kernel: 0))
    }

    @Test(arguments: [(0, 1, 0), (7, 0, 1)] as [(Int32, Int, Int)]) func `the record that shows a CPU names its task`(pid: Int32, idle: Int, kernel: Int) {
        var run = Run()
        run.switches(10, 0, to: 10, a)
        run.at(20, .forget(cpu: 1))
        run.replay.apply(.observe(cpu: 1, mm: a, lazy: true, mask: true), at: Moment(time: 30, cpu: 1, pid: pid, cause: .other))
        run.at(31, .flushOthers(cpu: 0, mm: a, pages: 1))
        expect(run, Counts(1, idle: idle, kernel: kernel))
    }

    /// Under v4.12 a lazy CPU that takes part in a batched flush stays in the mask.
    @Test(arguments: [4, 70]) func `where the schemes interrupt different CPUs each has its own counts`(cpus: Int) throws {
        var run = Run(cpus: cpus)
        let idle = cpus - 1
        run.switches(10, 0, to: 10, a)
        run.switches(10, idle, to: 11, a)
        run.switches(11, idle, to: 0)
        run.batch(20, idle, a)
        run.complete(21, idle)
        run.at(30, .flushRange(cpu: 0, mm: a, pages: 1), .flushOthers(cpu: 0, mm: a, pages: 1))
        let counts = run.replay.summaries.map { Counts($0.counters) }
        #expect(counts == [Counts(2, idle: 1, kernel: 0), Counts(1, idle: 0, kernel: 0), Counts(1, idle: 0, kernel: 0)])
    }

    /// The caller's thread, one of its own, and beside the records of the kernel.
    @Test(arguments: [(4, 3000), (70, 1500)], [1, 2] as [UInt64]) func `whoever drives the replay, it counts the same`(size: (Int, Int), seed: UInt64) {
        let history = RandomHistory(seed: seed, cpus: size.0, length: size.1)
        var replay = Replay(cpus: size.0)
        drive(&replay, history)
        var pipelined = PipelinedReplay(Replay(cpus: size.0), on: DispatchQueue(label: "test"))
        drive(&pipelined, history)
        var watch = ConformanceWatch(Replay(cpus: size.0), candidates: [V413.id], limit: 0)
        drive(&watch, history)
        for (index, summary) in replay.summaries.enumerated() {
            #expect(summary.counters.ipiIdle > 0 && summary.counters.ipiKernel > 0)
            #expect(pipelined.result().summaries[index].counters == summary.counters, "\(summary.id)")
            #expect(watch.replay.summaries[index].counters == summary.counters, "\(summary.id)")
        }
    }

    private func drive(_ sink: inout some StimulusSink, _ history: RandomHistory) {
        for (number, step) in history.steps.enumerated() {
            let cpu = step.stimulus.cpu
            if let batch = step.batch { sink.setBatch(batch, cpu: cpu) }
            if let task = step.task { sink.willRun(task, cpu: cpu) }
            sink.apply(step.stimulus, at: Moment(time: UInt64(1000 * number), cpu: cpu, pid: 100 + Int32(cpu), cause: .tlbFlush))
        }
    }
}

extension Run {
    /// A sched_switch record names the task that comes in.
    fileprivate mutating func switches(_ time: UInt64, _ cpu: Int, to pid: Int32, _ mm: MM = .none) {
        replay.willRun(IncomingTask(pid: pid, comm: .empty, basis: .exact), cpu: cpu)
        at(time, .contextSwitch(cpu: cpu, mm: mm))
    }
}
