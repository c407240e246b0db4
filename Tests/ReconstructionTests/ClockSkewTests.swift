import Foundation
import LazyTLB
import Replay
import TestSupport
import Testing
import TraceData
import TraceSynth

@testable import Reconstruction

/// CPUs whose clocks differ: recordings with synchronised clocks, one CPU's times shifted.
@Suite struct ClockSkewTests {
    static let threads = Recordings.fixture("v4.13-threads-4cpu-truth.dat")
    static let reclaim = Recordings.fixture("v4.12-reclaim-4cpu-truth.dat")
    static let plain = Recordings.fixture("v4.12-threads-4cpu-plain.dat")

    private func shifted(_ path: String, _ cpu: Int, by shift: Int64) throws -> TraceFile {
        var options = TraceFile.Options()
        options.clockOffsets = [cpu: -shift]
        return try TraceFile(path: path, options: options)
    }

    private func differ(_ file: TraceFile, _ level: EvidenceLevel = .all) throws -> Bool {
        try Reconstruction(file, sink: NoSink(), evidence: level).evidence.clocksDiffer
    }

    @Test(arguments: Recordings.fixtures + [plain] + (Recordings.hasLarger ? Recordings.larger : []))
    func synchronisedClocksAreNotSaidToDiffer(_ path: String) throws {
        let file = try TraceFile(path: path)
        for level in EvidenceLevel.allCases { #expect(try !differ(file, level), "\(level)") }
    }

    @Test(arguments: [(threads, 0, 100_000), (threads, 3, -1_000_000), (plain, 3, -100_000), (plain, 0, 20_000_000), (reclaim, 0, 30_000)])
    func aClockThatIsOffIsSeenAndMeasured(_ path: String, _ cpu: Int, _ shift: Int64) throws {
        let file = try shifted(path, cpu, by: shift)
        #expect(try differ(file))
        if shift.magnitude > 30_000 { #expect(try differ(file, .noProbes)) }
        let skew = try #require(try ClockSkew(file))
        #expect(skew.inversions > 0)
        #expect(skew.inversionsLeft == 0)
        let found = try #require(skew.cpus.first)
        #expect(skew.cpus.map(\.cpu) == [cpu])
        // An IPI takes 20 µs on these machines.
        #expect((found.ahead - shift).magnitude < 20_000, "\(found)")
        #expect(try #require(found.atLeast) <= shift)
        #expect(try #require(found.atMost) >= shift)
    }

    /// kernel_clone(), kernel/fork.c: both records of a birth are written before wake_up_new_task().
    @Test(arguments: [false, true]) func aTaskIsMadeBeforeItRuns(hasFlags: Bool) throws {
        var trace = WrittenTrace(cpus: 2)
        trace.formats += [WrittenTrace.newTask, WrittenTrace.processFork]
        trace.run(0, 1000, 0, 7)
        if hasFlags { trace.make(0, 2000, 9) } else { trace.bear(0, 2000, 9, of: 7) }
        trace.run(1, 1400, 0, 9)
        try trace.open { path in
            let bounds = try ClockBounds(TraceFile(path: path), rules: KernelRules(release: "6.1.0"))
            #expect(bounds[0, 1] == 600)
        }
    }

    /// Of a flush that was sent in a gap, or whose sender's next record is in one, nothing is known.
    @Test(arguments: ["", "sent", "done"]) func whatIsLostOfAFlushTellsNothing(_ lost: String) throws {
        var trace = WrittenTrace(cpus: 2)
        for cpu in 0...1 { trace.run(cpu, 1000, 0, Int32(7 + cpu)) }
        if lost != "sent" { trace.flush(0, 2000, 7, 4, 3) }
        // flush_tlb_func() of v4.12, in the IPI.
        trace.flush(1, 2500, 8, 1, 3, inIRQ: true)
        if lost == "" { trace.flush(0, 3000, 7, 3, 3) } else { trace.lose(0) }
        trace.turn(0)
        for cpu in 0...1 { trace.run(cpu, 4000, Int32(7 + cpu), 0) }
        try trace.open { path in
            let bounds = try ClockBounds(TraceFile(path: path), rules: KernelRules(release: "4.12.0"), usesFlushes: true)
            #expect(bounds.unmatched == 0)
            #expect(bounds[0, 1] == (lost == "sent" ? ClockBounds.unbounded : -500))
            #expect(bounds[1, 0] == (lost == "" ? -500 : ClockBounds.unbounded))
        }
    }

    @Test(arguments: [-300_000, 1_000_000])
    func aCorrectedTraceIsPredictedAsWellAsOneOfSynchronisedClocks(_ shift: Int64) throws {
        let good = try missed(try TraceFile(path: Self.threads))
        let file = try shifted(Self.threads, 2, by: shift)
        let skew = try #require(try ClockSkew(file))
        #expect(try missed(file) > good + 100)
        #expect(try missed(try file.corrected(by: skew.offsets)) <= good + 1)
    }

    /// Of the recorded kernel's tlb_flush records those that its scheme does not predict.
    private func missed(_ file: TraceFile) throws -> Int {
        let replay = try Reconstruction(file, sink: Replay(cpus: Reconstruction<Replay>.cpuCount(file))).sink
        let predicted = file.kernelRelease?.hasPrefix("4.13") == true ? replay.v413.predicted : replay.v412.predicted
        return max(replay.recorded.total, predicted.total) - predicted.matched(replay.recorded)
    }

    @Test func twoClocksThatAreOffAreBothMeasured() throws {
        var options = TraceFile.Options()
        options.clockOffsets = [1: -400_000, 3: 250_000]
        let skew = try #require(try ClockSkew(try TraceFile(path: Self.threads, options: options)))
        let found = skew.offsets
        #expect(skew.inversionsLeft == 0)
        // Which CPUs are right is not known, by how much they differ is.
        #expect(abs((found[1] ?? 0) - (found[3] ?? 0) - 650_000) < 40_000, "\(found)")
        #expect(abs((found[1] ?? 0) - (found[0] ?? 0) - 400_000) < 40_000, "\(found)")
    }

    /// Each two CPUs are compared: docs/faults.md names the limit.
    @Test(arguments: [(256, true), (257, false)]) func moreCPUsThanCanBeComparedAreNotMeasured(_ cpus: Int, _ isMeasured: Bool) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString).dat").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = SynthOptions()
        (options.cpus, options.events, options.tasks) = (cpus, 8000, 600)
        _ = try synthesize(options, to: path)
        let file = try TraceFile(path: path)
        #expect(file.cpusWithData.count == cpus)
        let skew = try ClockSkew(file)
        #expect((skew != nil) == isMeasured)
        #expect(skew?.inversions ?? 0 == 0)
    }

