import LazyTLB
@testable import Reconstruction
import Testing

/// What differs between kernel generations, in records written by hand: one case each.
@Suite struct KernelRulesTests {
    /// Tasks 10 and 11 on CPUs 0 and 1 are threads; 20 on CPU 2 is another process.
    private func script(_ release: String, cpus: Int = 3) -> Script {
        var script = Script(release, cpus: cpus)
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(20, on: 2, loads: true)
        return script
    }

    /// v4.20 and later: a switch back from a lazy CPU reloads the same mm with a flush of everything. With PCID one to another mm, whose entries are still there, flushes nothing.
    @Test(arguments: [(UInt64.max, true), (0, false)]) func aLoadThatFlushesNothingIsAnotherMM(pages: UInt64, isOne: Bool) {
        var script = Script("6.1.0", cpus: 1)
        script.run(10, loads: true)
        for _ in 0..<8 {
            for pid: Int32 in [11, 10] {
                script.run(0)
                script.run(pid)
                script.flush(.taskSwitch, pages, pid: 0)
                script.flush(.localMM, 1, pid: pid)
            }
            // Once 11 comes in without: it has the mm that is loaded, or none.
        }
        script.run(11)
        script.flush(.localMM, 1)
        let found = script.infer(.switchesOnly)
        #expect((found.mm(of: 10) == found.mm(of: 11)) == isOne)
    }

    /// Less than one of the units that the local half counts in, but not nothing.
    @Test(arguments: [("6.1.0", Int64(1)), ("4.13.0", 0)]) func noPagesAreOneSinceV420(_ release: String, pages: Int64) {
        var script = script(release)
        script.flush(.localMM, 0)
        script.run(0)
        #expect(script.infer().notes.flushes.local.map(\.pages) == [pages])
    }

    /// tlb_single_page_flush_ceiling is 33. From v4.20 on a SEND_IPI record may count more: small pages, of a range that has large ones.
    @Test(arguments: [(33, 33), (34, -1)] as [(UInt64, Int64)]) func moreThan33PagesAreAskedForAsAll(_ recorded: UInt64, pages: Int64) {
        var script = script("6.1.0")
        script.flush(.send, recorded)
        script.flush(.localMM, recorded)
        let flushes = script.infer().notes.flushes
        #expect(flushes.local.map(\.pages) == [pages])
        #expect(flushes.remote.map(\.pages) == [pages])
    }

    /// docs and reports say so: as v4.14 to v4.19 without PCID.
    @Test func withoutAReleaseTheRulesAreThoseOfV414WithoutPCID() {
        var rules = KernelRules(release: "4.14.0")
        #expect(rules.mayLeaveAtOnce)
        rules.mayLeaveAtOnce = false
        for release in [nil, "unknown", ""] { #expect(String(describing: KernelRules(release: release)) == String(describing: rules)) }
    }

    private func deliveries(_ found: Inference, to cpu: Int, from sender: Int) -> Int {
        found.notes.count { if case .deliver(cpu, sender) = $0 { true } else { false } }
    }

    /// v4.20 to v5.12 run the remote handler on the sender as well.
    @Test(arguments: ["4.20.0", "5.4.0", "5.12.0"])
    func aRemoteShootdownOfTheSenderItselfAnswersNobody(_ release: String) {
        var script = script(release)
        script.flush(.localMM, 1, on: 2)
        script.flush(.send, 0, on: 2)
        script.flush(.localMM, 1)
        script.flush(.send, 1)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        script.flush(.remote, 0)
        let found = script.infer()
        #expect(deliveries(found, to: 1, from: 0) == 1)
        #expect(deliveries(found, to: 0, from: 2) == 0)
        #expect(found.mm(of: 20) != found.mm(of: 10))
        // Nor is it one of those that the kernel counts as answers.
        #expect(found.notes.recorded.filter { $0 == .remote }.count == 1)
    }

    /// From v4.14 on an answer may flush more than it was asked for (all that it missed), or count large pages.
    @Test(arguments: [UInt64.max, 0, 1, 7])
    func anAnswerOfOtherPagesIsOneSinceV414(_ pages: UInt64) {
        func found(_ release: String) -> Int {
            var script = script(release)
            if release == "6.1.0" { script.flush(.send, 5) }
            script.flush(.localMM, 5)
            if release != "6.1.0" { script.flush(.send, 5) }
            script.flush(.remote, pages, on: 1, inIRQ: true)
            script.flush(.localMM, 1)
            return deliveries(script.infer(), to: 1, from: 0)
        }
        #expect(found("6.1.0") == 1)
        #expect(found("5.10.0") == 1)
        #expect(found("4.14.0") == 1)
        // Its answers flush just that: this is one to another flush, of which the record is missing.
        #expect(found("4.13.0") == 0)
    }

    /// Of two flushes the one of as many pages is meant.
    @Test func anAnswerOfAsManyPagesIsRatherOne() {
        var script = script("6.1.0")
        script.fork(12, flags: Script.vm | Script.thread)
        script.run(12, on: 2, loads: true)
        for (cpu, pages) in [(0, 5), (2, 7)] as [(Int, UInt64)] {
            script.flush(.send, pages, on: cpu)
            script.flush(.localMM, pages, on: cpu)
        }
        script.flush(.remote, 7, on: 1, inIRQ: true)
        let found = script.infer()
        #expect(deliveries(found, to: 1, from: 2) == 1)
        #expect(deliveries(found, to: 1, from: 0) == 0)
    }

    /// From v4.20 on the range may have large pages: more than 33 small ones, which an older kernel does not flush one by one.
    @Test(arguments: ["5.10.0", "6.6.0"])
    func aFlushOfLargePagesWouldHaveBeenOneOfAll(_ release: String) {
        var script = script(release)
        if release == "6.6.0" { script.flush(.send, 512) }
        script.flush(.localMM, 1)
        if release == "5.10.0" { script.flush(.send, 512) }
        script.flush(.remote, 1, on: 1, inIRQ: true)
        script.run(0)
        let found = script.infer()
        #expect(found.evidence.flushes == 1)
        #expect(found.notes.flushes.local.map(\.pages) == [Stimulus.flushAll])
        #expect(found.notes.flushes.remote.map(\.pages) == [Stimulus.flushAll])
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    /// The recorded kernel sends nothing where another scheme might: its receivers handle it, too.
    @Test(arguments: ["4.12.0", "6.1.0"])
    func whatNobodySentIsOverAtOnce(_ release: String) {
        var script = script(release)
        script.flush(.localMM, 3)
        script.run(0)
        let notes = script.infer().notes
        let place = notes.stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } }
        #expect(notes.completed.map(\.cpu) == [0])
        #expect(notes.completed.first?.after == place.map { $0 + 1 })
    }

