import Foundation
import LazyTLB
@testable import Reconstruction
@testable import Replay
import Testing
import TraceData

/// The timeline of whole recordings: what must hold of its intervals whatever the recording.
@Suite struct TimelineTests {
    static let recordings = [
        "v4.12-threads-2cpu-truth-c3idle.dat", "v4.12-threads-4cpu-truth-lost.dat", "v4.12-threads-4cpu-plain.dat", "v4.12i386-threads-4cpu-truth.dat",
    ]

    /// The intervals of each CPU, in the order in which they come, with what the reconstruction says of the whole.
    private struct Whole {
        var rows: [[Interval]]
        var evidence: EvidenceSummary
        var switches: Int
        var start: UInt64
        var end: UInt64
    }

    private final class Rows {
        var rows: [[Interval]]
        init(cpus: Int) { rows = Array(repeating: [], count: cpus) }
    }

    private func timeline<Model: Scheme>(_ name: String, _ model: Model.Type, replaying: Bool, _ level: EvidenceLevel = .all) throws -> Whole {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../fixtures/\(name)").standardized.path
        let file = try TraceFile(path: path)
        let cpus = Reconstruction<Replay>.cpuCount(file)
        let collected = Rows(cpus: cpus)
        let start = try Reconstruction<Timeline<Model>>.firstTime(file)
        let sink = Timeline<Model>(cpus: cpus, start: start, replaying: replaying, mms: nil) { interval, _ in
            collected.rows[interval.cpu].append(interval)
        }
        let history = try Reconstruction(file, sink: sink, evidence: level)
        var timeline = history.sink
        timeline.finish(at: history.end)
        return Whole(
            rows: collected.rows, evidence: history.evidence, switches: history.switches, start: history.start, end: history.end)
    }

    private func expectSound(_ whole: Whole) {
        for rows in whole.rows {
            #expect(rows.first?.start == whole.start)
            #expect(rows.last?.end == whole.end)
            for row in rows { #expect(row.start < row.end) }
            for (row, next) in zip(rows, rows.dropFirst()) {
                #expect(row.end == next.start)
                var same = row
                (same.start, same.end) = (next.start, next.end)
                #expect(same != next, "two rows that say the same")
            }
        }
    }

    /// Rows in which a task has just come in.
    private func arrivals(_ whole: Whole) -> Int {
        whole.rows.reduce(0) { sum, rows in
            sum + zip([nil] + rows.map(Optional.some), rows).count { before, row in row.pid >= 0 && row.pid != before?.pid }
        }
    }

    /// A switch that is the recording's last record has no row. At the start, and behind a gap, a task may be seen to run that was not seen to come in.
    private func expectArrivals(_ whole: Whole) {
        #expect((whole.switches - 1...whole.switches + whole.rows.count + whole.evidence.gaps).contains(arrivals(whole)))
    }

    @Test(arguments: recordings, [EvidenceLevel.all, .noProbes, .switchesOnly])
    func theRecordedTimelineHasNoHoleAndAgreesWithTheTotals(_ name: String, _ level: EvidenceLevel) throws {
        let whole = try timeline(name, V413.self, replaying: false, level)
        expectSound(whole)
        expectArrivals(whole)
        #expect(unknownTime(whole) == whole.evidence.unknownTime)
        for row in whole.rows.joined() { #expect(row.active == row.loaded) }
    }

    private func unknownTime(_ whole: Whole) -> UInt64 { whole.rows.joined().filter { $0.loaded == .unknown }.reduce(0) { $0 + $1.end - $1.start } }

    /// Only probe events tell when a CPU on its way off has run idle_task_exit().
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly])
    func whatACPUOnItsWayOffHasLoadedIsUnknown(_ level: EvidenceLevel) throws {
        let name = "debian5.10-mixed-4cpu-truth.dat"
        let (known, recorded) = (try timeline(name, V413.self, replaying: false), try timeline(name, V413.self, replaying: false, level))
        expectSound(recorded)
        #expect(unknownTime(recorded) == recorded.evidence.unknownTime)
        #expect(unknownTime(recorded) > unknownTime(known) + 3_000_000)
        let (old, new) = (try timeline(name, V412.self, replaying: true, level), try timeline(name, V413.self, replaying: true, level))
        for scheme in [old, new] {
            expectSound(scheme)
            #expect(unknownTime(scheme) >= unknownTime(recorded))
        }
    }

