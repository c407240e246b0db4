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
}
