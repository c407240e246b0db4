import LazyTLB
@testable import Reconstruction
import Testing

/// Which mm a flush is of.
@Suite struct FlushAttributionTests {
    /// Tasks 10, 20, 30 of different processes on CPUs 0, 1, 2, kept apart by a switch between each two.
    private func script(_ release: String = "4.12.0") -> Script {
        var script = Script(release, cpus: 3)
        for cpu in 0..<3 { for pid in [Int32(10), 20, 30] { script.run(pid, on: cpu, loads: true) } }
        script.run(20, on: 1, loads: true)
        script.run(10, on: 0, loads: true)
        return script
    }

    @Test func aLocalHalfAndTheSendBehindItAreOneFlushOfTheTasksMM() {
        var script = script()
        script.flush(.localMM, 5)
        script.flush(.send, 5)
        let found = script.infer()
        #expect(found.evidence.flushes == 1)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    /// v5.13 and later.
    @Test func aSendBeforeItsLocalHalfIsOneFlushOfTheTasksMM() {
        var script = script("5.13.0")
        script.flush(.send, 5)
        script.flush(.localMM, 5)
        let found = script.infer()
        #expect(found.evidence.flushes == 1)
        #expect(found.evidence.unknownFlushes == 0)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
        #expect(found.notes.flushes.remote.map(\.pages) == [5])
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    @Test func anAnswerToASendBeforeItsLocalHalfJoinsSinceV513() {
        var script = Script("5.13.0")
        script.run(10, loads: true)
        script.run(11, on: 1, loads: true)
        script.flush(.send, 3)
        script.flush(.localMM, 3)
        script.flush(.remote, 3, on: 1, inIRQ: true)
        let found = script.infer()
        #expect(found.mm(of: 11) == found.mm(of: 10))
    }

    /// A task that writes to /proc/sys/vm/compact_memory sends a batch of other processes' pages, and flushes its own mm soon after.
    @Test(arguments: [false, true]) func aSendOfEverythingHasNoLocalHalfOfAFewPages(isHalf: Bool) {
        var script = script("6.1.0")
        script.flush(.send)
        script.flush(.remote, on: 1, inIRQ: true)
        script.flush(.localMM, isHalf ? Script.everything : 1)
        script.run(0)
        script.run(0, on: 1)
        let found = script.infer()
        #expect(found.notes.batches.count == (isHalf ? 0 : 1))
        #expect(found.notes.batches.first.map { $0.mms == [found.mm(of: 20)!] } ?? isHalf)
        #expect(found.notes.flushes.local.last?.mm == found.mm(of: 10))
    }

    /// Nor one that comes long after.
    @Test(arguments: [1000, 10_000_000] as [UInt64], [Script.everything, 3]) func whoAnswersASendOfEverythingLongBeforeItsHalfHasNotTheSendersMM(_ time: UInt64, _ pages: UInt64) {
        var script = script("7.3.0")
        script.flush(.send, pages)
        script.flush(.remote, pages, on: 1, inIRQ: true)
        script.wait(time)
        script.flush(.localMM, pages)
        script.run(0)
        script.run(0, on: 1)
        let found = script.infer(.switchesOnly)
        let isLong = time > 2_000_000
        #expect((found.mm(of: 10) == found.mm(of: 20)) == !isLong)
    }

    /// A task flushes a page of another process (ptrace(), process_madvise()), and its own mm soon before or after: a half has no more pages than its SEND_IPI, unless it flushes all, and
    /// preemption is off between the two.
    @Test(arguments: ["4.14.0", "5.10.0", "5.15.0", "6.12.0"], [(7, 0), (1, 30_000_000)] as [(UInt64, UInt64)])
    func aFlushOfTheTasksOwnMMBesideOneOfAnothersIsNoHalfOfIt(_ release: String, _ own: (pages: UInt64, wait: UInt64)) {
        var script = script(release)
        let sendsFirst = script.rules.sendsFirst
        if !sendsFirst {
            script.flush(.localMM, own.pages)
            script.wait(own.wait)
        }
        script.flush(.send, 1)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        if sendsFirst {
            script.wait(own.wait)
            script.flush(.localMM, own.pages)
        }
        script.run(0)
        script.run(0, on: 1)
        let found = script.infer()
        #expect(found.evidence.flushes == 2)
        #expect(found.notes.flushes.remote.contains { $0.mm == found.mm(of: 20) && $0.pages == 1 })
        #expect(found.notes.flushes.local.contains { $0.mm == found.mm(of: 10) && $0.pages == own.pages })
    }

    /// Whoever execs may have reclaimed before, and a task may patch the kernel's text at any time: neither is the end of an mm.
    @Test(arguments: [true, false]) func aLoadBehindABatchNeedNotBeTheEndOfTheMM(execs: Bool) {
        var script = script("5.15.0")
        script.flush(.send)
        script.flush(.remote, on: 1, inIRQ: true)
        if execs { script.exec("x") } else { for _ in 0..<2 { script.flush(.taskSwitch) } }
        script.flush(.localMM, 3)
        script.run(0)
        let found = script.infer()
        #expect(found.notes.batches.map(\.mms) == [[found.mm(of: 20)!]])
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == (execs ? 1 : 0))
        #expect(found.notes.count { if case .exitMM = $0 { true } else { false } } == 0)
        #expect(found.mm(of: 20) != found.mm(of: 10))
    }

    @Test func aSendWithoutALocalHalfIsOfTheMMThatItsAnswersHaveLoaded() {
        var script = script("4.13.0")
        script.flush(.send, 7)
        script.flush(.remote, 7, on: 1, inIRQ: true)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.notes.flushes.remote.first?.mm == found.mm(of: 20))
        #expect(found.evidence.unknownFlushes == 0)
    }

