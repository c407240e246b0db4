import LazyTLB
@testable import Reconstruction
import TestSupport
import Testing
import TraceData

/// Without births any task may be another's child: it is inferred then as if nothing but sched_switch and tlb_flush had been recorded, whatever the file declares.
struct BirthsTests {
    /// Two processes in turns on one CPU, for so long that the end is not near the beginning; task_newtask is declared.
    private func trace(birthAt place: Int?, forkAt forkPlace: Int? = nil, snapshotAt snapshotPlace: Int? = nil) -> WrittenTrace {
        var trace = WrittenTrace(cpus: 1)
        trace.formats.append(WrittenTrace.newTask)
        for turn in 0..<Self.turns {
            let time = UInt64(1000 * (turn + 1))
            let (gone, next): (Int32, Int32) = turn & 1 == 0 ? (8, 7) : (7, 8)
            trace.run(0, time, gone, next)
            trace.flush(0, time + 100, gone, 0, -1)
            if turn == place { trace.make(0, time + 200, 9) }
            if turn == forkPlace { trace.bear(0, time + 300, 10, of: next) }
            if turn == snapshotPlace { snapshot(trace, time + 400) }
        }
        return trace
    }

    private func snapshot(_ trace: WrittenTrace, _ time: UInt64) {
        for line in ["begin", "mm 7; 8;", "end"] { trace.mark(0, time, Array("lazytlb-tasks 1 \(line)\n\0".utf8)) }
    }

    private static let turns = 6000

    private func evidence(_ trace: WrittenTrace, _ level: EvidenceLevel = .all) throws -> (kind: EvidenceSummary.Kind, isReadOnce: Bool) {
        try trace.open { path in
            let file = try TraceFile(path: path)
            let once: Bool = if case .done? = try OneReading(file, sink: NoSink(), evidence: level) { true } else { false }
            let history = try Reconstruction(file, sink: NoSink(), evidence: level)
            #expect(history.switches == Self.turns)
            #expect(try Foreknowledge(file, evidence: level).first?.pass.usesLifeCycle == (history.evidence.kind == .lifeCycle))
            return (history.evidence.kind, once)
        }
    }

    @Test func `an event that is declared only tells nothing`() throws {
        for level in [EvidenceLevel.all, .noProbes, .switchesOnly] { #expect(try evidence(trace(birthAt: nil), level) == (.flushes, false)) }
    }

    @Test(arguments: [(0, true), (turns - 1, false)]) func `one birth tells, early or late`(place: Int, isReadOnce: Bool) throws {
        #expect(try evidence(trace(birthAt: place)) == (.lifeCycle, isReadOnce))
        #expect(try evidence(trace(birthAt: place), .switchesOnly) == (.flushes, false))
    }

    /// Without clone flags it is not known before the end who shares an mm.
    @Test(arguments: [0, turns - 1]) func `sched_process_fork tells as well, early or late`(place: Int) throws {
        var trace = trace(birthAt: nil, forkAt: place)
        trace.formats.append(WrittenTrace.processFork)
        #expect(try evidence(trace) == (.lifeCycle, false))
        #expect(try evidence(trace, .noCloneFlags) == (.lifeCycle, false))
        #expect(try evidence(trace, .switchesOnly) == (.flushes, false))
        let notes = try trace.open { path in try Reconstruction(TraceFile(path: path), sink: NoSink(), evidence: .all).evidence.notes }
        #expect(notes.count { $0.contains("sched_process_fork") } == 1)
    }

    /// Where both are recorded task_newtask comes first; here that of the first birth lies before the trace.
    @Test(arguments: [turns / 2, turns - 1]) func `clone flags that come late are used`(place: Int) throws {
        var trace = trace(birthAt: place, forkAt: 0)
        trace.formats.append(WrittenTrace.processFork)
        try trace.open { path in
            let file = try TraceFile(path: path)
            let first = try #require(try Foreknowledge(file, evidence: .all).first)
            #expect(first.pass.walk.births == .withFlags)
            #expect(try Foreknowledge(file, evidence: .noCloneFlags).first?.pass.walk.births == .withoutFlags)
            let notes = try Reconstruction(file, sink: NoSink(), evidence: .all).evidence.notes
            #expect(notes == [])
        }
    }

    @Test(arguments: [0, turns - 1]) func `a snapshot does not tell of those who are born behind it`(place: Int) throws {
        var trace = trace(birthAt: nil, forkAt: place, snapshotAt: 1)
        trace.formats += [WrittenTrace.processFork, WrittenTrace.marker]
        try trace.open { path in
            let first = try #require(try Foreknowledge(TraceFile(path: path), evidence: .all).first)
            #expect(first.pass.walk.births == .withoutFlags)
            #expect(first.pass.walk.snapshots.tasks == 2)
        }
        #expect(try evidence(trace) == (.lifeCycle, false))
    }

    /// It lists all tasks that a birth would have told of.
    @Test func `a snapshot of the tasks tells as well`() throws {
        var trace = trace(birthAt: nil)
        trace.formats.append(WrittenTrace.marker)
        snapshot(trace, UInt64(1000 * (Self.turns + 1)))
        #expect(try evidence(trace).kind == .lifeCycle)
    }
}
