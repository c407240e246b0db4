import LazyTLB
@testable import Reconstruction
import Replay
import Testing

/// What a CPU had loaded behind a gap, told by what comes later, or by what does not.
@Suite struct SettlementTests {
    @Test func aTaskThatRunsBehindAGapHasItsMMLoaded() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        // The first record behind the gap names it.
        script.run(0)
        let found = script.infer()
        #expect(found.loaded() == found.mm(of: 10))
    }

    /// write() on trace_marker records the task that writes.
    @Test func aLineOfTraceMarkerBehindAGapNamesTheTaskThatRuns() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        script.mark("here")
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.loaded() == found.mm(of: 10))
    }

    /// Without the life cycle's records the first one that names a task is the one behind them.
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly]) func aRecordThatIsNotLookedAtEndsNoGap(level: EvidenceLevel) {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        script.fork(11)
        script.mark("here")
        script.flush(.localMM, 1)
        let found = script.infer(level)
        #expect(found.notes.flushes.local.map(\.mm) == found.mms(of: 10))
        #expect(found.evidence.unknownFlushes == 0)
    }

    /// switch_mm_irqs_off() records the task that goes: nothing says who has come, but the next record.
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly]) func theEndOfASwitchThatIsMissingEndsNoGap(level: EvidenceLevel) {
        var script = Script()
        script.run(10, loads: true)
        script.run(20, loads: true)
        script.lose(3)
        script.flush(.taskSwitch)
        script.flush(.localMM, 1, pid: 10)
        let found = script.infer(level)
        #expect(found.notes.flushes.local.map(\.mm) == found.mms(of: 10))
        #expect(found.evidence.unknownFlushes == 0)
    }

    @Test func aTaskThatDiesBehindAGapMayHaveGivenItsMMUp() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        script.exit()
        script.run(0, state: 0x40)
        #expect(script.infer().loaded() == .unknown)
    }

    /// flush_tlb_func() writes no REMOTE_SHOOTDOWN on a lazy CPU, which one is behind exit_mm().
    @Test func aTaskThatAnswersAFlushBehindAGapHasItsMMStill() {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.run(10, loads: true)
        script.lose(3)
        script.flush(.remote, 2, inIRQ: true, pid: 10)
        script.exit()
        script.run(0, state: 0x40)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.notes.count { if case .observe(0, found.mm(of: 10)!, lazy: false, _) = $0 { true } else { false } } == 1)
    }

    /// Its name tells of the exec when it comes in again. What it flushed meanwhile may be the new mm.
    @Test(arguments: [false, true]) func theMMOfATaskThatExecdInAGapIsNotTheOneThatItsFlushesTellOf(execs: Bool) {
        var script = Script()
        script.name(10, "app")
        script.run(20, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(20, loads: true)
        script.fork(10)
        script.run(10, loads: true)
        script.fork(12, flags: Script.vm | Script.thread)
        script.lose(3)
        script.lose(3, on: 1)
        script.flush(.localMM, pid: 10)
        script.flush(.send)
        script.flush(.taskSwitch, on: 1, inIRQ: true, pid: 0)
        script.run(0)
        if execs { script.name(10, "tool") }
        script.run(10)
        let found = script.infer()
        #expect(found.notes.count { if case .observe(1, _, _, _) = $0 { true } else { false } } == (execs ? 0 : 1))
    }

    @Test func aLaterSwitchThatLeavesCR3AloneTellsWhatAnIdleCPUHadLoadedSinceTheGap() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        script.run(30, from: 0)
        script.run(0)
        script.run(10)
        script.flush(.localMM, 1)
        let found = script.infer()
        let gap = found.notes.stimuli.firstIndex { if case .forget = $0 { true } else { false } }
        let told = found.notes.stimuli.firstIndex { if case .observe = $0 { true } else { false } }
        guard let gap, let told else {
            Issue.record("nothing was observed")
            return
        }
        // At once: before the switch to the kernel thread.
        #expect(told == gap + 1)
        if case .observe(_, let mm, let lazy, _) = found.notes.stimuli[told] {
            #expect(mm == found.mm(of: 10))
            #expect(lazy)
        }
    }

    @Test func aCR3LoadTellsNothingOfWhatWasLoadedBeforeIt() {
        var script = Script()
        script.run(10, loads: true)
        script.run(20, on: 1, loads: true)
        script.lose(3)
        script.run(0, from: 30)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.notes.count { if case .observe = $0 { true } else { false } } == 0)
    }

    /// The idle CPU 0 answers nobody, so it has no process's mm.
    @Test func aLazyCPUThatAnswersNoFlushHasInitMMLoaded() {
        let found = eliminated(flushes: true)
        #expect(found.notes.count { if case .observe(0, .initMM, _, _) = $0 { true } else { false } } == 1)
    }

    /// Under the old bookkeeping its active_mm may be any that it has left. Under v4.13 CR3 is all there is.
    @Test func whichActiveMMALazyCPUWithInitMMNamesIsNotKnown() {
        var replay = Replay(cpus: 3)
        // The last one is the switch to another mm.
        for stimulus in eliminated(flushes: true).notes.stimuli.dropLast() {
            replay.apply(stimulus, at: Moment(time: 1, cpu: stimulus.cpu, pid: 1, cause: .schedSwitch))
        }
        #expect(replay.v412.scheme.bookedMM(0) == .unknown)
        #expect(replay.v413.scheme.bookedMM(0) == .initMM)
    }

    @Test func anMMThatNobodyFlushedMayBeTheOneThatALazyCPUBorrows() {
        let found = eliminated(flushes: false)
        #expect(found.notes.count { if case .observe(0, _, _, _) = $0 { true } else { false } } == 0)
    }

    private func eliminated(flushes: Bool) -> Inference {
        var script = Script(cpus: 3)
        for cpu in [1, 2] { script.run(10 + Int32(cpu), on: cpu, loads: true) }
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.fork(12, flags: Script.vm | Script.thread)
        script.name(3, "ksoftirqd/0")
        script.run(3)
        script.lose(3)
        script.run(0)
        if flushes {
            script.flush(.localMM, 2, on: 1)
            script.flush(.send, 2, on: 1)
            script.flush(.remote, 2, on: 2, inIRQ: true)
            script.flush(.localMM, 5, on: 1)
        }
        script.run(20, loads: true)
        return script.infer()
    }

    @Test func aNewNameBehindAGapIsAnExec() {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.name(10, "app")
        script.run(10, loads: true)
        script.run(0)
        script.lose(3)
        script.name(10, "tool")
        script.run(10, loads: true, from: 20)
        let found = script.infer()
        #expect(found.mms(of: 10).count == 2)
        #expect(found.mms(of: 10)[1].isUser)
        #expect(found.mms(of: 10)[0] != found.mms(of: 10)[1])
    }

    @Test func aThreadThatRenamesItselfInAGapKeepsItsMM() {
        var script = Script()
        script.run(20, loads: true)
        script.exec("app")
        script.fork(10, flags: Script.vm | Script.thread)
        script.run(10)
        script.lose(3)
        script.name(10, "worker")
        script.run(10, from: 20)
        let found = script.infer()
        #expect(Set(found.mms(of: 10)).count == 1)
        #expect(found.mm(of: 10)?.isUser == true)
    }

    /// A filter may leave out the switch, and with it what the task did behind it.
    @Test func aNewNameBehindABrokenChainIsAnExec() {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.name(10, "app")
        script.run(10, loads: true)
        script.run(0)
        script.run(20, loads: true, from: 30)
        script.name(10, "tool")
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.evidence.gaps == 0 && found.evidence.brokenChains == 1)
        #expect(found.mms(of: 10).count == 2)
        #expect(found.mms(of: 10)[1].isUser)
        #expect(found.mms(of: 10)[0] != found.mms(of: 10)[1])
    }

    /// exec loads CR3, renames the task, and goes on; the task comes in under the new name later, which is no second exec.
    @Test func anExecWhoseNewNameIsLostIsOne() throws {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.name(10, "app")
        script.run(10, loads: true)
        script.flush(.taskSwitch)
        script.lose(1)
        script.execOf(10)
        script.flush(.localMM, 1)
        script.run(0)
        script.name(10, "tool")
        script.run(10)
        let found = script.infer()
        let flushed = try #require(found.notes.flushes.local.last?.mm)
        #expect(flushed.isUser && found.mms(of: 10) == [found.mms(of: 10)[0], flushed])
        #expect(found.mms(of: 10)[0] != flushed)
    }

    /// That it dies later says nothing of the moment behind the gap.
    @Test func whoForksBehindAGapHasItsMMThen() {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.run(10, loads: true)
        script.lose(3)
        script.fork(11, by: 10)
        script.exit()
        script.run(0, state: 0x40)
        let found = script.infer()
        #expect(found.notes.count { if case .observe(0, _, false, _) = $0 { true } else { false } } == 1)
    }

    /// It answers a flush of another process: it has given its mm up, or has another.
    @Test func ofTwoMMsThatACPUSeemsToHaveBehindAGapTheTasksIsNotTakenForGranted() {
        var script = Script()
        script.run(20, loads: true)
        script.fork(10)
        script.fork(11)
        script.run(10, loads: true)
        script.run(11, on: 1, loads: true)
        script.lose(3, on: 1)
        script.flush(.localMM, 2)
        script.flush(.send, 2)
        script.flush(.remote, 2, on: 1, inIRQ: true, pid: 11)
        let found = script.infer()
        #expect(found.notes.count { if case .observe(1, found.mm(of: 11)!, _, _) = $0 { true } else { false } } == 0)
    }

    /// exit_mmap(): the CR3 load is that of a task that has run exit_mm(), whether or not a record says so.
    @Test func whoTearsItsMMDownBetweenTwoGapsHasNone() {
        var script = Script()
        script.run(10, loads: true)
        script.flush(.localMM, 1)
        script.lose(3)
        script.flush(.taskSwitch, pid: 10)
        script.flush(.send)
        script.lose(3)
        #expect(script.infer().notes.count { if case .observe = $0 { true } else { false } } == 0)
    }

    @Test func aGapThatBeginsLaterHasSuspectsAndWitnessesOfItsOwn() {
        var elimination = Elimination(cpus: 2)
        elimination.begin(0)
        elimination.suspect(5)
        elimination.begin(1)
        elimination.suspect(5)
        elimination.end(0)
        elimination.clear(5)
        elimination.end(1)
        elimination.clear(5)
        for cpu in 0..<2 {
            let witness = elimination.take(cpu)
            #expect(witness?.suspects == [5] && witness?.cleared == [5])
        }
    }
}

