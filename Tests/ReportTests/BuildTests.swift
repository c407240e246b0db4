import Foundation
import LazyTLB
@testable import Reconstruction
@testable import Replay
@testable import Report
import Testing
import TraceData

/// What a report is made of: of a recording's names and mms, with a replay made by hand.
struct BuildTests {
    /// kswapd0, and processes that call exec.
    private let history: Reconstruction<Replay>

    init() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../fixtures/v4.13-reclaim-4cpu-plain.dat").standardized.path
        history = try Reconstruction(try TraceFile(path: path), sink: Replay(cpus: 4))
    }

    private func builder(_ replay: Replay = Replay(cpus: 2)) -> ReportBuilder {
        let sample = sampleDocument()
        return ReportBuilder(
            replay: replay, history: history, context: ReportContext(tool: sample.tool, trace: sample.trace, kernel: RecordedKernel(release: "4.13.9")))
    }

    private func apply(_ stimuli: [Stimulus], at time: UInt64, to replay: inout Replay) {
        for stimulus in stimuli { replay.apply(stimulus, at: Moment(time: time, cpu: stimulus.cpu, pid: 100, cause: .tlbFlush)) }
    }

    /// Without masks of probes only one that misses half as much, and more than 20 less, is preferred to the first: docs/conformance.md.
    @Test func `of the schemes of a 4_13 kernel the second is taken if it is clearly better`() {
        for (first, second, isSecond) in [(30, 20, false), (40, 19, true), (40, 20, false), (50, 20, true), (30, 10, false), (31, 10, true)] {
            var replay = Replay(cpus: 2)
            for _ in 0..<first { replay.v413.predicted.add(cpu: 0, reason: 4, pages: 1) }
            // As long as they have done the same one lane serves both.
            for _ in 0..<second { replay.v412.predicted.add(cpu: 0, reason: 4, pages: 1) }
            #expect(builder(replay).ownScheme()?.id == (isSecond ? V413Parent.id : V413.id), "\(first), \(second)")
        }
    }

    @Test func `a process that calls exec is listed once, by its last name`() throws {
        let mms = history.mms
        // `sh -c make`, so to speak: two mms of one process, by different names.
        let all = (1..<1000).compactMap { index in mms[MM(Int32(index))].map { (mm: MM(Int32(index)), owner: $0) } }
        let after = try #require(all.first { $0.owner.generation == 1 && !$0.owner.name.isEmpty })
        let before = try #require(all.first { $0.owner.pid == after.owner.pid && $0.owner.generation == 0 })
        try #require(before.owner.name != after.owner.name)
        for order in [[before.mm, after.mm], [after.mm, before.mm]] {
            var replay = Replay(cpus: 2)
            apply([.cpuUp(cpu: 0), .cpuUp(cpu: 1)], at: 0, to: &replay)
            for mm in order {
                apply((0..<2).map { .contextSwitch(cpu: $0, mm: mm) }, at: 10, to: &replay)
                apply([.flushRange(cpu: 0, mm: mm, pages: 1), .flushOthers(cpu: 0, mm: mm, pages: 1), .deliver(cpu: 1, from: 0)], at: 10, to: &replay)
            }
            let list = builder(replay).interrupters()
            #expect(list.map(\.process) == [after.owner.name])
            #expect(list.map(\.pid) == [Int(after.owner.pid)])
            #expect(list.map(\.flushes) == [2])
        }
    }

    @Test func `divergences of one time are listed by CPU`() {
        var replay = Replay(cpus: 2, divergenceLimit: 100)
        let a = MM(1)
        for cpu in 0..<2 { apply([.cpuUp(cpu: cpu), .contextSwitch(cpu: cpu, mm: a), .contextSwitch(cpu: cpu, mm: .none), .idleLeave(cpu: cpu)], at: 10, to: &replay) }
        apply([.cpuDown(cpu: 1), .cpuDown(cpu: 0)], at: 70, to: &replay)
        let listed = builder(replay).divergences().filter { $0.kind == "redundant-cr3-load" }
        #expect(listed.map(\.cpu) == [0, 0, 1, 1])
        #expect(listed.map(\.old) == [V412.id, V413Parent.id, V412.id, V413Parent.id])
    }

    /// Which of several workers it was says nothing about the workload.
    @Test func `kernel threads are counted by their names without numbers`() {
        let tasks = builder().workload().tasks.filter(\.isKernelThread)
        func switches(_ isWanted: (String) -> Bool) -> Int { history.switchesByName.reduce(0) { isWanted($1.key.description) ? $0 + $1.value : $0 } }
        for (name, wanted) in [("kswapd", switches { $0 == "kswapd0" }), ("kworker", switches { $0.hasPrefix("kworker/") })] {
            #expect(wanted > 0)
            #expect(tasks.filter { $0.name.hasPrefix(name) }.map(\.name) == [name])
            #expect(tasks.first { $0.name == name }?.switches == wanted)
        }
    }

    @Test func `flushes are counted by their sizes`() {
        var replay = Replay(cpus: 2)
        for pages: Int64 in [-1, 1, 1, 2, 3, 4, 5, 8, 9, 33, 34, 63, 100_000] { replay.recorded.add(cpu: 0, reason: 4, pages: pages) }
        for (reason, pages): (Int32, Int64) in [(2, -1), (3, -1), (3, 0), (3, 33), (1, 7), (0, -1)] { replay.recorded.add(cpu: 1, reason: reason, pages: pages) }
        #expect(builder(replay).flushSizes() == [
            .init(fromPages: 0, toPages: 0, sends: 0, local: 1), .init(fromPages: 1, toPages: 1, sends: 2, local: 0), .init(fromPages: 2, toPages: 2, sends: 1, local: 0),
            .init(fromPages: 3, toPages: 4, sends: 2, local: 0), .init(fromPages: 5, toPages: 8, sends: 2, local: 0), .init(fromPages: 9, toPages: 16, sends: 1, local: 0),
            .init(fromPages: 17, toPages: 33, sends: 1, local: 1), .init(fromPages: 34, toPages: nil, sends: 3, local: 0), .init(fromPages: nil, toPages: nil, sends: 1, local: 2),
        ])
        #expect(builder(Replay(cpus: 2)).flushSizes() == [])
    }
}