    @Test(arguments: recordings)
    func eachSchemesTimelineHasNoHoleAndTheSameSwitches(_ name: String) throws {
        for level in [EvidenceLevel.all, .noProbes] {
            let v412 = try timeline(name, V412.self, replaying: true, level)
            let parent = try timeline(name, V413Parent.self, replaying: true, level)
            let v413 = try timeline(name, V413.self, replaying: true, level)
            for whole in [v412, parent, v413] {
                expectSound(whole)
                expectArrivals(whole)
            }
            // Only the old bookkeeping names an mm that is not loaded.
            for row in v413.rows.joined() { #expect(row.active == row.loaded) }
        }
    }

    @Test func theOldSchemesStaleActiveMMShowsInItsTimeline() throws {
        let whole = try timeline("v4.12-threads-2cpu-truth-c3idle.dat", V412.self, replaying: true)
        let stale = whole.rows.joined().filter { $0.active != $0.loaded }
        #expect(!stale.isEmpty)
        for row in stale where row.loaded != .unknown {
            #expect(row.loaded == .initMM)
            #expect(row.state == .`init`)
        }
    }

    /// One CPU's rows of a timeline that is told what happens.
    private func cpuRows(replaying: Bool, cpus: Int = 1, of cpu: Int = 0, end: UInt64, _ body: (inout Timeline<V412>) -> Void) -> [Interval] {
        let collected = Rows(cpus: cpus)
        var timeline = Timeline<V412>(cpus: cpus, start: 0, replaying: replaying, mms: MMTable()) { interval, _ in collected.rows[interval.cpu].append(interval) }
        body(&timeline)
        timeline.finish(at: end)
        return collected.rows[cpu]
    }

    private func moment(_ time: UInt64, _ cpu: Int = 0) -> Moment { Moment(time: time, cpu: cpu, pid: 100, cause: .tlbFlush) }

    /// docs/timeline.md: behind lost events.
    @Test func nothingIsKnownOfACPUWhoseRecordsAreMissing() throws {
        let rows = cpuRows(replaying: false, end: 30) {
            $0.willRun(IncomingTask(pid: 7, comm: "a", basis: .hardware), cpu: 0)
            $0.apply(.user(0, a), at: moment(10))
            $0.loaded(a, cpu: 0, at: 10)
            $0.apply(.forget(cpu: 0), at: moment(20))
            $0.loaded(.unknown, cpu: 0, at: 20)
        }
        #expect(rows.map(\.basis) == [.unknown, .hardware, .unknown])
        let last = try #require(rows.last)
        #expect((last.pid, last.comm, last.state) == (-1, .empty, .unknown))
    }

    /// The sender's clock is behind: all that is left to be delivered comes at its time.
    @Test func aCPUsRowsStayInOrderWhereAnotherOnesClockIsBehind() {
        let rows = cpuRows(replaying: true, cpus: 2, of: 1, end: 200) {
            for cpu in 0..<2 { $0.apply(.cpuUp(cpu: cpu), at: moment(0, cpu)) }
            for cpu in 0..<2 { $0.apply(.user(cpu, a), at: moment(10, cpu)) }
            $0.apply(.flushRange(cpu: 0, mm: a, pages: 1), at: moment(20))
            $0.apply(.flushOthers(cpu: 0, mm: a, pages: 1), at: moment(30))
            $0.apply(.kernel(1), at: moment(100, 1))
            $0.complete(cpu: 0, at: moment(40))
        }
        for row in rows { #expect(row.start < row.end) }
        for (row, next) in zip(rows, rows.dropFirst()) { #expect(row.end == next.start) }
        // It leaves as soon as it can.
        #expect(rows.last?.loaded == .initMM && rows.last?.start == 100)
    }

    @Test func aStateFollowsFromWhatRunsAndWhatIsLoaded() {
        let mm = MM(1)
        let states: [(MM, MM, Interval.State)] = [
            (mm, mm, .user), (.none, mm, .lazy), (.none, .initMM, .`init`), (.unknown, mm, .unknown), (mm, .unknown, .unknown), (.none, .unknown, .unknown),
        ]
        for (own, loaded, state) in states {
            let interval = Interval(
                cpu: 0, start: 1, end: 2, pid: 5, comm: .empty, mm: own, loaded: loaded, active: loaded, basis: .hardware)
            #expect(interval.state == state)
        }
    }
}
