import LazyTLB
@testable import Reconstruction
import Testing

/// What forks, execs and exits tell of mms.
@Suite struct LifeCycleTests {
    /// Task 10 runs on CPU 0.
    private func script(_ release: String = "4.12.0") -> Script {
        var script = Script(release)
        script.name(10, "app")
        script.run(10, loads: true)
        return script
    }

    @Test func aForkedChildHasAnMMOfItsOwnAndAThreadItsParents() {
        var script = script()
        script.fork(11, flags: Script.vm | Script.thread)
        script.fork(12)
        script.run(11)
        script.run(12, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.mm(of: 12)?.isUser == true)
        #expect(found.mm(of: 12) != found.mm(of: 10))
        #expect(found.evidence.unknown == 0)
    }

    /// Task 10 runs for long enough to be no child of an unseen vfork(), and stays.
    private func stay(_ script: inout Script) {
        for _ in 0..<8 {
            script.run(20, loads: true)
            script.run(10, loads: true)
        }
    }

    /// Without having seen its birth: it may as well have borrowed its parent's mm.
    @Test func whatMMATaskHadThatExecsSoonIsUnknownIfItsBirthWasNotSeen() {
        var script = script()
        script.exec("tool")
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.mms(of: 10).map(\.isUser) == [false, true])
        #expect(found.mms(of: 10)[0] == .unknown)
    }

    @Test func anExecGivesTheTaskANewMM() {
        var script = script()
        stay(&script)
        script.exec("tool")
        script.run(0)
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer()
        let mms = Array(found.mms(of: 10).suffix(2))
        #expect(mms[0].isUser && mms[1].isUser && mms[0] != mms[1])
        #expect(found.notes.count { if case .exec(0, mms[1]) = $0 { true } else { false } } == 1)
        #expect(mms.map { found.mms.name($0) } == ["app:10", "tool:10+1"])
    }

    @Test func anExecByAThreadThatIsNotTheLeaderChangesItsPIDWithoutASwitch() {
        var script = script()
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11)
        script.exec("tool", as: 10)
        script.run(0)
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.evidence.brokenChains == 0)
        #expect(found.mms(of: 10).count == 2)
        #expect(found.mms(of: 10)[0] == found.mm(of: 11))
        #expect(found.mms(of: 10)[1].isUser)
        #expect(found.mms(of: 10)[1] != found.mm(of: 11))
    }

    /// The exec's CR3 load has the pid that the TASK_SWITCH record of the switch before it would have, too.
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly])
    func anExecDirectlyBehindTheDeadLeadersSwitchOutIsNotTakenForTheSwitchs(_ level: EvidenceLevel) {
        var script = script()
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11)
        script.run(10)
        script.run(11, state: 0x20)
        script.exec("tool", as: 10)
        script.run(0)
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer(level)
        #expect(found.evidence.brokenChains == 0)
        #expect(found.mm(of: 11)?.isUser == true)
        #expect(found.mm(of: 10) != found.mm(of: 11))
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == 1)
    }

    @Test func aVforkChildHasItsParentsMMUntilItExecs() {
        var script = script()
        script.fork(11, flags: Script.vm | Script.vfork)
        script.run(11, state: 0x82)
        script.exec("tool")
        script.run(10, loads: true)
        script.run(11, loads: true)
        let found = script.infer()
        #expect(found.mms(of: 11)[0] == found.mm(of: 10))
        #expect(found.mms(of: 11)[1] != found.mm(of: 10))
        #expect(found.mms(of: 11)[1].isUser)
    }

    @Test func aVforkChildIsFoundByItsParentsSleepWhereNoBirthIsUsed() {
        var script = script()
        script.run(20, on: 1, loads: true)
        script.name(11, "app")
        script.run(0, state: 0x82)
        script.run(11)
        script.exec("tool")
        script.run(10, loads: true)
        script.run(11, loads: true)
        let found = script.infer(.switchesOnly)
        #expect(found.mms(of: 11)[0] == found.mm(of: 10))
        #expect(found.mms(of: 11)[1] != found.mm(of: 10))
    }

    @Test func aPIDThatIsUsedAgainIsAnotherTask() {
        var script = script()
        script.fork(30)
        script.run(30, loads: true)
        script.exit()
        script.run(10, loads: true, state: 0x20)
        script.run(20, loads: true)
        script.fork(30)
        script.run(30, loads: true)
        let found = script.infer()
        #expect(found.mms(of: 30).count == 2)
        #expect(Set(found.mms(of: 30)).count == 2)
        #expect(found.mms(of: 30).allSatisfy { $0.isUser })
    }

    @Test func aDeadTasksPIDIsAnotherTaskWhereOnlySwitchesAreUsed() {
        var script = script()
        script.run(30, loads: true)
        script.run(10, loads: true, state: 0x20)
        script.run(30, loads: true)
        let found = script.infer(.switchesOnly)
        #expect(Set(found.mms(of: 30)).count == 2)
    }

    @Test func theLastUserOfAnMMTearsItDownAndIsLazyOnInitMM() {
        var script = script()
        script.flush(.taskSwitch)
        script.exit()
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.notes.count { if case .exitMM = $0 { true } else { false } } == 1)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
    }

    @Test func aTaskThatComesInAfterItsExitHasNoMM() {
        var script = script()
        stay(&script)
        script.exit()
        script.run(0)
        script.run(10)
        let found = script.infer()
        #expect(found.mms(of: 10).suffix(2).map(\.isUser) == [true, false])
        #expect(found.mm(of: 10) == MM.none)
    }

    @Test func anExecWhoseCR3LoadWasNotRecordedIsKnownByItsOwnRecord() {
        var script = script()
        script.exec("tool", recordsLoad: false)
        script.run(20, loads: true)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(Set(found.mms(of: 10)).count == 2)
    }

    @Test func lifeCycleRecordsAreNotUsedWhereOnlySwitchesAre() {
        var (with, without) = (script(), script())
        with.fork(11, flags: Script.vm | Script.thread)
        with.run(11)
        without.name(11, "app")
        without.run(11)
        let (one, other) = (with.infer(.switchesOnly), without.infer(.switchesOnly))
        #expect(one.mms(of: 11) == other.mms(of: 11))
        #expect(one.evidence.kind == .flushes)
        #expect(with.infer().mms(of: 11) != one.mms(of: 11))
    }

    /// Another name means an exec only where that may be lost. (pthread_setname_np() of another thread writes to /proc/self/task/TID/comm; v6.14 to v6.17 do not record whom it renames.)
    @Test(arguments: [true, false, nil] as [Bool?]) func aThreadThatAnotherOneRenamesStaysWhatItIs(tellsPID: Bool?) {
        var script = Script("6.14.0", cpus: 1)
        script.name(10, "app")
        script.name(11, "app")
        for _ in 0..<6 {
            script.run(10, loads: true)
            script.flush(.localMM, 1)
            script.run(11)
            script.flush(.localMM, 1)
            script.run(20, loads: true)
        }
        script.run(10, loads: true)
        if let tellsPID { script.rename(11, to: "worker", tellsPID: tellsPID) } else { script.name(11, "worker") }
        for _ in 0..<6 {
            script.run(20, loads: true)
            script.run(11, loads: true)
            script.flush(.localMM, 1)
            script.run(10)
            script.flush(.localMM, 1)
        }
        script.run(0)
        let found = script.infer()
        #expect(Set(found.mms(of: 10) + found.mms(of: 11)).count == 1)
        #expect(found.mm(of: 10) != found.mm(of: 20))
    }

    /// Whoever else execs on a CPU came there by a switch that is not recorded.
    @Test func anExecOfATaskThatTheCPUWasNotSeenToSwitchToIsAGap() {
        var script = Script("5.10.0", cpus: 2)
        for pid: Int32 in [10, 20] { script.run(pid, on: 1, loads: true) }
        script.flush(.localMM, 1, on: 1)
        script.run(10)
        // Its CR3 load was on another CPU.
        script.flush(.localMM, 1, on: 1, pid: 99)
        let before = script.infer().evidence.brokenChains
        var second = Script("5.10.0", cpus: 2)
        for pid: Int32 in [10, 20] { second.run(pid, on: 1, loads: true) }
        second.flush(.localMM, 1, on: 1)
        second.run(10)
        second.execOf(99, on: 1)
        second.flush(.localMM, 3, on: 1)
        second.run(0, on: 1)
        let found = second.infer()
        #expect(found.evidence.brokenChains == before)
        #expect(found.notes.flushes.local.last?.mm != found.mm(of: 20))
    }

    /// Who writes to another one's /proc/PID/comm. v6.14 to v6.17 do not record of whom that is.
    @Test(arguments: [true, false]) func whoRenamesAnotherTaskKeepsItsName(tellsPID: Bool) throws {
        var script = Script("6.14.0", cpus: 1)
        script.name(10, "app")
        script.name(11, "other")
        script.run(11, loads: true)
        script.run(10, loads: true)
        script.rename(11, to: "worker", tellsPID: tellsPID)
        let found = script.infer()
        #expect(found.mms.name(try #require(found.mm(of: 10))) == "app:10")
    }
}
