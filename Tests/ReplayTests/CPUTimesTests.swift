import Dispatch
import LazyTLB
import Reconstruction
import TestSupport
import Testing

@testable import Replay

/// The times in each state that a replay sums up on its short ways, beside those that come of looking at all CPUs behind each stimulus.
struct CPUTimesTests {
    /// What the schemes have loaded, and the tasks have, on each CPU.
    private func state(_ replay: Replay, _ scheme: Int, _ cpu: Int) -> WritableKeyPath<StateTimes, UInt64>? {
        let loaded = [replay.v412.scheme.loadedMM(cpu), replay.v413Parent.scheme.loadedMM(cpu), replay.v413.scheme.loadedMM(cpu)][scheme]
        if loaded == .initMM { return \.initMM }
        let mm = replay.machine.mm[cpu]
        guard loaded.isUser, mm != .unknown else { return nil }
        return mm == .none ? \.lazy : \.user
    }

    @Test(arguments: Array(1...12) as [UInt64])
    func itIsTheTimeThatEachStateLasts(seed: UInt64) throws {
        let cpus = seed % 4 == 0 ? 70 : 4
        var replay = Replay(cpus: cpus)
        let queue = DispatchQueue(label: "test")
        var pipelined = PipelinedReplay(Replay(cpus: cpus), on: queue)
        var expected = [StateTimes](repeating: StateTimes(), count: 3)
        var (last, length) = (UInt64(0), 400)
        func look(until time: UInt64) {
            for scheme in 0..<3 {
                for cpu in 0..<cpus { if let state = state(replay, scheme, cpu) { expected[scheme][keyPath: state] += time - last } }
            }
            last = time
        }
        if seed % 3 == 0 { length = 800 }
        // Xen's exits take an mm out of CR3 behind the bookkeeping's back.
        for (number, step) in RandomHistory(seed: seed, cpus: cpus, length: length, xen: seed % 2 == 0).steps.enumerated() {
            let cpu = step.stimulus.cpu
            let time = UInt64(number) * (7 + seed) * 100
            look(until: time)
            if let batch = step.batch {
                replay.setBatch(batch, cpu: cpu)
                pipelined.setBatch(batch, cpu: cpu)
            }
            // Now and then all that is known of a CPU is lost, until it switches or shows what it has.
            for stimulus in (number % 97 == 50 ? [.forget(cpu: cpu)] : []) + [step.stimulus] {
                let moment = Moment(time: time, cpu: cpu, pid: 0, cause: .other)
                replay.apply(stimulus, at: moment)
                pipelined.apply(stimulus, at: moment)
            }
        }
        look(until: last + 1_000_000)
        for var replay in [replay, pipelined.result()] {
            replay.finish(at: last)
            #expect(replay.summaries.map(\.times) == expected)
        }
        #expect(expected.allSatisfy { $0.user > 0 && $0.lazy > 0 && $0.initMM > 0 })
    }

    /// From the moment at which a CPU is marked offline no record tells what it has loaded: not lazy, and not init either, until idle_task_exit() is known to have been run. (docs/inference.md)
    @Test func ofACPUThatMayBeDownItIsUnknown() throws {
        let mm = MM(5)
        var replay = Replay(cpus: 2)
        var pipelined = PipelinedReplay(Replay(cpus: 2), on: DispatchQueue(label: "test"))
        func drive(_ sink: inout some StimulusSink) {
            func moment(_ time: UInt64) -> Moment { Moment(time: time, cpu: 0, pid: 0, cause: .schedSwitch) }
            sink.apply(.observe(cpu: 0, mm: mm, lazy: false, mask: true), at: moment(0))
            sink.apply(.contextSwitch(cpu: 0, mm: mm), at: moment(1000))
            sink.apply(.contextSwitch(cpu: 0, mm: .none), at: moment(3000))
            // The last flush that finds it online.
            sink.apply(.observe(cpu: 1, mm: mm, lazy: false, mask: true), at: moment(5000))
            sink.apply(.flushOthers(cpu: 1, mm: mm, pages: 1), at: moment(6000))
            sink.apply(.offline(cpu: 0), at: moment(7000))
            sink.mayBeDown(0, at: 7000)
            sink.apply(.deliver(cpu: 0, from: 1), at: moment(10000))
            sink.apply(.cpuDown(cpu: 0), at: moment(15000))
            sink.apply(.forget(cpu: 1), at: moment(15000))
        }
        drive(&replay)
        drive(&pipelined)
        for var replay in [replay, pipelined.result()] {
            replay.finish(at: 31000)
            for times in replay.summaries.map(\.times) { #expect((times.lazy, times.initMM) == (4000, 16000)) }
        }
    }
}
