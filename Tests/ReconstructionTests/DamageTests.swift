import AccuracyKit
import Reconstruction
import Testing
import TraceData

/// Recordings of which a part is missing, measured against the probe events of the whole.
@Suite struct DamageTests {
    /// What is to be right of what is not reported unknown: the figures that whole recordings reach.
    struct Floor {
        var switches = 0.998
        var time = 0.999
        var flushes = 0.99
        /// CPU time reported unknown may be this many times that of the gaps, and this much more.
        var unknownFactor = 1.3
        var unknownRest = 0.02
    }

    static let seeds = UInt64(1)...3
    static let parts = [0.03, 0.1, 0.3]
    /// Processes of many threads, whose births are soon lost.
    static let threads = ["v4.12-threads-2cpu-truth-c3idle.dat", "v4.13-threads-4cpu-truth.dat"].map(Recordings.fixture)
    /// Little but answers to the flushes of other processes' pages relates tasks.
    static let reclaim = Recordings.fixture("v4.12-reclaim-4cpu-truth.dat")
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

    // MARK: starting in the middle

    @Test(arguments: threads, [0.25, 0.5, 0.9])
    func aRecordingThatStartsInTheMiddleIsReadAsWell(_ path: String, _ part: Double) throws { try expectStart(path, part) }

    @Test(arguments: [(0.25, 0.02), (0.5, 0.05)])
    func aRecordingOfReclaimThatStartsInTheMiddleIsReadAsWell(_ part: Double, _ unknown: Double) throws {
        try expectStart(Self.reclaim, part, unknown: unknown)
    }

    /// What is said is right, but two CPUs on which only kernel threads run show nothing of what they had loaded when the trace began:
    /// docs/inference.md.
    @Test func aRecordingOfReclaimThatStartsLateIsReadAsWellAsFarAsItIs() throws {
        let accuracy = try expectStart(Self.reclaim, 0.9, unknown: 0.7)
        let unknown = try #require(accuracy.time.unknownPart)
        withKnownIssue { #expect(unknown <= 0.05) }
    }

    @Test(.enabled(if: Recordings.hasLarger, "no larger set of recordings: set LAZYTLB_TRACES"), arguments: [0.25, 0.5, 0.9])
    func aRecordingOfForksThatStartsInTheMiddleIsReadAsWell(_ part: Double) throws {
        // One switch of a dying task in 353 is more than 0.2 %.
        try expectStart(Self.forks, part, Floor(switches: part == 0.9 ? 0.996 : 0.998))
    }

    @discardableResult
    private func expectStart(_ path: String, _ part: Double, _ floor: Floor = Floor(), unknown: Double = 0.02) throws -> Accuracy {
        let (copy, measured) = try measure(path) { $0.dropPrefix(part) }
        #expect(copy.droppedRecords > part / 2)
        let accuracy = measured.accuracy
        #expect(accuracy.switches.all > 50)
        try expect(accuracy, floor, "")
        // What is gone is not part of the measure: the rest is known soon, whatever the part.
        #expect(try #require(accuracy.switches.unknownPart) <= 0.05)
        #expect(try #require(accuracy.time.unknownPart) <= unknown)
        return accuracy
    }

    // MARK: lost sub-buffers

    @Test(arguments: threads, parts)
    func whatLostSubBuffersLeaveOfThreadsIsRightAndTheUnknownInProportion(_ path: String, _ part: Double) throws {
        for seed in Self.seeds { try expectGaps(path, part, seed, Floor()) }
    }

    /// A CPU on which only kernel threads run after a gap has init_mm loaded, or an mm that nobody flushes: where the records leave that
    /// open, more is unknown than was lost.
    @Test(arguments: parts)
    func whatLostSubBuffersLeaveOfReclaimIsRight(_ part: Double) throws {
        let floor = Floor(flushes: part > 0.2 ? 0.97 : 0.985, unknownFactor: 1.7, unknownRest: 0.07)
        for seed in Self.seeds { try expectGaps(Self.reclaim, part, seed, floor) }
    }

    @Test(.enabled(if: Recordings.hasLarger, "no larger set of recordings: set LAZYTLB_TRACES"), arguments: zip(parts, [(0.998, 0.999), (0.997, 0.993), (0.994, 0.997)]))
    func whatLostSubBuffersLeaveOfForksIsRightAndTheUnknownInProportion(_ part: Double, _ floors: (Double, Double)) throws {
        for seed in Self.seeds { try expectGaps(Self.forks, part, seed, Floor(switches: floors.0, time: floors.1)) }
    }

    private func expectGaps(_ path: String, _ part: Double, _ seed: UInt64, _ floor: Floor) throws {
        let (copy, measured) = try measure(path) { $0.dropRandom(part, seed: seed) }
        #expect(measured.evidence.gaps > 0)
        let accuracy = measured.accuracy
        try expect(accuracy, floor, "seed \(seed)")
        #expect(try #require(accuracy.switches.unknownPart) <= 0.02 + copy.droppedRecords, "seed \(seed)")
        #expect(try #require(accuracy.flushes.unknownPart) <= 0.02 + copy.droppedRecords, "seed \(seed)")
        // Nothing is claimed of the gaps, and little else is unknown.
        let unknown = try #require(accuracy.time.unknownPart)
        #expect(unknown >= 0.95 * copy.lostPart, "seed \(seed)")
        #expect(unknown <= floor.unknownFactor * copy.lostPart + floor.unknownRest, "seed \(seed)")
    }

    private func expect(_ accuracy: Accuracy, _ floor: Floor, _ comment: Comment) throws {
        #expect(try #require(accuracy.switches.accuracy) >= floor.switches, comment)
        #expect(try #require(accuracy.time.accuracy) >= floor.time, comment)
        #expect(try #require(accuracy.flushes.accuracy) >= floor.flushes, comment)
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
