import LazyTLB
@testable import Reconstruction
import Testing

/// A virtual CPU that stands still in the middle of a switch, between its sched_switch and its TASK_SWITCH record. It takes no IPI there.
@Suite struct LongSwitchTests {
    /// Threads 10 and 11 on CPUs 0 and 1; the latter is on its way to the process 20.
    private func script(_ release: String, standsStill: UInt64, isLazy: Bool = false) -> Script {
        var script = Script(release)
        script.run(10, loads: true)
        script.fork(20)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        if isLazy { script.run(0, on: 1) }
        script.beginRun(20, on: 1)
        script.wait(standsStill)
        return script
    }

    /// Whether CPU 1 has switched before CPU 0 flushes the others.
    private func hasLeft(_ script: Script) throws -> Bool {
        let stimuli = script.infer().notes.stimuli
        let left = try #require(stimuli.lastIndex { if case .contextSwitch(1, _) = $0 { true } else { false } })
        let flushed = try #require(stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } })
        return left < flushed
    }

    /// The kernel would have written SEND_IPI if any other CPU had been in the mask.
    @Test(arguments: ["4.12.0", "4.13.0", "5.10.0", "6.1.0"]) func whoSendsNothingFindsNobodyInTheMask(_ release: String) throws {
        var script = script(release, standsStill: 4_000_000)
        script.flush(.localMM, 1)
        script.endRun(on: 1)
        #expect(try hasLeft(script))
    }

    /// smp_call_function_many() waits until all have answered. From v5.13 on the sender's own half comes meanwhile, before that in front of it.
    @Test(arguments: ["4.13.0", "5.10.0", "6.1.0"], [true, false]) func whoGoesOnHasNotSentToACPUThatStandsStill(_ release: String, goesOn: Bool) throws {
        var script = script(release, standsStill: 4_000_000)
        let halves: [Script.Reason] = release == "6.1.0" ? [.send, .localMM] : [.localMM, .send]
        for half in halves { script.flush(half, 1) }
        if goesOn { script.run(0) }
        script.endRun(on: 1)
        if !goesOn { script.run(0) }
        #expect(try hasLeft(script) == goesOn)
    }

    /// Since v4.20 a lazy CPU in the mask is spared.
    @Test func ofALazyOneThatSaysNothing() throws {
        var script = script("6.1.0", standsStill: 4_000_000, isLazy: true)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.run(0)
        script.endRun(on: 1)
        #expect(try !hasLeft(script))
    }

    /// A switch back from the idle task to a thread of the mm that is still loaded: it flushes, since others have done so meanwhile. The CPU is lazy, and spared, until it begins to.
    @Test(arguments: ["5.10.0", "6.1.0", "7.3.0"], [UInt64(0), 4_000_000]) func whoComesBackIsLazyAsLongAsItStandsStill(_ release: String, standsStill: UInt64) throws {
        var script = Script(release)
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(0, on: 1)
        script.beginRun(11, on: 1)
        let halves: [Script.Reason] = release == "5.10.0" ? [.localMM, .send] : [.send, .localMM]
        for half in halves { script.flush(half, 1) }
        script.wait(standsStill)
        script.run(0)
        script.endRun(on: 1)
        // The older schemes' IPI finds a lazy CPU then.
        let stimuli = script.infer().notes.stimuli
        let back = try #require(stimuli.lastIndex { if case .contextSwitch(1, _) = $0 { true } else { false } })
        let flushed = try #require(stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } })
        #expect((flushed < back) == (standsStill > 0))
    }

    /// Clocks of CPUs agree within less, and records come in another order than what they tell of.
    @Test func aShortSwitchIsAsItsRecordsSay() throws {
        var script = script("6.1.0", standsStill: 0)
        script.flush(.localMM, 1)
        script.endRun(on: 1)
        #expect(try !hasLeft(script))
    }
}
