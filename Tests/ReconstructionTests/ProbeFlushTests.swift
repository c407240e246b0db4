import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// Flushes as probe events tell them: when the IPIs of a flush are handled.
@Suite struct ProbeFlushTests {
    private static let mm: UInt64 = 0xffff_8880_0000_1000

    /// A task on CPU 0 flushes one page of its mm, which CPU 1 runs as well.
    private func script(_ release: String, _ send: (inout Script) -> Void) -> Script {
        var script = Script(release)
        script.run(10)
        script.run(11, on: 1)
        script.probe(.flushRange, mm: Self.mm)
        send(&script)
        script.probe(.flushRange, mm: Self.mm, pages: 2)
        return script
    }

    private func deliveries(_ notes: Notes) -> [[Int]] {
        notes.stimuli.compactMap { if case .deliver(let cpu, let sender) = $0 { [cpu, sender] } else { nil } }
    }

    /// v5.13 and later: flush_tlb_func() on the sender comes between SEND_IPI and the wait.
    @Test(arguments: [true, false])
    func theSendersOwnHalfDoesNotEndItsWait(leavesARecord: Bool) {
        let notes = script("6.1.0") {
            $0.probe(.flushOthers, mm: Self.mm, mask: 0b11)
            $0.flush(.send, 1)
            $0.probe(.flushRemote, mm: Self.mm)
            if leavesARecord { $0.flush(.localMM, 1) }
            $0.probe(.flushRemote, mm: Self.mm, on: 1, inIRQ: true)
            $0.flush(.remote, 1, on: 1, inIRQ: true)
        }.followProbes()
        #expect(deliveries(notes) == [[1, 0]])
        #expect(notes.completed.count == 1)
        // The next flush, which only comes when all have answered.
        #expect(notes.completed.first?.cpu == 0)
    }

    /// tlb_single_page_flush_ceiling is 33, and a range with VM_HUGETLB is flushed as a whole (flush_tlb_mm_range(), up to v4.19).
    @Test(arguments: [(33, 0, 33), (34, 0, -1), (2, 0, 2), (2, 0x40_0000, -1)] as [(UInt64, UInt64, Int64)])
    func aRangeIsFlushedPageByPageUpToTheCeiling(_ range: UInt64, vmFlags: UInt64, pages: Int64) {
        var script = Script("4.12.0")
        script.run(10)
        script.probe(.flushRange, mm: Self.mm, pages: range, vmFlags: vmFlags)
        #expect(script.followProbes().flushes.local.map(\.pages) == [pages])
    }

    /// Of two flushes of one mm under way, from the same address on, an answer is to that of its range.
    @Test(arguments: [(true, 1), (false, 0)]) func anAnswerIsToTheFlushOfItsRange(hasEnd: Bool, sender: Int) {
        var script = Script("4.12.0", cpus: 3)
        for cpu in 0..<3 { script.run(10 + Int32(cpu), on: cpu) }
        for cpu in 0..<2 {
            let pages = UInt64(cpu + 1)
            script.probe(.flushRange, mm: Self.mm, pages: pages, on: cpu)
            script.flush(.localMM, pages, on: cpu)
            script.probe(.flushOthers, mm: Self.mm, pages: pages, mask: 0b111, hasEnd: hasEnd, on: cpu)
            script.flush(.send, pages, on: cpu)
        }
        script.probe(.flushRemote, mm: Self.mm, pages: 2, on: 2, inIRQ: true)
        script.flush(.remote, 2, on: 2, inIRQ: true)
        #expect(deliveries(script.followProbes()) == [[2, sender]])
    }

    /// Masks are told up to CPU 63; who answers is known of all.
    @Test func cpusBeyondTheMasksWordAnswerToo() {
        var script = Script("4.13.0", cpus: 65)
        script.run(10, on: 1)
        script.probe(.flushRange, mm: Self.mm, on: 1)
        script.probe(.flushOthers, mm: Self.mm, mask: 0b11, on: 1)
        script.flush(.send, 1, on: 1)
        for cpu in [0, 64] {
            script.probe(.flushRemote, mm: Self.mm, on: cpu, inIRQ: true)
            script.flush(.remote, 1, on: cpu, inIRQ: true)
        }
        #expect(deliveries(script.followProbes()) == [[0, 1], [64, 1]])
    }

    /// Nor is CPU 0 in the mask taken for the sender that is CPU 64.
    @Test func theSendersOwnBitIsNoneOfTheWords() {
        var script = Script("4.13.0", cpus: 65)
        script.run(10, on: 64)
        script.probe(.flushRange, mm: Self.mm, on: 64)
        script.flush(.localMM, 1, on: 64)
        script.probe(.flushOthers, mm: Self.mm, mask: 0b1, on: 64)
        script.flush(.send, 1, on: 64)
        let stimuli = script.followProbes().stimuli
        // The remote half comes with flush_tlb_others(), behind the local one.
        #expect(stimuli.count { if case .flushOthers(64, _, _) = $0 { true } else { false } } == 1)
        if case .flushOthers = stimuli.last {} else { Issue.record("the last stimulus is \(String(describing: stimuli.last))") }
    }

