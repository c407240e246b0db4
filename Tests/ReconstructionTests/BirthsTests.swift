import LazyTLB
@testable import Reconstruction
import TestSupport
import Testing
import TraceData

/// Without births any task may be another's child: it is inferred then as if nothing but sched_switch and tlb_flush had been recorded, whatever the file declares.
struct BirthsTests {
    /// Two processes in turns on one CPU, for so long that the end is not near the beginning; task_newtask is declared.
    private func trace(birthAt place: Int?) -> WrittenTrace {
        var trace = WrittenTrace(cpus: 1)
        trace.formats.append(WrittenTrace.newTask)
        for turn in 0..<Self.turns {
            let time = UInt64(1000 * (turn + 1))
            let (gone, next): (Int32, Int32) = turn & 1 == 0 ? (8, 7) : (7, 8)
            trace.run(0, time, gone, next)
            trace.flush(0, time + 100, gone, 0, -1)
            if turn == place { trace.make(0, time + 200, 9) }
        }
        return trace
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

    /// It lists all tasks that a birth would have told of.
    @Test func `a snapshot of the tasks tells as well`() throws {
        var trace = trace(birthAt: nil)
        trace.formats.append(WrittenTrace.marker)
        for line in ["begin", "mm 7; 8;", "end"] { trace.mark(0, UInt64(1000 * (Self.turns + 1)), Array("lazytlb-tasks 1 \(line)\n\0".utf8)) }
        #expect(try evidence(trace).kind == .lifeCycle)
    }
}
