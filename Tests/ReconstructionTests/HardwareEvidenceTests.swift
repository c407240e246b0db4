import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// What CR3 loads, their absence, and answers to flushes tell of mms.
@Suite struct HardwareEvidenceTests {
    @Test func tasksBetweenWhichCR3StaysShareAnMMAndOthersDoNot() {
        var script = Script()
        script.run(10, loads: true)
        for _ in 0..<3 {
            script.run(11)
            script.run(10)
            script.run(20, loads: true)
            script.run(10, loads: true)
        }
        let found = script.infer(.switchesOnly)
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.mm(of: 20)?.isUser == true)
        #expect(found.mm(of: 20) != found.mm(of: 10))
        #expect(found.evidence.unknown == 0)
    }

    @Test func aTaskThatComesInSilentlyOnDifferentMMsHasNone() {
        var script = Script()
        for user in [Int32(10), 20, 10, 20] {
            script.run(user, loads: true)
            script.run(50)
        }
        let found = script.infer()
        #expect(found.isKernelThread(50))
        #expect(found.mm(of: 10) != found.mm(of: 20))
    }

    /// Only a task with an mm loads CR3 when it comes in (before v4.14). That it loads none where init_mm is loaded may be when it has run exit_mm().
    @Test func aTaskThatLoadsCR3OnceAndComesInSilentlyOnInitMMOnceHasAnMM() {
        var script = Script()
        script.run(20, loads: true)
        script.run(10, loads: true)
        script.run(0)
        script.flush(.taskSwitch)
        script.run(10)
        script.run(20, loads: true)
        #expect(script.infer(.switchesOnly).mms(of: 10).first?.isUser == true)
    }

    @Test func aKernelThreadIsNeverJoinedWithTheMMsThatItBorrows() {
        var script = Script()
        script.name(50, "kworker/0:1")
        script.run(10, loads: true)
        for _ in 0..<5 {
            script.run(50)
            script.run(10)
        }
        let found = script.infer()
        #expect(found.isKernelThread(50))
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.notes.switches.filter { $0.pid == 50 }.allSatisfy { $0.basis == .convention })
    }

    @Test func aLocalFlushOnAnothersMMJoinsTheTwo() {
        var script = Script()
        script.run(10, loads: true)
        script.run(11)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
        #expect(found.evidence.unknownFlushes == 0)
    }

    @Test func anAnswerToAFlushJoinsTheTaskThatItInterruptsWithTheSender() {
        var script = Script()
        script.run(10, loads: true)
        script.run(11, on: 1, loads: true)
        script.flush(.localMM, 3)
        script.flush(.send, 3)
        script.flush(.remote, 3, on: 1, inIRQ: true)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.notes.count { if case .deliver(1, 0) = $0 { true } else { false } } == 1)
    }

    @Test func aCR3LoadInAnInterruptShowsThatTheCPUWasLazy() {
        var script = Script()
        script.run(10, loads: true)
        script.run(10, on: 1, loads: true)
        script.run(50)
        script.flush(.localMM, on: 1)
        script.flush(.send, on: 1)
        script.flush(.taskSwitch, inIRQ: true)
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.isKernelThread(50))
        #expect(found.notes.count { if case .deliver(0, 1) = $0 { true } else { false } } == 1)
    }

    @Test func aCR3LoadInAnInterruptThatNobodySentIsAFlushOfEverything() {
        var script = Script()
        script.run(10, loads: true)
        script.run(0)
        script.flush(.taskSwitch, inIRQ: true)
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.notes.count { if case .doFlushAll(0) = $0 { true } else { false } } == 1)
    }

    @Test func anIdleCPUThatLoadsCR3LeavesTheMM() {
        var script = Script()
        script.run(10, loads: true)
        script.run(0)
        script.flush(.taskSwitch)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.notes.count { if case .idleLeave(0) = $0 { true } else { false } } == 1)
        #expect(found.mms(of: 10).count == 2)
        #expect(Set(found.mms(of: 10)).count == 1)
        #expect(found.loaded() == found.mm(of: 10))
    }

    /// v4.20 and later may flush on the way back from lazy, without a change of mm.
    @Test(arguments: [("4.12.0", false), ("4.19.0", false), ("4.20.0", true), ("6.1.0", true)])
    func aCR3LoadBehindALazyTaskProvesADifferenceOnlyUpToV419(_ release: String, _ isSame: Bool) {
        var script = Script(release)
        script.run(10, loads: true)
        script.run(11)
        script.run(10)
        for _ in 0..<4 {
            script.run(0)
            script.run(11, loads: true)
            script.run(0)
            script.run(10, loads: true)
        }
        let found = script.infer()
        #expect((found.mm(of: 10) == found.mm(of: 11)) == isSame)
    }

    /// v4.14 to v4.19 with PCID: a switch to a task without an mm loads init_mm.
    @Test(arguments: ["4.14.0", "4.19.5"], [EvidenceLevel.noProbes, .switchesOnly])
    func aKernelThreadsCR3LoadIsOfInitMMWhereNoCPUIsEverLazy(_ release: String, _ level: EvidenceLevel) {
        var script = Script(release)
        script.name(50, "kworker/0:1")
        script.run(10, loads: true)
        script.run(0, loads: true)
        for _ in 0..<3 {
            script.run(50)
            script.run(10, loads: true)
            script.run(51, loads: true)
            script.run(0)
            script.run(20, loads: true)
            script.run(50, loads: true)
            script.run(0)
            script.run(10, loads: true)
            script.run(11)
            script.run(0, loads: true)
        }
        let found = script.infer(level)
        #expect(found.isKernelThread(50))
        #expect(found.isKernelThread(51))
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 20)?.isUser == true)
        #expect(found.mm(of: 10) != found.mm(of: 20))
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.loaded() == .initMM)
        #expect(found.evidence.unknown == 0)
    }

    @Test func aKernelThreadsCR3LoadIsNotExplainedWhereCPUsAreLazy() {
        for release in ["4.12.0", "6.1.0"] {
            var script = Script(release)
            script.name(2, "kthreadd")
            script.run(10, loads: true)
            script.run(2, loads: true)
            #expect(script.infer().loaded() == .unknown, "\(release)")
        }
    }

    @Test func anMMsTasksThatAreSeenApartMoreOftenThanTogetherStayApart() {
        var script = Script()
        script.run(10, loads: true)
        script.run(11)
        for _ in 0..<5 {
            script.run(10, loads: true)
            script.run(11, loads: true)
        }
        let found = script.infer()
        #expect(found.mm(of: 10) != found.mm(of: 11))
        // The join that was not made, and the switch that left CR3 alone though the other mm was loaded.
        #expect(found.evidence.contradictions == 2)
    }

    @Test func aFlushOutweighsACR3LoadThatContradictsIt() {
        var script = Script()
        script.run(10, loads: true)
        script.run(11)
        script.flush(.localMM, 1)
        script.run(20, loads: true)
        script.run(10, loads: true)
        script.run(11, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 10) == found.mm(of: 11))
        #expect(found.evidence.contradictions == 1)
    }

    @Test func evidenceThatAgreesHasNoContradictions() {
        var script = Script()
        script.run(10, loads: true)
        script.run(11)
        script.flush(.localMM, 1)
        script.run(20, loads: true)
        #expect(script.infer().evidence.contradictions == 0)
    }
}

/// Names that the kernel gives its own threads.
@Suite struct ConventionTests {
    @Test(arguments: ["kswapd0", "md127", "md127_raid1", "kcompactd1", "loop12", "kworker/0:1-events", "migration/3", "kdmflush/253:0", "kdamond.0", "kprobe-optimize", "acpi_thermal_pm", "pr/ttyS0", "nvme-reset-wq", "ktimers/2", "kipmi0", "napi/eth0-81", "z_wr_iss"])
    func kernelThreads(_ name: String) { #expect(Comm(name).isKernelThread) }

    /// Programs that are called nearly so, and may well run where somebody measures.
    @Test(arguments: ["md5sum", "vmstat", "md2html", "loop3d", "cards", "bash"])
    func programs(_ name: String) { #expect(!Comm(name).isKernelThread) }
}
