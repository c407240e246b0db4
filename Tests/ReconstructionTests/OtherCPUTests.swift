import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// What probe events tell of other CPUs than their own: loaded_mm and is_lazy (`lmN`, `lzN`) of one that has shown nothing yet.
@Suite struct OtherCPUTests {
    private static let mm: UInt64 = 0xffff_8880_0000_1000
    private static let other: UInt64 = 0xffff_8880_0000_2000
    private static let initMM: UInt64 = 0xffff_ffff_82b5_c940
    private static let task: UInt64 = 0xffff_8880_0001_0000

    /// Task 10 runs on CPU 0 with an mm. CPU 1 is idle, and had kernel thread 30 in between.
    private func script(_ release: String = "7.3.0") -> Script {
        var script = Script(release)
        script.run(30, on: 1)
        script.run(0, on: 1)
        script.run(10)
        script.probe(.swMM, next: Self.mm, task: Self.task)
        script.flush(.taskSwitch)
        return script
    }

    /// A flush of task 10, whose probe tells of CPU 1.
    private func flush(_ script: inout Script, _ mm: UInt64, isLazy: Bool) {
        script.probe(.flushRange, mm: Self.mm, other: (1, mm, isLazy))
        script.flush(.localMM, 1)
    }

    @Test func anIdleCPUHasLoadedWhatAnotherOnesProbeShows() {
        var script = script()
        script.wait(200_000)
        flush(&script, Self.other, isLazy: true)
        var notes = script.followProbes(ProbeCoverage(lazy: false))
        #expect(notes.loaded[1].isUser)
        #expect(notes.loaded[1] != notes.loaded[0])

        flush(&script, Self.mm, isLazy: true)
        // It stays with what was seen first, since no record of its own has changed it.
        #expect(script.followProbes(ProbeCoverage(lazy: false)).loaded == notes.loaded)

        script = self.script()
        script.wait(200_000)
        flush(&script, Self.initMM, isLazy: false)
        notes = script.followProbes(ProbeCoverage(lazy: false))
        #expect(notes.loaded[1] == .initMM)
    }

    /// Clocks, and a CR3 load that is under way, leave open what was first.
    @Test(arguments: [true, false]) func notNextToARecordOfTheCPU(before: Bool) {
        var script = script()
        script.wait(before ? 50_000 : 200_000)
        flush(&script, Self.mm, isLazy: true)
        script.wait(before ? 200_000 : 50_000)
        script.run(30, on: 1)
        #expect(script.followProbes(ProbeCoverage(lazy: false)).loaded[1] == .unknown)
    }

    @Test func notInAGap() {
        var script = script()
        script.wait(200_000)
        script.lose(5, on: 1)
        script.wait(200_000)
        flush(&script, Self.mm, isLazy: true)
        script.wait(200_000)
        script.run(30, on: 1)
        #expect(script.followProbes(ProbeCoverage(lazy: false)).loaded[1] == .unknown)
    }

    /// The first records of a CPU may have been overwritten.
    @Test(arguments: [true, false]) func beforeTheFirstRecordOfTheCPUOnlyIfAllAreThere(beginsEverywhere: Bool) {
        var script = Script("7.3.0")
        script.run(10)
        script.probe(.swMM, next: Self.mm, task: Self.task)
        script.flush(.taskSwitch)
        script.wait(200_000)
        flush(&script, Self.mm, isLazy: true)
        let notes = script.followProbes(ProbeCoverage(lazy: false), beginsEverywhere: beginsEverywhere)
        #expect(notes.loaded[1] == (beginsEverywhere ? notes.loaded[0] : .unknown))
    }

    /// enter_lazy_tlb() of the CPU itself.
    @Test func aSwitchToAKernelThreadShowsWhatIsLoaded() {
        var script = Script("6.12.0")
        script.run(30)
        script.probe(.enterLazy, mm: Self.other, own: Self.mm, isLazy: false)
        script.run(0)
        script.probe(.enterLazy, mm: Self.other, own: Self.mm, isLazy: true)
        #expect(script.followProbes().loaded[0].isUser)
    }

    /// Up to v4.13 an answer flushes what its sender asked for: a CPU in the middle of a switch to the mm that answers a later flush was not in the mask for this one.
    @Test(arguments: [(UInt64(1), true), (2, false)]) func anAnswerOfOtherPagesBehindASwitchIsToAnotherFlush(pages: UInt64, isIn: Bool) throws {
        var script = Script(cpus: 3)
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.fork(12, flags: Script.vm | Script.thread)
        script.run(20, on: 1, loads: true)
        script.run(12, on: 2, loads: true)
        script.beginRun(11, on: 1)
        script.flush(.localMM, 1)
        script.flush(.send, 1)
        script.flush(.remote, 1, on: 2, inIRQ: true)
        script.endRun(on: 1)
        if pages != 1 {
            script.run(0)
            script.flush(.localMM, pages, on: 2)
            script.flush(.send, pages, on: 2)
        }
        script.flush(.remote, pages, on: 1, inIRQ: true)
        script.run(0)
        let stimuli = script.infer().notes.stimuli
        let came = try #require(stimuli.lastIndex { if case .contextSwitch(1, _) = $0 { true } else { false } })
        let flushed = try #require(stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } })
        #expect((came < flushed) == isIn)
    }
}