    /// From v5.8 on a CPU that polls while it is idle runs the handler when it leaves the idle loop.
    @Test(arguments: [true, false])
    func anIdleCPUMayAnswerInTaskContext(isSentOne: Bool) {
        var script = script("6.1.0")
        script.run(0, on: 1)
        if isSentOne { script.flush(.send) }
        script.flush(.taskSwitch, on: 1)
        if isSentOne { script.flush(.localMM) }
        script.run(0)
        let found = script.infer()
        #expect(found.notes.count { if case .idleLeave(1) = $0 { true } else { false } } == (isSentOne ? 0 : 1))
        if isSentOne { #expect(deliveries(found, to: 1, from: 0) > 0) }
        #expect(found.loaded(1) == .initMM)
    }

    /// v5.13 and later: the sender's own half comes behind its SEND_IPI, and answers may come behind that.
    @Test(arguments: ["5.13.0", "6.1.0", "6.17.0"])
    func aFlushIsNotOverWithTheSendersOwnHalf(_ release: String) {
        var script = script(release)
        script.flush(.send, 3)
        script.flush(.localMM, 3)
        script.flush(.remote, 3, on: 1, inIRQ: true)
        let found = script.infer()
        #expect(deliveries(found, to: 1, from: 0) == 1)
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    private func moments(_ found: Inference) -> [String] {
        found.notes.stimuli.compactMap {
            switch $0 {
            case .deliver(1, from: 0): "handled"
            case .contextSwitch(1, let mm) where mm == .none: "lazy"
            default: nil
            }
        }
    }

    /// v6.0 and later: a CPU whose TLB another flush has brought up to date answers without a record, but before it switches: interrupts are on until then.
    @Test(arguments: [("6.1.0", ["handled", "lazy"]), ("5.13.0", ["lazy", "handled"])])
    func aCPUThatSwitchesHasHandledItsIPIs(_ release: String, _ wanted: [String]) {
        var script = script(release)
        script.flush(.send, 3)
        script.run(0, on: 1)
        script.flush(.localMM, 3)
        script.wait(1_000_000)
        script.run(11, on: 1)
        #expect(moments(script.infer()) == wanted)
    }

    /// One that waited for the end of the switch is handled behind it, and makes the CPU leave: it is lazy by then.
    @Test func norDoesItHandleBeforeWhatItAnswersBehind() {
        var script = script("6.1.0")
        script.flush(.send, 3)
        script.flush(.localMM, 3)
        script.run(0, on: 1)
        script.flush(.taskSwitch, on: 1, inIRQ: true)
        #expect(moments(script.infer()) == ["lazy", "handled"])
    }

    @Test(arguments: ["5.13.0", "6.1.0"], [EvidenceLevel.noProbes, .switchesOnly])
    func theLastUsersTearDownIsNoBatchedFlush(_ release: String, _ level: EvidenceLevel) {
        var script = script(release)
        script.run(0, on: 2)
        script.run(20, loads: true)
        script.flush(.send)
        script.flush(.taskSwitch)
        script.flush(.taskSwitch, on: 2, inIRQ: true)
        script.exit()
        script.run(0, state: 0x10)
        let found = script.infer(level)
        #expect(found.notes.batches.isEmpty)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 20)])
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 20)])
        #expect(deliveries(found, to: 2, from: 0) >= 1)
        #expect(found.loaded(0) == .initMM)
        #expect(found.loaded(2) == .initMM)
    }

    /// v4.20 and later send lazy CPUs nothing.
    @Test(arguments: [("4.19.0", false), ("5.4.0", true), ("6.1.0", true), ("6.18.0", true)])
    func aLazyCPUThatDoesNotAnswerMayBeInABatchAllTheSame(_ release: String, _ isInBatch: Bool) {
        var script = script(release, cpus: 4)
        script.run(11, on: 3, loads: true)
        script.run(0, on: 1)
        let sendsFirst = KernelRules(release: release).sendsFirst
        if sendsFirst { script.flush(.send, on: 0) }
        script.flush(.local, on: 0)
        if !sendsFirst { script.flush(.send, on: 0) }
        script.flush(.remote, on: 3, inIRQ: true)
        let found = script.infer()
        #expect(found.notes.batches.last?.mms.contains(found.mm(of: 10)!) == isInBatch)
    }

    /// v4.14 to v4.19 with PCID: exit_mm() of any task loads init_mm, and only that of the last one to have the mm is followed by a flush.
    @Test(arguments: [true, false])
    func onlyTheLastUserFlushesWithPCID(hasPCID: Bool) {
        var script = Script("4.19.0")
        script.run(10, loads: true)
        script.run(0, loads: hasPCID)
        script.run(10, loads: hasPCID)
        for thread in 11...13 as ClosedRange<Int32> { script.fork(thread, flags: Script.vm | Script.thread) }
        script.run(11, on: 1, loads: true)
        func exit(on cpu: Int, isLast: Bool) {
            // Without PCID the flush loads it: only the last one writes a record.
            if hasPCID || isLast { script.flush(.taskSwitch, on: cpu) }
            script.exit(on: cpu)
        }
        exit(on: 1, isLast: false)
        for thread in [12, 13] as [Int32] {
            script.run(thread, on: 1, loads: hasPCID, state: 0x10)
            exit(on: 1, isLast: false)
        }
        let before = script.infer()
        #expect(before.notes.flushes.local.isEmpty && before.notes.flushes.remote.isEmpty)
        #expect(before.notes.count { if case .exitMM(1) = $0 { true } else { false } } == 3)
        exit(on: 0, isLast: true)
        script.run(0, state: 0x10)
        let found = script.infer()
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    /// v6.14 and later: a CPU that has left an mm long ago still gets its IPIs, and says so.
    @Test func aWrongCPUHasAnotherMMLoaded() {
        for release in ["6.1.0", "6.14.0"] {
            var script = Script(release)
            script.run(10, loads: true)
            script.run(11)
            script.run(10)
            script.run(11, on: 1, loads: true)
            for _ in 0..<2 {
                script.flush(.send, 1)
                script.flush(.localMM, 1)
                script.flush(.wrongCPU, 0, on: 1, inIRQ: true)
            }
            let found = script.infer(.switchesOnly)
            #expect(found.mm(of: 10) != found.mm(of: 11), "\(release)")
            #expect(found.loaded(1) == found.mm(of: 11))
        }
    }

    @Test func aSendersOwnWrongCPUDoesNotEndItsFlush() {
        var script = script("6.14.0")
        script.exec("tool")
        script.flush(.send)
        script.flush(.wrongCPU, 0)
        script.flush(.taskSwitch, on: 1, inIRQ: true)
        let found = script.infer()
        #expect(found.loaded(0).isUser)
        #expect(found.loaded(1) == .initMM)
        #expect(deliveries(found, to: 1, from: 0) == 1)
    }

    /// Where bits stay in the mask, a SEND_IPI does not mean that a CPU is about to load the mm.
    @Test(arguments: [("6.1.0", true), ("6.14.0", false)])
    func aSendTellsOfAnotherCPUInTheMaskOnlyWhereMasksAreCleared(_ release: String, _ hasSwitched: Bool) {
        var script = script(release)
        script.run(0, on: 1)
        script.flush(.taskSwitch, on: 1)
        script.beginRun(11, on: 1)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.endRun(on: 1)
        let found = script.infer()
        let order = found.notes.stimuli.compactMap { stimulus -> String? in
            switch stimulus {
            case .contextSwitch(1, found.mm(of: 11)!): "switch"
            case .flushOthers(0, _, _): "flush"
            default: nil
            }
        }
        #expect(order.suffix(2) == (hasSwitched ? ["switch", "flush"] : ["flush", "switch"]))
    }

    /// v6.16 and later write sched_process_exit before exit_mm().
    @Test(arguments: [("6.14.0", false), ("6.16.0", true), ("6.18.0", true)])
    func anExitingTaskKeepsItsMMBehindItsExitRecordSinceV616(_ release: String, _ keeps: Bool) {
        var script = script(release)
        script.exit()
        script.run(20, loads: true)
        script.run(10, loads: true)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect((found.mm(of: 10)?.isUser == true) == keeps)
    }

    /// It runs exit_mm() at once behind that record, and much more behind exit_mm().
    @Test(arguments: [false, true])
    func anExitingTaskThatComesInAgainHasNoMMIfItLoadsNone(loads: Bool) {
        var script = script("6.16.0")
        script.exit()
        script.run(loads ? 20 : 0, loads: loads)
        script.run(10, loads: loads)
        script.run(0, state: 0x10)
        #expect((script.infer().mm(of: 10) == MM.none) == !loads)
    }

    @Test(arguments: ["6.16.0", "6.18.0"])
    func theExitOfALastUserEndsWithItsTearDownBehindTheExitRecord(_ release: String) {
        var script = script(release)
        script.run(20, loads: true)
        script.exit()
        script.flush(.taskSwitch)
        script.run(0)
        script.run(20)
        let found = script.infer()
        #expect(found.notes.flushes.local.map(\.mm) == [found.mms(of: 20)[1]])
        #expect(found.mm(of: 20) == MM.none)
        #expect(found.loaded() == .initMM)
        #expect(found.notes.count { if case .exitMM(0) = $0 { true } else { false } } == 1)
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == 0)
    }

    @Test(arguments: ["4.12.0", "6.1.0", "6.16.0"], [EvidenceLevel.noProbes, .switchesOnly])
    func aTaskHasRunExitMMWhenItIsSwitchedOutDead(_ release: String, _ level: EvidenceLevel) {
        var script = script(release)
        if level == .noProbes { script.exit() }
        script.run(0, state: release == "4.12.0" ? 0x40 : 0x10)
        let found = script.infer(level)
        #expect(found.notes.count { if case .exitMM(0) = $0 { true } else { false } } == 1)
    }

    /// v6.14 and later load init_mm in a thread of their own on a CPU that goes down.
    @Test func theHotplugThreadsCR3LoadIsNoFlush() {
        var script = script("6.17.0")
        script.name(50, "cpuhp/0")
        script.run(50)
        script.flush(.taskSwitch)
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.notes.flushes.local.isEmpty)
    }

    /// v6.14 and later, where nothing but switches is used.
    @Test func whereTwoFlushesMayBeMeantAWrongCPUTellsNoTasksApart() {
        var script = Script("6.14.0", cpus: 3)
        script.run(20, on: 0, loads: true)
        script.run(10, on: 1, loads: true)
        script.run(30, on: 1)
        script.run(0, on: 1)
        script.run(30, on: 2, loads: true)
        script.run(10, on: 1)
        for cpu in 0..<2 {
            script.flush(.send, 1, on: cpu)
            script.flush(.localMM, 1, on: cpu)
        }
        script.flush(.wrongCPU, 0, on: 2, inIRQ: true)
        for cpu in 0..<3 { script.run(40 + Int32(cpu), on: cpu, loads: true) }
        let found = script.infer(.switchesOnly)
        #expect(found.mm(of: 30)?.isUser == true && found.mm(of: 30) == found.mm(of: 10))
    }

    /// v6.0 and later: another flush that the CPU was sent may have done its own half, if that was just now.
    @Test(arguments: [(UInt64(0), 0), (1_000_000, 1)]) func whatACPUAnsweredLongAgoHasNotDoneItsOwnHalf(wait: UInt64, unknown: Int) {
        var script = Script("6.1.0")
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.flush(.send, 1, on: 1)
        script.flush(.localMM, 1, on: 1)
        script.flush(.remote, 1, inIRQ: true)
        script.run(0, on: 1)
        script.wait(wait)
        script.flush(.send, 1)
        script.run(20, loads: true)
        #expect(script.infer().evidence.unknownSends == unknown)
    }
}