    /// Single answers may go astray: ten of less than two thousand do not.
    @Test(arguments: [(9, 100, false), (10, 100, true), (10, 1999, true), (10, 2000, false)]) func answersToNoFlushUnderWayStartTheMeasuring(unmatched: Int, of answers: Int, differ: Bool) {
        var watch = ClockWatch(cpus: 2)
        watch.sent()
        for number in 0..<answers { watch.answered(matched: number >= unmatched) }
        #expect(watch.differ(KernelRules(release: "4.12.0")) == differ)
        // A CPU that has caught up with another flush answers with other pages, or none.
        #expect(!watch.differ(KernelRules(release: "4.14.0")))
        #expect(watch.unexplained(KernelRules(release: "4.14.0")) == 0)
    }

    /// Whoever sent what they answer has no records: that says nothing of clocks.
    @Test(arguments: [true, false]) func answersToCPUsThatAreNotRecordedSayNothingOfClocks(sends: Bool) {
        var watch = ClockWatch(cpus: 2)
        if sends { watch.sent() }
        for number in 0..<100 { watch.answered(matched: number >= 50) }
        watch.hasAllCPUs = !sends
        let rules = KernelRules(release: "4.12.0")
        #expect(!watch.differ(rules))
        #expect(watch.unexplained(rules) == 50)
    }

    /// docs/faults.md: a CPU without data. With probe events and without; in two passes, and in one reading.
    @Test func whoAnswersACPUWithoutDataHasNoOtherClock() throws {
        var trace = try DamagedTrace(Self.threads)
        trace.drop(cpu: 3)
        try trace.open { file in
            #expect(file.cpusWithoutData == [3])
            for level in EvidenceLevel.allCases {
                let evidence = try Reconstruction(file, sink: NoSink(), evidence: level).evidence
                #expect(!evidence.clocksDiffer, "\(level)")
                #expect(evidence.unexplainedAnswers > 100, "\(level)")
            }
        }
    }

    /// docs/faults.md: one that leaves more than a tenth of the contradictions is not made. Where a clock jumps on the way, none holds for the whole trace.
    @Test(arguments: [(0, true), (0.3, false)]) func aCorrectionThatLeavesContradictionsIsNotMade(jumpsAt part: Double, isMade: Bool) throws {
        var trace = try DamagedTrace(Self.threads)
        trace.setClockForward(by: 1_000_000, of: 2, from: part)
        try trace.open { file in
            let skew = try #require(try ClockSkew(file))
            #expect(skew.inversions > 100)
            #expect(skew.cpus.map(\.cpu) == (isMade ? [2] : []))
            #expect(skew.inversionsLeft == (isMade ? 0 : skew.inversions))
        }
    }

    @Test func whatIsMissingIsNoContradiction() throws {
        let file = try TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-truth-lost.dat"))
        #expect(try ClockSkew(file)?.inversions == 0)
    }

    /// Its way out and in again may be among what is missing.
    @Test(arguments: [false, true]) func aTaskThatMayHaveLeftInAGapIsNotInTwoPlaces(isLost: Bool) {
        var watch = ClockWatch(cpus: 2)
        watch.switched(0, from: 0, to: 7)
        watch.switched(1, from: 0, to: 7)
        if isLost { watch.lost(0) }
        watch.switched(0, from: 7, to: 0)
        #expect(watch.inversions == (isLost ? 0 : 1))
    }
}
