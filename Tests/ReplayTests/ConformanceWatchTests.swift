import LazyTLB
import Reconstruction
import Testing

@testable import Replay

struct ConformanceWatchTests {
    /// Whatever the stimulus before was about, and wherever it was.
    @Test(arguments: [V412.id, V413Parent.id, V413.id])
    func `a record that is missing is told with the mm that its own CPU has loaded`(scheme: String) throws {
        var watch = ConformanceWatch(Replay(cpus: 2), candidates: [scheme], limit: 100)
        func at(_ time: UInt64, _ stimuli: Stimulus...) {
            for stimulus in stimuli { watch.apply(stimulus, at: Moment(time: time, cpu: stimulus.cpu, pid: Run.pid(stimulus.cpu), cause: .tlbFlush)) }
        }
        at(0, .cpuUp(cpu: 0), .cpuUp(cpu: 1))
        at(10, .user(0, a))
        at(20, .user(1, b))
        at(30, .flushRange(cpu: 0, mm: a, pages: 1))
        at(40, .user(1, a))
        at(50, .flushOthers(cpu: 0, mm: a, pages: 1))
        at(60, .deliver(cpu: 1, from: 0))
        at(70, .user(0, b))
        at(80, .deliver(cpu: 1, from: 0), .flushRange(cpu: 1, mm: a, pages: 2))
        let list = try #require(watch.finished().first)
        let missing = list.deviations.map { "\($0.moment.time) \($0.kind.rawValue) \($0.mm)" }
        #expect(
            missing == [
                "10 missing-cr3-load \(a)", "20 missing-cr3-load \(b)", "30 missing-local-flush \(a)", "40 missing-cr3-load \(a)", "50 missing-ipi \(a)",
                "60 missing-shootdown \(a)", "70 missing-cr3-load \(b)", "80 missing-local-flush \(a)",
            ])
    }

    /// docs/ci.md: CPU, reason and pages agree, and they are no more than 10 ms apart.
    @Test(arguments: [
        (FlushReason.taskSwitch, Int64(-1), UInt64(10_000_000), true), (.taskSwitch, -1, 10_000_001, false), (.localMMShootdown, 2, 10_000_000, true),
        (.localMMShootdown, 3, 0, false),
    ])
    func `a record meets its prediction if both say the same within 10 ms`(reason: FlushReason, pages: Int64, late: UInt64, isOne: Bool) throws {
        var watch = ConformanceWatch(Replay(cpus: 1), candidates: [V413.id], limit: 100)
        func at(_ time: UInt64, _ stimulus: Stimulus) { watch.apply(stimulus, at: Moment(time: time, cpu: 0, pid: Run.pid(0), cause: .tlbFlush)) }
        func record(_ time: UInt64, _ reason: FlushReason, _ pages: Int64) { Run.record(time, 0, reason: reason, pages: pages) { watch.recorded($0) } }
        at(0, .cpuUp(cpu: 0))
        at(10, .user(0, a))
        if reason == .localMMShootdown {
            record(10, .taskSwitch, everything)
            at(20, .flushRange(cpu: 0, mm: a, pages: 2))
            record(20 + late, reason, pages)
        } else {
            record(10 + late, reason, pages)
        }
        let list = try #require(watch.finished().first)
        #expect(list.deviations.count == (isOne ? 0 : 2))
        #expect(list.counts.values.allSatisfy { $0 == 1 })
    }

    /// A clock that counts no time lets them all wait.
    @Test func `however many records wait, another one is soon compared`() throws {
        var watch = ConformanceWatch(Replay(cpus: 1), candidates: [V413.id], limit: 3)
        watch.apply(.cpuUp(cpu: 0), at: Moment(time: 0, cpu: 0, pid: 0, cause: .tlbFlush))
        for number in 0..<100_000 { Run.record(UInt64(10 + number), 0, reason: .remoteShootdown, pages: Int64(number % 30)) { watch.recorded($0) } }
        // Meets one of those that wait, and not the first.
        watch.apply(.user(0, a), at: Moment(time: 100_011, cpu: 0, pid: 7, cause: .tlbFlush))
        Run.record(100_012, 0, reason: .taskSwitch, pages: everything) { watch.recorded($0) }
        let list = try #require(watch.finished().first)
        #expect(list.counts == [.unexpectedShootdown: 100_000])
        #expect(list.deviations.map(\.moment.time) == [10, 11, 12])
    }

    /// Tracepoints are silent on a CPU that is marked offline.
    @Test(arguments: [V412.id, V413Parent.id, V413.id]) func `the CR3 load of a CPU that goes down is not missing`(scheme: String) throws {
        var watch = ConformanceWatch(Replay(cpus: 1), candidates: [scheme], limit: 100)
        func at(_ time: UInt64, _ stimulus: Stimulus) { watch.apply(stimulus, at: Moment(time: time, cpu: 0, pid: Run.pid(0), cause: .tlbFlush)) }
        at(0, .cpuUp(cpu: 0))
        at(10, .user(0, a))
        Run.record(10, 0, reason: .taskSwitch, pages: everything) { watch.recorded($0) }
        at(20, .kernel(0))
        at(30, .offline(cpu: 0))
        at(40, .cpuDown(cpu: 0))
        at(50, .cpuUp(cpu: 0))
        let list = try #require(watch.finished().first)
        #expect(list.counts.isEmpty)
    }
}
