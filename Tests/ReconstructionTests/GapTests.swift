import LazyTLB
@testable import Reconstruction
import Testing

/// Where records are missing: nothing is invented, and the next evidence ends it.
@Suite struct GapTests {
    @Test func aCPUsMMIsUnknownBeforeTheFirstEvidence() {
        var script = Script()
        script.run(50)
        script.run(60)
        let found = script.infer()
        #expect(found.loaded() == .unknown)
        #expect(found.evidence.unknown == 2)
        #expect(found.evidence.unknownTime > 0)
    }

    @Test func aBrokenChainMakesTheLoadedMMUnknownUntilEvidenceComes() {
        var script = Script()
        script.run(10, loads: true)
        script.run(0, from: 40)
        let broken = script.infer()
        #expect(broken.evidence.brokenChains == 1)
        #expect(broken.loaded() == .unknown)
        #expect(broken.notes.count { if case .forget(0) = $0 { true } else { false } } == 1)

        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.loaded() == found.mm(of: 10))
        #expect(found.loaded().isUser)
    }

    @Test func lostEventsMakeTheLoadedMMUnknownUntilEvidenceComes() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(17)
        let lost = script.infer()
        #expect(lost.evidence.gaps == 1)
        #expect(lost.evidence.lostEvents == 17)
        #expect(lost.loaded() == .unknown)

        script.run(0, from: 40)
        script.run(10, loads: true)
        let found = script.infer()
        // Another task before it is no broken chain: the gap has told already.
        #expect(found.evidence.brokenChains == 0)
        #expect(found.loaded() == found.mm(of: 10))
    }

    @Test func aLocalFlushTellsWhatACPUHasLoadedBehindAGap() {
        var script = Script()
        script.run(10, loads: true)
        script.run(0)
        script.run(10)
        script.lose(3)
        script.flush(.localMM, 1, pid: 10)
        let found = script.infer()
        #expect(found.loaded() == found.mm(of: 10))
        #expect(found.loaded().isUser)
    }

    @Test func anAnswerTellsWhatACPUHasLoadedBehindAGap() {
        var script = Script()
        script.run(10, loads: true)
        script.run(10, on: 1, loads: true)
        script.lose(3, on: 1)
        script.flush(.localMM, 2)
        script.flush(.send, 2)
        script.flush(.remote, 2, on: 1, inIRQ: true, pid: 10)
        let found = script.infer()
        #expect(found.loaded(1) == found.mm(of: 10))
        #expect(found.notes.count { if case .observe(1, _, _, _) = $0 { true } else { false } } == 1)
    }

    @Test func aSwitchWithoutACR3LoadBehindAGapTellsTheLoadedMM() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(3)
        script.run(10, from: 0)
        let found = script.infer()
        #expect(found.loaded() == found.mm(of: 10))
    }

    @Test func aCPUThatGoesOfflineComesBackWithInitMM() {
        var script = Script()
        script.name(15, "migration/0")
        script.run(10, loads: true)
        script.run(15)
        script.wait(1_000_000)
        script.run(15, from: 0)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.evidence.brokenChains == 0)
        let order = found.notes.stimuli.compactMap { stimulus -> String? in
            switch stimulus {
            case .offline: "offline"
            case .cpuDown: "down"
            case .cpuUp: "up"
            default: nil
            }
        }
        #expect(order == ["offline", "down", "up"])
        #expect(Set(found.mms(of: 10)).count == 1)
        #expect(found.loaded() == found.mm(of: 10))
    }

    /// set_event_pid leaves out switches between other tasks: that of the stopper thread, which has pushed a task away, to the idle task. A CPU that comes back does so with its stopper
    /// (279 of 279 times in 25 recordings).
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly]) func aFilterDoesNotTakeACPUOff(_ level: EvidenceLevel) {
        var script = Script()
        script.name(15, "migration/0")
        script.run(10, loads: true)
        script.run(15)
        script.wait(1_000_000)
        script.run(11, loads: true, from: 0)
        script.run(15)
        script.run(10, loads: true)
        let found = script.infer(level)
        #expect(found.evidence.brokenChains == 1)
        #expect(found.notes.count { if case .cpuDown = $0 { true } else { false } } == 0)
    }

    /// Threads of one process run on both CPUs, then the stopper thread on the first.
    private func stopped(_ release: String) -> Script {
        var script = Script(release)
        script.name(15, "migration/0")
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(15)
        return script
    }

    /// It is in the mask of an mm that it had (v6.14 and later, where masks are cleared late), and answers a flush before its first switch.
    @Test func aCPUThatComesBackMayAnswerFirst() {
        var script = stopped("6.18.0")
        script.wait(1_000_000)
        script.flush(.send, 1, on: 1)
        script.flush(.wrongCPU, 0, inIRQ: true, pid: 0)
        script.flush(.localMM, 1, on: 1)
        script.run(15, from: 0)
        script.run(0)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.evidence.brokenChains == 0)
        #expect(found.notes.count { if case .forget = $0 { true } else { false } } == 0)
        #expect(found.notes.count { if case .cpuUp = $0 { true } else { false } } == 1)
    }

    /// The trace ends before it comes back: a flush without a SEND_IPI shows that it is out of the mask, else the time.
    @Test(arguments: [("4.12.0", 1_000), ("6.1.0", 1_000), ("6.14.0", 60_000_000)] as [(String, UInt64)]) func aCPUMayStayOff(_ release: String, wait: UInt64) {
        var script = stopped(release)
        script.wait(wait)
        script.flush(.localMM, 1, on: 1)
        let found = script.infer()
        #expect(found.loaded(0) == .initMM)
        #expect(found.loaded(1) == found.mm(of: 10))
        #expect(found.notes.count { if case .cpuDown(0) = $0 { true } else { false } } == 1)
    }

    /// The stopper thread runs while the trace ends.
    @Test func aCPUWhoseLastRecordIsItsStoppersIsNotOffAtOnce() {
        var script = stopped("6.14.0")
        script.flush(.localMM, 1, on: 1)
        #expect(script.infer().loaded(0) == script.infer().mm(of: 10))
        // But it may be.
        #expect(script.infer().notes.unsure.map(\.cpu) == [0])
    }

    /// idle_task_exit() has nothing to switch away from.
    @Test func aCPUThatGoesOffWithInitMMIsKnownToHaveThat() {
        var script = Script("4.12.0")
        script.name(15, "migration/0")
        script.run(10, loads: true)
        script.run(0)
        script.flush(.taskSwitch)
        script.run(15)
        script.wait(1_000_000)
        script.run(15, from: 0)
        script.run(10, loads: true)
        let notes = script.infer().notes
        #expect(notes.unsure.isEmpty)
        #expect(notes.count { $0 == .cpuDown(cpu: 0) } == 1)
    }

    /// Between the moment that a CPU is marked offline and idle_task_exit() it is in the mask: a sender finds it there and writes SEND_IPI, though it interrupts nobody.
    @Test(arguments: [true, false]) func aCPUOnItsWayOffIsStillInTheMask(sends: Bool) throws {
        var script = stopped("4.12.0")
        if sends {
            script.flush(.localMM, 3, on: 1)
            script.flush(.send, 3, on: 1)
        }
        script.flush(.localMM, 2, on: 1)
        script.flush(.localMM, 1, on: 1)
        script.wait(1_000_000)
        script.run(15, from: 0)
        script.run(10, loads: true)
        let notes = script.infer().notes
        // All that while nothing tells what it has loaded.
        #expect(notes.unsure.map(\.cpu) == [0])
        let unsure = try #require(notes.unsure.first)
        #expect(notes.stimuli[unsure.after - 1] == .offline(cpu: 0))
        #expect(notes.stimuli[unsure.after...].first { $0.cpu == 0 } == .cpuDown(cpu: 0))
        let steps = notes.stimuli.compactMap { stimulus -> String? in
            switch stimulus {
            case .offline: "offline"
            case .cpuDown: "down"
            case .cpuUp: "up"
            case .flushOthers(_, _, let pages): "\(pages)"
            default: nil
            }
        }
        // The first flush without a SEND_IPI shows that it is out.
        #expect(steps == (sends ? ["offline", "3", "down", "2", "1", "up"] : ["offline", "down", "2", "1", "up"]))
    }

    @Test func aPIDThatOnlyARecordInTheMiddleNamesBreaksTheChain() {
        var script = Script()
        script.run(10, loads: true)
        script.flush(.localMM, 1, pid: 20)
        let found = script.infer()
        #expect(found.evidence.brokenChains == 1)
    }

    /// A thread that execs takes the pid of its dead leader, and of no other task (de_thread(), fs/exec.c).
    @Test(arguments: [true, false]) func onlyTheDeadLeadersPIDComesBackWithoutASwitch(isLeader: Bool) {
        var script = Script()
        script.run(isLeader ? 10 : 20, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(10, on: 1, loads: true)
        script.run(11)
        script.exit(on: 1)
        script.run(0, on: 1, state: 0x40)
        script.run(0, from: 10)
        #expect(script.infer().evidence.brokenChains == (isLeader ? 0 : 1))
    }

    @Test func aCR3LoadWhoseSwitchIsLostIsNoExec() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(1)
        script.flush(.taskSwitch, pid: 10)
        script.flush(.localMM, 1, pid: 20)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(Set(found.mms(of: 10)).count == 1)
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == 0)
    }

    @Test func anExecDirectlyBehindAGapIsOne() {
        var script = Script()
        script.run(10, loads: true)
        script.lose(1)
        script.exec("tool")
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(Set(found.mms(of: 10)).count == 2)
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == 1)
    }

    @Test func aSwitchWhoseCR3LoadMayBeLostJoinsNothing() {
        var script = Script()
        for _ in 0..<5 {
            script.run(10, loads: true)
            script.run(20)
            script.lose(1)
        }
        script.run(20, loads: true)
        script.run(10)
        script.lose(1)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 20)?.isUser == true)
        #expect(found.mm(of: 10) != found.mm(of: 20))
    }

    /// The end of the trace may lie in the middle of a switch.
    @Test func aSwitchWhoseCR3LoadMayBeCutOffJoinsNothing() {
        for isLast in [true, false] {
            var script = Script()
            script.run(10, loads: true)
            script.run(20)
            if !isLast { script.flush(.localMM, 1) }
            let found = script.infer()
            #expect(found.mm(of: 10)?.isUser == true)
            #expect((found.mm(of: 20) == found.mm(of: 10)) == !isLast)
        }
    }

    @Test func aTaskThatWasBornInAGapMayShareAnMMThatTheLifeCycleTells() {
        var script = Script()
        script.run(10, loads: true)
        script.exec("app")
        script.run(0)
        script.lose(1)
        script.run(10, loads: true, from: 20)
        script.run(11)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.mm(of: 11) == found.mm(of: 10))
    }

    /// A reclaiming task flushes pages of other processes: beside a task whose birth is lost that may look like one mm.
    @Test func aTaskThatWasBornInAGapJoinsNoTwoMMsThatTheLifeCycleTellsApart() {
        var script = Script()
        script.run(10, loads: true)
        script.exec("app")
        script.run(20, loads: true)
        script.exec("other")
        script.run(0)
        script.lose(1)
        for user in [Int32(10), 20] {
            script.run(user, loads: true, from: 30)
            script.run(11)
            script.flush(.localMM, 1)
            script.run(0)
            script.lose(1)
        }
        let found = script.infer()
        #expect(found.mms(of: 10).last?.isUser == true)
        #expect(found.mms(of: 20).last?.isUser == true)
        #expect(found.mms(of: 10).last != found.mms(of: 20).last)
    }

    /// What tells threads apart counts for the whole of their process.
    @Test func aTaskThatWasBornInAGapIsKeptApartFromAProcessByAnyOfItsThreads() {
        var script = Script()
        script.run(20, loads: true)
        script.exec("app")
        script.fork(21, flags: Script.vm | Script.thread)
        script.fork(22, flags: Script.vm | Script.thread)
        script.run(0)
        script.lose(1)
        script.run(11, loads: true, from: 30)
        for _ in 0..<5 {
            script.run(22, loads: true)
            script.run(11, loads: true)
        }
        // The one time that they seem to be together.
        script.run(21)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.mm(of: 22)?.isUser == true)
        #expect(found.mm(of: 11)?.isUser == true)
        #expect(found.mm(of: 11) != found.mm(of: 22))
    }

    /// Each begins by looking at what the other CPUs run.
    @Test func gapsOfManyCPUsAreFollowedBesideEachOther() {
        let cpus = 1024
        var elimination = Elimination(cpus: cpus)
        for cpu in 0..<cpus {
            elimination.begin(cpu)
            for other in 0..<cpus where other != cpu { elimination.suspect(Int32(1 + other % 4), of: cpu) }
        }
        #expect(elimination.count == cpus)
        for cpu in 0..<cpus { elimination.end(cpu) }
        #expect(elimination.take(7)?.suspects.sorted() == [1, 2, 3, 4])
        #expect(elimination.take(7) == nil)
        // More processes than are followed.
        for node in 10..<40 { elimination.suspect(Int32(node), of: 8) }
        #expect(elimination.take(8) == nil)
        for node in 10..<40 { elimination.suspect(Int32(node)) }
        #expect(elimination.isIdle)
        #expect(elimination.take(9) == nil)
    }

    /// v6.14 and later load init_mm before (sched_force_init_mm()), and a SEND_IPI says nothing of who has the mm loaded. Up to v6.13 the CPU may be in the mask still.
    @Test(arguments: [("6.13.0", false), ("6.14.0", true)]) func aCPUThatGoesOffHasLeftItsMMSinceV614(_ release: String, hasLeft: Bool) throws {
        var script = Script(release)
        script.name(16, "migration/1")
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(16, on: 1)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.run(20, loads: true)
        script.run(16, on: 1, from: 0)
        let stimuli = script.infer().notes.stimuli
        let down = try #require(stimuli.firstIndex { if case .cpuDown(1) = $0 { true } else { false } })
        let flushed = try #require(stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } })
        #expect((down < flushed) == hasLeft)
    }
}
