import AccuracyKit
import Reconstruction
import Testing
import TraceData

/// Recordings of which a part is missing, measured against the probe events of the whole.
@Suite struct DamageTests {
    /// Processes of many threads, whose births are soon lost.
    static let threads = ["v4.12-threads-2cpu-truth-c3idle.dat", "v4.13-threads-4cpu-truth.dat"].map(Recordings.fixture)
    /// Many short processes: of each there are few records, and the lost ones may be those that decide.
    static let forks = Recordings.larger[0]

    private func measure(_ path: String, _ damage: (inout DamagedTrace) -> Void) throws -> (DamagedTrace, Measurement) {
        let truth = try Recordings.truth(path)
        var copy = try DamagedTrace(path)
        damage(&copy)
        return (copy, try copy.open { try Measurement($0, .noProbes, against: truth) })
    }

    @Test func aCopyThatIsNotDamagedSaysWhatTheOriginalSays() throws {
        let truth = try Recordings.truth(Self.threads[0])
        try DamagedTrace(Self.threads[0]).open { copy in
            let again = try #require(try Truth(copy))
            let accuracy = Accuracy(true: truth.history, inferred: again.history, from: 0)
            #expect(accuracy.switches.accuracy == 1)
            #expect(accuracy.time.accuracy == 1)
            #expect(accuracy.switches.all == truth.switches)
        }
    }

    @Test(arguments: threads, [0.25, 0.5, 0.9])
    func aRecordingThatStartsInTheMiddleIsReadAsWell(_ path: String, _ part: Double) throws { try expectStart(path, part) }

    @Test(.enabled(if: Recordings.hasLarger, "no larger set of recordings: set LAZYTLB_TRACES"), arguments: [0.25, 0.5, 0.9])
    func aRecordingOfForksThatStartsInTheMiddleIsReadAsWell(_ part: Double) throws { try expectStart(Self.forks, part) }

    private func expectStart(_ path: String, _ part: Double) throws {
        let (copy, measured) = try measure(path) { $0.dropPrefix(part) }
        #expect(copy.droppedRecords > part / 2)
        let accuracy = measured.accuracy
        #expect(accuracy.switches.all > 100)
        #expect(try #require(accuracy.switches.accuracy) >= 0.99)
        #expect(try #require(accuracy.time.accuracy) >= 0.99)
        // What is gone is not part of the measure: the rest is known soon, whatever the part.
        #expect(try #require(accuracy.switches.unknownPart) <= 0.02)
        #expect(try #require(accuracy.time.unknownPart) <= 0.02)
    }

    @Test(arguments: threads, [0.03, 0.1, 0.3])
    func whatLostSubBuffersLeaveUnknownIsInProportion(_ path: String, _ part: Double) throws {
        for seed in UInt64(1)...3 { try expectGaps(path, part, seed, atLeast: 0.99) }
    }

    @Test(.enabled(if: Recordings.hasLarger, "no larger set of recordings: set LAZYTLB_TRACES"), arguments: [(0.03, 0.99), (0.1, 0.99), (0.3, 0.97)])
    func whatLostSubBuffersLeaveUnknownOfForksIsInProportion(_ part: Double, _ floor: Double) throws {
        for seed in UInt64(1)...3 { try expectGaps(Self.forks, part, seed, atLeast: floor) }
    }

    /// Where memory is reclaimed, little but answers to the flushes of other processes' pages relates tasks: docs/inference.md.
    @Test func aRecordingOfReclaimThatStartsLateIsNotReadAsWell() throws {
        let (_, measured) = try measure(Recordings.fixture("v4.12-reclaim-4cpu-truth.dat")) { $0.dropPrefix(0.9) }
        let switches = try #require(measured.accuracy.switches.accuracy)
        let time = try #require(measured.accuracy.time.accuracy)
        let unknown = try #require(measured.accuracy.time.unknownPart)
        withKnownIssue { #expect(switches >= 0.99) }
        withKnownIssue { #expect(time >= 0.99) }
        withKnownIssue { #expect(unknown <= 0.02) }
    }

    private func expectGaps(_ path: String, _ part: Double, _ seed: UInt64, atLeast floor: Double) throws {
        let (copy, measured) = try measure(path) { $0.dropRandom(part, seed: seed) }
        #expect(measured.evidence.gaps > 0)
        let accuracy = measured.accuracy
        #expect(try #require(accuracy.switches.accuracy) >= floor, "seed \(seed)")
        #expect(try #require(accuracy.time.accuracy) >= floor, "seed \(seed)")
        #expect(try #require(accuracy.switches.unknownPart) <= 0.02 + copy.droppedRecords, "seed \(seed)")
        // Nothing is claimed of the gaps, and little else is unknown.
        let unknown = try #require(accuracy.time.unknownPart)
        #expect(unknown >= 0.95 * copy.lostPart, "seed \(seed)")
        #expect(unknown <= 1.3 * copy.lostPart + 0.02, "seed \(seed)")
    }

    @Test(arguments: threads)
    func switchesOnlyUsesNoLifeCycleRecord(_ path: String) throws {
        let file = try TraceFile(path: path)
        let truth = try Recordings.truth(path)
        var copy = try DamagedTrace(path)
        try copy.blot(["task_newtask", "task_rename", "sched_process_fork", "sched_process_exec", "sched_process_exit"], in: file)
        let whole = try Measurement(file, .switchesOnly, against: truth)
        let without = try copy.open { try Measurement($0, .switchesOnly, against: truth) }
        #expect(whole.accuracy.switches == without.accuracy.switches)
        #expect(whole.accuracy.time == without.accuracy.time)
        #expect(whole.accuracy.flushes == without.accuracy.flushes)
        #expect(whole.evidence.hardware == without.evidence.hardware)
        #expect(whole.evidence.unknownTime == without.evidence.unknownTime)
    }
}