    /// v4.20 to v5.12: on_each_cpu_cond_mask() runs the handler on the sender, too, behind the others'. So a 5.10 kernel records each flush.
    @Test(arguments: [("5.10.0", 1), ("5.13.0", 2)])
    func theSendersOwnRemoteHalfAnswersNobody(_ release: String, recorded: Int) {
        let notes = script(release) {
            $0.flush(.localMM, 1)
            $0.probe(.flushOthers, mm: Self.mm, mask: 0b11)
            $0.flush(.send, 1)
            $0.probe(.flushRemote, mm: Self.mm, on: 1, inIRQ: true)
            $0.flush(.remote, 1, on: 1, inIRQ: true)
            $0.probe(.flushRemote, mm: Self.mm)
            $0.flush(.remote, 0)
        }.followProbes()
        #expect(notes.recorded.count { $0 == .remote } == recorded)
        #expect(deliveries(notes) == [[1, 0]])
    }

    /// Up to v5.12 the sender's half comes before, and what follows the SEND_IPI comes after the answers.
    @Test func withoutAHalfOfItsOwnTheNextRecordEndsTheWait() {
        let notes = script("4.13.0") {
            $0.flush(.localMM, 1)
            $0.probe(.flushOthers, mm: Self.mm, mask: 0b11)
            $0.flush(.send, 1)
            $0.probe(.flushRemote, mm: Self.mm, on: 1, inIRQ: true)
            $0.flush(.remote, 1, on: 1, inIRQ: true)
            $0.run(12)
        }.followProbes()
        #expect(deliveries(notes) == [[1, 0]])
        #expect(notes.completed.count == 1)
    }

    /// v4.20 and later spare a CPU that is lazy, and no record tells when an older kernel's IPI would reach it. In a switch interrupts are off.
    @Test(arguments: [false, true])
    func sparedCPUsHandleTheirsWithTheSendersOwnHalf(comesBack: Bool) {
        var script = Script("6.1.0")
        for cpu in 0..<2 {
            script.run(10 + Int32(cpu), on: cpu)
            script.probe(.ctxsw, next: Self.mm, on: cpu)
        }
        script.run(0, on: 1)
        script.probe(.ctxsw, next: 0, on: 1)
        script.probe(.flushRange, mm: Self.mm)
        script.probe(.flushOthers, mm: Self.mm, mask: 0b11)
        script.flush(.send, 1)
        if comesBack { script.run(11, on: 1) }
        script.probe(.flushRemote, mm: Self.mm)
        script.flush(.localMM, 1)
        script.probe(.ctxsw, next: Self.mm, on: 1)
        let notes = script.followProbes()
        #expect(deliveries(notes) == (comesBack ? [] : [[1, 0]]))
        // It waits still.
        #expect(notes.completed.isEmpty)
    }

    /// A kernel that is preempted in kernel mode stops behind the probe at flush_tlb_mm_range()'s entry, in front of get_cpu(): another task flushes its own mm, and the first
    /// one goes on, on this CPU or another. Others in the mask tell that at once.
    @Test(arguments: [0, 1]) func aFlushIsDoneWhenItsTaskGoesOnWithIt(on cpu: Int) {
        var script = Script("4.12.0")
        script.run(10)
        script.run(12, on: 1)
        script.probe(.flushRange, mm: Self.mm, mask: 0b11)
        script.run(11, state: 0)
        script.probe(.flushRange, mm: Self.mm + 0x1000, pages: 2, mask: 0b01)
        script.flush(.localMM, 2)
        script.run(10, on: cpu)
        script.flush(.localMM, 1, on: cpu)
        script.probe(.flushOthers, mm: Self.mm, mask: 0b11, on: cpu)
        script.flush(.send, 1, on: cpu)
        let notes = script.followProbes()
        #expect(notes.flushes.local.map(\.pages) == [2, 1])
        if case .flushOthers(cpu, _, pages: 1) = notes.stimuli.last {} else { Issue.record("the last stimulus is \(String(describing: notes.stimuli.last))") }
    }

