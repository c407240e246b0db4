import LazyTLB
import Testing

@testable import Reconstruction

/// Records that no kernel writes. Most of these were found by tools/fuzz.
@Suite struct UntrustedTests {
    /// -1 is also what stands for a task that is not known.
    @Test(arguments: [-1, Int32.min])
    func aNegativePIDIsATaskLikeAnyOther(pid: Int32) {
        for level in [EvidenceLevel.noProbes, .switchesOnly] {
            var script = Script()
            // The first record of its CPU, and one behind a gap.
            script.flush(.localMM, 5, on: 0, pid: pid)
            script.run(10, on: 1, loads: true, from: pid)
            script.lose(3, on: 1)
            script.run(11, on: 1, loads: true, from: pid)
            script.run(pid, on: 1, loads: true)
            script.flush(.localMM, 1, on: 1)
            script.run(0, on: 1)
            let found = script.infer(level)
            #expect(found.notes.switches.map(\.pid) == [10, 11, pid, 0])
        }
    }

    @Test func numbersOfLostEventsDoNotBeginAgainAtZero() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(.max)
        script.run(11, loads: true)
        script.lose(5)
        script.run(12, loads: true)
        #expect(script.infer().evidence.lostEvents == .max)
    }

    /// Two CPUs of which nothing is known for most of what 64 bits can count.
    @Test func unknownTimeIsAtMostWhatSixtyFourBitsHold() {
        var cpus = ObservedCPUs(cpus: 3, start: 0)
        _ = cpus.load(0, .initMM, at: .max - 1)
        cpus.finish(at: .max)
        #expect(cpus.unknownTime == .max)
    }
}