    @Test func aSendThatNothingAttributesStaysUnknown() {
        var script = script("4.13.0")
        script.flush(.send, 7)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.notes.flushes.remote.first?.mm == .unknown)
        #expect(found.evidence.unknownFlushes == 1)
    }

    /// From v4.20 on lazy CPUs are not interrupted. A task that moves another process's page flushes that one's mm; a half of its own mm's flush would leave a record.
    @Test(arguments: ["5.10.0", "6.1.0"]) func aSendThatNobodyAnswersIsOfTheMMOfTheOnlyLazyCPU(_ release: String) {
        var script = script(release)
        script.run(0, on: 1)
        script.flush(.send, 1)
        script.run(0)
        let found = script.infer()
        #expect(found.notes.flushes.remote.first?.mm == found.mm(of: 20))
        #expect(found.evidence.unknownFlushes == 0)
    }

    /// ksmd with a page of a process that it happens to borrow the mm of. Up to v5.12 its own half is made in any case (a TASK_SWITCH record), so the flush is another mm's.
    @Test(arguments: [("5.10.0", false), ("6.1.0", true)]) func aLazySenderSparesItselfSinceV513(_ release: String, isKnown: Bool) {
        var script = script(release)
        script.name(50, "ksmd")
        script.run(20, loads: true)
        script.run(50)
        script.run(0, on: 1)
        script.flush(.send, 1)
        script.run(10, loads: true)
        let found = script.infer()
        #expect(found.notes.flushes.remote.first?.mm == (isKnown ? found.mm(of: 20) : .unknown))
    }

    /// v6.0 and later.
    @Test func aSendersOwnHalfLeavesNoRecordWhereAnotherFlushHasDoneIt() {
        var script = Script("6.1.0", cpus: 3)
        script.run(30, on: 2, loads: true)
        script.run(0, on: 2)
        script.run(10, loads: true)
        script.run(11, on: 1, loads: true)
        script.flush(.send, 3)
        script.flush(.localMM, 3)
        script.flush(.remote, 3, on: 1, inIRQ: true)
        script.flush(.send, 1)
        script.flush(.send, 2, on: 1)
        script.flush(.remote, on: 0, inIRQ: true)
        script.flush(.localMM, on: 1)
        script.run(0)
        script.run(0, on: 1)
        let found = script.infer()
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10), found.mm(of: 10), found.mm(of: 10)])
    }

    /// CPU 2 may have done what CPU 0 asks for with its answer to CPU 3: that it does not answer tells nothing.
    @Test(arguments: [true, false]) func whereAnotherFlushIsAnsweredNothingIsToldByWhoDoesNot(isAnswered: Bool) {
        var script = Script("6.1.0", cpus: 4)
        script.name(50, "kcompactd0")
        script.run(20, on: 1, loads: true)
        script.run(30, on: 2, loads: true)
        script.run(31, on: 3, loads: true)
        script.flush(.send, 3, on: 3)
        script.flush(.localMM, 3, on: 3)
        script.flush(.remote, 3, on: 2, inIRQ: true)
        script.run(0, on: 1)
        script.run(50)
        if isAnswered { script.flush(.send, 2, on: 3) }
        script.flush(.send, 1)
        if isAnswered {
            script.flush(.localMM, 2, on: 3)
            script.flush(.remote, on: 2, inIRQ: true)
        }
        script.run(0)
        let found = script.infer()
        #expect(found.notes.flushes.remote.last?.mm == (isAnswered ? .unknown : found.mm(of: 20)))
    }

    /// v4.12's flush_tlb_page() flushes its own CPU without a record.
    @Test func aSendOfOnePageByAUserTaskIsOfItsOwnMMUpToV412() {
        var script = script()
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.notes.flushes.remote.first?.mm == found.mm(of: 10))
        #expect(found.notes.count { if case .flushPage = $0 { true } else { false } } == 1)
    }

    @Test func aBatchIsOfTheMMsOfTheCPUsThatAnswerIt() {
        var script = script()
        script.flush(.local)
        script.flush(.send)
        script.flush(.remote, on: 1, inIRQ: true)
        script.run(0)
        let found = script.infer()
        #expect(found.notes.batches.count == 1)
        #expect(found.notes.batches.first.map { Set($0.mms.map(\.index)) } == [found.mm(of: 10)!.index, found.mm(of: 20)!.index])
        #expect(found.notes.batches.first.map { $0.mms.contains(found.mm(of: 30)!) } == false)
        #expect(found.notes.count { if case .batchOthers(0) = $0 { true } else { false } } == 1)
    }

    @Test func anExecsFullFlushIsOfTheMMThatItLeft() {
        var script = script()
        script.flush(.taskSwitch)
        script.flush(.send)
        script.run(0)
        script.run(10)
        let found = script.infer(.switchesOnly)
        #expect(found.notes.flushes.remote.first?.mm == found.mms(of: 10).dropLast().last)
    }

    /// Preemption is off between them.
    @Test(arguments: [(UInt64(0), 1), (30_000_000, 2)]) func aBatchsHalvesLieCloseTogether(wait: UInt64, flushes: Int) {
        var script = Script()
        script.run(10, loads: true)
        script.run(20, on: 1, loads: true)
        script.flush(.local)
        script.wait(wait)
        script.flush(.send)
        script.flush(.remote, on: 1, inIRQ: true)
        script.run(0)
        #expect(script.infer().evidence.flushes == flushes)
    }

    /// Nobody answers: the last CPU that had the mm loaded was in its mask still, and out of it when the IPI came.
    @Test(arguments: [(UInt64(0), true), (1_000_000, false)]) func whoFlushesOnePageBehindTheOtherGoesOnWithAnMMThatWasJustLeft(wait: UInt64, goesOn: Bool) {
        var script = Script()
        script.name(60, "kswapd0")
        script.run(60)
        script.run(10, on: 1, loads: true)
        script.flush(.send, 1)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        script.run(20, on: 1, loads: true)
        script.wait(wait)
        script.flush(.send, 1)
        script.run(0)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10), goesOn ? found.mm(of: 10) : .unknown])
    }
}