    /// Where only its own CPU is in the mask it may have flushed nothing: what it does when it is back tells.
    @Test(arguments: [true, false]) func aTaskThatIsAloneInTheMaskMayBeThroughWithItsFlush(goesOn: Bool) {
        var script = Script("6.12.0")
        script.run(10)
        script.probe(.flushRange, mm: Self.mm, mask: 0b01)
        script.run(11, state: 0)
        script.probe(.flushRange, mm: Self.mm + 0x1000, pages: 2, mask: 0b01)
        script.run(10)
        script.probe(.mmDrop, mm: Self.mm + 0x2000)
        if !goesOn { script.probe(.flushRange, mm: Self.mm, pages: 3, mask: 0b01) }
        script.probe(.flushRemote, mm: Self.mm, pages: goesOn ? 1 : 3)
        #expect(script.followProbes().flushes.local.map(\.pages) == (goesOn ? [2, 1] : [1, 2, 3]))
    }

    /// v5.13 and later: flush_tlb_func() would show where the mm is loaded.
    @Test func aTaskThatHasTheMMLoadedWouldShowItsFlush() {
        var script = Script("6.12.0")
        script.run(10)
        script.probe(.ctxsw, next: Self.mm)
        script.probe(.swMM, next: Self.mm)
        script.flush(.taskSwitch)
        script.probe(.flushRange, mm: Self.mm, mask: 0b01)
        script.run(11, state: 0)
        script.probe(.flushRange, mm: Self.mm + 0x1000, pages: 2, mask: 0b01)
        script.flush(.localMM, 2)
        script.run(10, on: 1)
        script.probe(.flushRemote, mm: Self.mm, on: 1)
        #expect(script.followProbes().flushes.local.map(\.pages) == [2, 1])
    }

    /// Others are in the mask at the entry, and no IPI is sent: they have left when cpumask_any_but() asks.
    @Test func whoIsSentNothingHasLeftTheMaskBeforeTheSendersNextRecord() {
        var script = Script("4.12.0")
        for cpu in 0..<2 {
            script.run(10 + Int32(cpu), on: cpu)
            script.probe(.ctxsw, next: Self.mm, on: cpu)
        }
        script.probe(.flushPage, mm: Self.mm, mask: 0b11)
        script.run(12, on: 1)
        script.probe(.ctxsw, next: Self.mm + 0x1000, on: 1)
        script.run(13)
        script.probe(.ctxsw, next: Self.mm + 0x1000)
        let stimuli = script.followProbes().stimuli
        let sent = stimuli.firstIndex { if case .flushOthers(0, _, _) = $0 { true } else { false } }
        let left = stimuli.lastIndex { if case .contextSwitch(1, _) = $0 { true } else { false } }
        let goesOn = stimuli.lastIndex { if case .contextSwitch(0, _) = $0 { true } else { false } }
        #expect(left! < sent! && sent! < goesOn!)
    }

    /// The switch that follows is not its own: records are missing, and the flush is not held back for a task that may never show again.
    @Test func aFlushInFrontOfABrokenChainIsDone() {
        var script = Script("6.12.0")
        script.run(10)
        script.run(12, on: 1)
        script.probe(.flushRange, mm: Self.mm, mask: 0b11)
        script.run(11, state: 0, from: 13)
        #expect(script.followProbes().flushes.local.map(\.pages) == [1])
    }

    /// The CR3 load of the switch away carries the pid of the task that goes.
    @Test func whatItsSwitchRecordsIsNotTheFlushThatWasPreempted() {
        var script = Script("4.12.0")
        script.run(10)
        script.run(12, on: 1)
        script.probe(.flushRange, mm: Self.mm, mask: 0b11)
        script.run(11, loads: true, state: 0)
        script.probe(.flushRange, mm: Self.mm + 0x1000, pages: 2, mask: 0b01)
        script.flush(.localMM, 2)
        script.run(10)
        script.flush(.localMM, 1)
        #expect(script.followProbes().flushes.local.map(\.pages) == [2, 1])
    }

    /// Where records are missing it may have gone on with it.
    @Test func aFlushThatWasPreemptedMayBeDoneInAGap() {
        var script = Script("4.12.0")
        script.run(10)
        script.run(12, on: 1)
        script.probe(.flushRange, mm: Self.mm, mask: 0b11)
        script.run(11, state: 0)
        script.lose(3, on: 1)
        script.run(10, on: 1)
        script.probe(.flushRange, mm: Self.mm, pages: 3, mask: 0b10, on: 1)
        script.flush(.localMM, 3, on: 1)
        #expect(script.followProbes().flushes.local.map(\.pages) == [3])
    }

    @Test func aSenderWhoseRecordsAreLostWaitsForNobody() throws {
        var script = Script("6.1.0")
        script.run(10)
        script.run(11, on: 1)
        script.probe(.flushRange, mm: Self.mm)
        script.probe(.flushOthers, mm: Self.mm, mask: 0b11)
        script.flush(.send, 1)
        script.lose(3)
        let notes = script.followProbes()
        let forgotten = try #require(notes.stimuli.firstIndex { if case .forget(0) = $0 { true } else { false } })
        #expect(notes.completed.map(\.cpu) == [0] && notes.completed[0].after == forgotten)
    }
}
