import LazyTLB
@testable import Reconstruction
import Testing

/// Batched flushes with probe events, where CPUs stay in masks (v6.14 and later): the mask has CPUs with other mms than the batch's.
@Suite struct ProbeBatchTests {
    /// Those of tasks 10 and 20 on CPUs 1 and 2, and one of 30, which sleeps.
    private static let mms: [UInt64] = [0xffff_8880_0000_1000, 0xffff_8880_0000_2000, 0xffff_8880_0000_3000]

    /// The batch of kswapd on CPU 0, with the mask of all others; `answers` are the pages that CPUs 1 and 2 flush.
    private func script(_ answers: [UInt64], _ mask: UInt64 = 0b110, hasHandlers: Bool = true, before: (inout Script) -> Void = { _ in }) -> Script {
        var script = Script("7.3.0", cpus: 3)
        script.name(66, "kswapd0")
        for (cpu, pid, mm) in [(1, 30, 2), (1, 10, 0), (2, 20, 1)] as [(Int, Int32, Int)] {
            script.run(pid, on: cpu)
            script.probe(.swMM, next: Self.mms[mm], mask: mm == 2 ? mask : 1 << UInt64(cpu), task: UInt64(pid), on: cpu)
            script.flush(.taskSwitch, on: cpu)
        }
        script.run(66)
        script.probe(.enterLazy, next: 0)
        script.wait(1_000_000)
        before(&script)
        script.probe(.batch, mask: 0b110)
        script.probe(.flushOthers, mask: 0b110)
        script.flush(.send)
        for cpu in 1...2 {
            if hasHandlers { script.probe(.flushRemote, from: 0, on: cpu, inIRQ: true) }
            script.flush(.remote, answers[cpu - 1], on: cpu, inIRQ: true)
        }
        script.run(0)
        return script
    }

    /// Of the batch the tasks whose mms are in it: 10, 20, 30 are the second, third and first that the script shows.
    private func contents(_ notes: Notes) -> [[Int]] { notes.batches.map { $0.mms.map { [30, 10, 20][Int($0.index) - 1] } } }

    @Test func itIsOfTheMMsOfThoseThatFlush() {
        #expect(contents(script([Script.everything, 0]).followProbes()) == [[10]])
        #expect(contents(script([0, Script.everything]).followProbes()) == [[20]])
        #expect(contents(script([Script.everything, Script.everything]).followProbes()) == [[10, 20]])
    }

    /// A probe tells the first word of a mask. The mm of CPU 0's task has CPU 70, too: that one says nothing of whether it is in the batch.
    @Test(arguments: [1, 70]) func cpusBeyondTheFirstWordSayNothingOfWhatIsInIt(other: Int) {
        var script = Script("4.13.0", cpus: 72)
        script.name(66, "kswapd0")
        for (cpu, pid) in [(0, Int32(10)), (other, 11)] {
            script.run(pid, on: cpu)
            script.probe(.swMM, next: Self.mms[0], task: UInt64(pid), on: cpu)
            script.flush(.taskSwitch, on: cpu)
        }
        script.run(66, on: 2)
        script.probe(.enterLazy, next: 0, on: 2)
        script.probe(.batch, mask: other < 64 ? 0b11 : 0b01, on: 2)
        script.flush(.send, on: 2)
        script.run(0, on: 2)
        let batches = script.followProbes().batches
        #expect(batches.map(\.mms.count) == [1])
        #expect(batches.first?.others.count(0) == 0)
    }

    @Test func ifNobodyFlushesItIsOfTheOnlyMMWithItsMask() {
        #expect(contents(script([0, 0]).followProbes()) == [[30]])
        let unknown = script([0, 0], 0b010).followProbes()
        #expect(contents(unknown) == [[]])
        #expect(unknown.batches.first?.others.count(0) == 0)
    }

    /// A CPU that has just flushed may have done so for the batch: then its mm's mask decides.
    @Test(arguments: [(true, UInt64(0), [20]), (false, 0, []), (true, 1_000_000, [])] as [(Bool, UInt64, [Int])])
    func whoHasJustFlushedIsUpToDateForThat(hasSameMask: Bool, wait: UInt64, found: [Int]) {
        let script = script([0, 0], 0b010) {
            $0.probe(.flushRange, mm: Self.mms[1], mask: hasSameMask ? 0b110 : 0b100, on: 2)
            $0.flush(.localMM, 1, on: 2)
            $0.wait(wait)
        }
        #expect(contents(script.followProbes()) == [found])
    }

    /// A recording without probes in the handlers: what the CPUs have loaded, by their switches.
    @Test func withoutProbesInTheHandlersTheirRecordsTell() {
        let coverage = ProbeCoverage(handlers: false)
        #expect(contents(script([Script.everything, 0], hasHandlers: false).followProbes(coverage)) == [[10]])
        #expect(contents(script([0, 0], hasHandlers: false).followProbes(coverage)) == [[30]])
    }

    /// Of two batches under way a CPU answers that of the CPU which sent it.
    @Test func anAnswerIsToTheBatchOfItsInitiator() {
        var script = Script("7.3.0", cpus: 3)
        for cpu in 0..<3 {
            script.run(Int32(10 + cpu), on: cpu)
            script.probe(.swMM, next: Self.mms[cpu], mask: 1 << UInt64(cpu), task: 1, on: cpu)
        }
        for cpu in 0..<2 {
            script.probe(.batch, mask: 0b100, on: cpu)
            script.probe(.flushOthers, mask: 0b100, on: cpu)
            script.flush(.send, on: cpu)
        }
        script.probe(.flushRemote, from: 1, on: 2, inIRQ: true)
        script.flush(.remote, on: 2, inIRQ: true)
        script.probe(.flushRemote, from: 0, on: 2, inIRQ: true)
        script.flush(.remote, 0, on: 2, inIRQ: true)
        for cpu in 0..<2 { script.run(0, on: cpu) }
        let notes = script.followProbes()
        let deliveries = notes.stimuli.compactMap { if case .deliver(let cpu, let sender) = $0 { [cpu, sender] } else { nil } }
        #expect(deliveries.prefix(2) == [[2, 1], [2, 0]])
        #expect(notes.batches.map { $0.mms.count } == [1, 1])
    }
}
