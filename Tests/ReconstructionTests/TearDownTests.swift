import LazyTLB
@testable import Reconstruction
import Testing

/// The flushes of exit_mmap(), of which v4.20 and later record nothing but a SEND_IPI while lazy CPUs are in the mask: the mm is the one that the task had.
@Suite struct TearDownTests {
    /// Process 10 on CPU 0 has been on CPU 1, too, which is lazy now and has its mm loaded; 20 and 30 are others.
    private func script(_ release: String) -> Script {
        var script = Script(release, cpus: 3)
        script.run(5, loads: true)
        for child: Int32 in [10, 20, 30] { script.fork(child) }
        script.run(10, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(10, loads: true)
        script.run(20, on: 2, loads: true)
        return script
    }

    private func die(_ script: inout Script) { script.run(0, state: 0x10) }

    /// Remote halves by process; -1 where it is unknown.
    private func remote(_ script: Script, _ level: EvidenceLevel = .noProbes) -> [Int32] {
        let found = script.infer(level)
        let mms: [(mm: MM?, pid: Int32)] = [10, 20, 30].map { (found.mms(of: $0).first, $0) }
        return found.notes.flushes.remote.map { flush in mms.first { flush.mm.isUser && $0.mm == flush.mm }?.pid ?? -1 }
    }

    /// tlb_is_not_lazy() spares the sender, too, until page tables are freed.
    @Test(arguments: ["5.15.0", "6.1.0", "6.12.0"], [EvidenceLevel.noProbes, .switchesOnly])
    func theSenderIsLazyUntilItsLastFlush(_ release: String, _ level: EvidenceLevel) {
        var script = script(release)
        script.flush(.send)
        script.flush(.send)
        script.flush(.send)
        script.flush(.taskSwitch)
        script.exit()
        die(&script)
        #expect(remote(script, level) == [10, 10, 10])
        // It has run exit_mm() before the first of them.
        let stimuli = script.infer(level).notes.stimuli
        let exit = stimuli.firstIndex { if case .exitMM(0) = $0 { true } else { false } }
        let flush = stimuli.firstIndex { if case .flushRange(0, _, _) = $0 { true } else { false } }
        #expect(exit != nil && flush != nil && exit! < flush!)
    }

    /// The same records of a task that goes on: a batch of whoever it reclaims from.
    @Test(arguments: ["6.1.0", "6.12.0"])
    func aTaskThatLivesTearsNothingDown(_ release: String) {
        var script = script(release)
        script.flush(.send)
        script.flush(.send)
        script.run(0)
        script.run(10)
        #expect(!remote(script).contains(10))
        #expect(!script.infer().notes.stimuli.contains { if case .exitMM(0) = $0 { true } else { false } })
    }

    /// tlb_is_not_lazy() spares the sender, too: if it had an mm still, there would be a local half. It is preempted on its way, and the trace ends before it does.
    @Test(arguments: ["5.15.0", "6.1.0", "6.12.0"], [false, true]) func whoFlushesWithoutALocalHalfHasGivenItsMMUpUnlessItShowsItAgain(_ release: String, shows: Bool) {
        var script = script(release)
        script.run(0)
        script.run(10)
        script.flush(.send)
        script.run(0, state: 0)
        script.run(10)
        if shows { script.flush(.localMM, 1) }
        script.run(0, state: 0)
        let found = script.infer()
        let mm = found.mms(of: 10).first
        #expect(mm?.isUser == true)
        #expect(found.mms(of: 10).dropFirst(2) == (shows ? [mm!, mm!] : [mm!, .none]))
        #expect(found.notes.flushes.remote.contains { $0.mm == mm && $0.pages == Stimulus.flushAll } == !shows)
        #expect(found.notes.stimuli.contains { if case .exitMM(0) = $0 { true } else { false } } == !shows)
    }

    /// Its first flush makes it leave the mm (v4.20 to v5.12: always; later if it frees page tables), but there are more.
    @Test(arguments: ["4.20.0", "5.10.0", "6.12.0", "6.18.0", "7.3.0"])
    func itGoesOnBehindTheFlushThatMadeItLeave(_ release: String) {
        var script = script(release)
        let isLate = KernelRules(release: release).exitsBeforeMM
        let sendsFirst = KernelRules(release: release).sendsFirst
        if isLate { script.exit() }
        if sendsFirst { script.flush(.send) }
        script.flush(.taskSwitch)
        if !sendsFirst { script.flush(.send) }
        script.flush(.send)
        script.flush(.send)
        if !isLate { script.exit() }
        die(&script)
        #expect(remote(script) == [10, 10, 10])
    }

    /// From v6.16 on sched_process_exit comes first; the task is preempted, and comes in again behind another process.
    @Test(arguments: ["6.18.0", "7.3.0"])
    func itIsStillItsOwnMMBehindAnotherProcess(_ release: String) {
        var script = script(release)
        script.exit()
        script.flush(.send)
        script.run(30, loads: true, state: 0)
        script.run(10, state: 0)
        script.flush(.send)
        die(&script)
        #expect(remote(script) == [10, 10])
    }

    /// Before that only the next record of its death tells that it had none any more when it came in behind another process.
    @Test(arguments: ["6.1.0", "6.12.0"])
    func theSameWhereItsExitIsRecordedInTheEnd(_ release: String) {
        var script = script(release)
        script.run(30, loads: true, state: 0)
        script.run(10, state: 0)
        script.flush(.send)
        script.exit()
        die(&script)
        #expect(remote(script) == [10])
    }
}