/// Tasks that never meet on a CPU, and whose births are not in the trace: related by who answers whose flushes.
@Suite struct AnswerTests {
    @Test func aTaskThatAnswersLessOftenThanNotHasAnotherMM() {
        var script = Script()
        script.run(10, loads: true)
        script.run(20, on: 1, loads: true)
        for _ in 0..<8 {
            script.flush(.localMM, 2)
            script.flush(.send, 2)
        }
        // Once another CPU's flush, which is not in the trace, is answered just then.
        script.flush(.localMM, 2)
        script.flush(.send, 2)
        script.flush(.remote, 2, on: 1, inIRQ: true)
        seen(&script)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 20)?.isUser == true)
        #expect(found.mm(of: 10) != found.mm(of: 20))
    }

    @Test func aTaskThatAnswersHasTheSendersMM() {
        var script = Script()
        script.run(10, loads: true)
        script.run(20, on: 1, loads: true)
        script.flush(.localMM, 2)
        script.flush(.send, 2)
        script.flush(.remote, 2, on: 1, inIRQ: true)
        seen(&script)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 10) == found.mm(of: 20))
    }

    /// It may be to another flush, of which the record is missing.
    @Test(arguments: [false, true]) func anAnswerJoinsNobodyIfRecordsWereMissingSinceTheFlushBegan(isMissing: Bool) {
        var script = Script(cpus: 3)
        script.run(30, on: 2, loads: true)
        if !isMissing { lose(&script) }
        script.run(10, loads: true)
        script.run(20, on: 1, loads: true)
        script.flush(.localMM, 2)
        script.flush(.send, 2)
        if isMissing { script.lose(1, on: 2) }
        script.flush(.remote, 2, on: 1, inIRQ: true)
        if isMissing { script.run(0, on: 2, from: 30) }
        seen(&script)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect((found.mm(of: 20) == found.mm(of: 10)) != isMissing)
    }

    private func lose(_ script: inout Script) {
        script.lose(1, on: 2)
        script.run(0, on: 2, from: 30)
    }

    @Test func anAnswerToOneOfTwoThreadsOfAProcessJoinsItsTaskToThatProcess() {
        var script = Script(cpus: 3)
        script.run(10, loads: true)
        script.exec("app")
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(20, on: 2, loads: true)
        // That births may be missing shows by a gap.
        script.lose(1)
        script.run(10, loads: true, from: 0)
        for cpu in [0, 1] {
            script.flush(.localMM, 2, on: cpu)
            script.flush(.send, 2, on: cpu)
        }
        script.flush(.remote, 2, on: 2, inIRQ: true)
        seen(&script)
        let found = script.infer()
        #expect(found.mm(of: 11)?.isUser == true)
        #expect(found.mm(of: 20) == found.mm(of: 11))
    }

    /// Switches for ``Inference/mm(of:)`` to see, on the CPUs where the tasks are.
    private func seen(_ script: inout Script) {
        for cpu in [0, 1] { script.run(0, on: cpu) }
    }
}
