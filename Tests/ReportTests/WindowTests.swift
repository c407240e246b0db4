import Foundation
import Reconstruction
import Report
import TestSupport
import Testing
import TraceData

/// Reports on parts of a trace.
@Suite struct WindowTests {
    private func report(_ name: String, _ window: Window?, evidence: EvidenceLevel = .all, jobs: Int = 1, deviations: Int? = nil) throws -> ReportDocument {
        let maker = ReportMaker(tool: .init(version: "0"), evidence: evidence, jobs: jobs, window: window)
        return try maker.document(TraceFile(path: Recordings.fixture(name)), deviations: deviations)
    }

    /// Recordings of all kinds: with probe events, by switches alone (read twice), by births with lost records, and with CPUs that go off.
    static let cases: [(String, EvidenceLevel)] = [
        ("v4.12-threads-2cpu-truth-c3idle.dat", .all), ("v4.12i386-threads-4cpu-truth.dat", .switchesOnly), ("v4.12-threads-4cpu-truth-lost.dat", .noProbes),
        ("debian5.10-mixed-4cpu-truth.dat", .noProbes),
    ]

    @Test(arguments: cases) func partsMakeUpTheWhole(_ name: String, _ evidence: EvidenceLevel) throws {
        let whole = try report(name, nil, evidence: evidence)
        let (start, third) = (whole.trace.startNS, whole.trace.durationNS / 3)
        let parts = try [
            Window(to: .time(start + third)), Window(from: .time(start + third), to: .time(start + 2 * third)), Window(from: .time(start + 2 * third)),
        ].map { try report(name, $0, evidence: evidence) }
        func same(_ what: String, _ count: (ReportDocument) -> Int) {
            #expect(parts.map(count).reduce(0, +) == count(whole), "\(what): \(parts.map(count))")
            #expect(parts.allSatisfy { count($0) >= 0 })
        }
        same("duration") { Int($0.trace.durationNS) }
        same("lost events") { $0.trace.lostEvents }
        same("gaps") { $0.trace.lostGaps }
        same("switches") { $0.recorded.contextSwitches }
        same("loads") { $0.recorded.cr3Loads }
        same("sends") { $0.recorded.ipiSends }
        same("shootdowns") { $0.recorded.remoteShootdowns }
        same("local flushes") { $0.recorded.localMMShootdowns + $0.recorded.localShootdowns }
        same("evidence") { $0.evidence.switches.total }
        same("unknown switches") { $0.evidence.switches.unknown }
        same("life cycle") { $0.evidence.switches.lifeCycle }
        same("flushes") { $0.evidence.flushes.total }
        same("unknown sends") { $0.evidence.flushes.unknownSends ?? 0 }
        same("broken chains") { $0.evidence.brokenChains ?? 0 }
        same("unknown time") { Int($0.evidence.unknownTimeNS) }
        same("workload") { $0.workload?.switches ?? 0 }
        for task in whole.workload?.tasks.prefix(5) ?? [] { same(task.name) { $0.workload?.tasks.first { $0.name == task.name }?.switches ?? 0 } }
        for id in whole.schemes.keys {
            func scheme(_ what: String, _ count: (ReportDocument.Scheme) -> Int) { same("\(id) \(what)") { $0.schemes[id].map(count) ?? -1 } }
            scheme("switches") { $0.contextSwitches }
            scheme("unknown") { $0.unknownSwitches }
            scheme("sends") { $0.ipiSends }
            scheme("local flushes") { $0.localFlushes }
            scheme("saved loads") { $0.savedLoads ?? -1 }
            scheme("reloads") { $0.reloads ?? -1 }
            scheme("idle") { $0.ipiIdle ?? -1 }
            scheme("kernel threads") { $0.ipiKernel ?? -1 }
            scheme("nr_tlb_remote_flush") { $0.vmstat.remoteFlush }
            // A flush that is under way where two parts meet has its targets in both.
            func extra(_ count: (ReportDocument.Scheme) -> Int) -> Int { parts.reduce(0) { $0 + count($1.schemes[id]!) } - count(whole.schemes[id]!) }
            let extraTargets = extra(\.ipiTargets)
            #expect((0...2 * whole.trace.cpus).contains(extraTargets))
            #expect(extra(\.ipiFlushed) + extra(\.ipiLeft) + extra(\.ipiIgnored) == extraTargets)
            #expect(extra(\.cr3Loads) == extra(\.ipiLeft))
            #expect(extra(\.leaveMM) == extra(\.ipiLeft))
            #expect(parts.allSatisfy { $0.schemes[id]!.ipiTargets == $0.schemes[id]!.ipiFlushed + $0.schemes[id]!.ipiLeft + $0.schemes[id]!.ipiIgnored })
            for part in parts {
                let time = try #require(part.schemes[id]?.cpuTime)
                #expect(time.userNS + time.lazyNS + time.initNS + time.unknownNS == part.trace.cpuTimeNS)
            }
            same("\(id) user") { Int($0.schemes[id]!.cpuTime!.userNS) }
            same("\(id) lazy") { Int($0.schemes[id]!.cpuTime!.lazyNS) }
            same("\(id) init") { Int($0.schemes[id]!.cpuTime!.initNS) }
        }
        for pages in [1, 3, nil] { same("\(pages ?? 0) pages") { $0.flushSizes?.first { $0.fromPages == pages }?.sends ?? 0 } }
        same("masks") { $0.conformance?.masks ?? 0 }
        for index in whole.comparisons.indices {
            same("extra targets") { $0.comparisons[index].extraIPITargets }
            same("missing targets") { $0.comparisons[index].missingIPITargets }
            same("stale") { Int($0.comparisons[index].staleActiveMMNS) }
            same("redundant loads") { $0.comparisons[index].redundantCR3Loads }
        }
        #expect(parts.allSatisfy { $0.trace.whole == .init(startNS: start, durationNS: whole.trace.durationNS) })
        // Each can be read back as a report.
        for part in parts { #expect(try readReports(json: renderJSON([part], asArray: false).utf8) == [part]) }
    }

    @Test(arguments: cases.prefix(3)) func thatOfAllOfATraceIsTheReportOnIt(_ name: String, _ evidence: EvidenceLevel) throws {
        let whole = try report(name, nil, evidence: evidence)
        var part = try report(name, Window(), evidence: evidence, jobs: 3)
        #expect(part.trace.whole == .init(startNS: whole.trace.startNS, durationNS: whole.trace.durationNS))
        // Records of other events are left out before anybody looks at their times.
        #expect(part.trace.events <= whole.trace.events)
        (part.trace.whole, part.trace.events) = (nil, whole.trace.events)
        #expect(part == whole)
    }

    @Test(arguments: cases.prefix(1)) func threadsMakeNoDifference(_ name: String, _ evidence: EvidenceLevel) throws {
        let window = Window(from: .time(14_000_000_000), to: .time(14_500_000_000))
        let alone = try report(name, window, evidence: evidence)
        #expect(alone.recorded.contextSwitches > 100)
        #expect(try report(name, window, evidence: evidence, jobs: 3) == alone)
    }

    /// The recording has the kernel's own counters in two lines, and how far they moved between them is what the kernel did there.
    @Test func betweenTwoLinesIsWhatTheKernelCountedThere() throws {
        let document = try report("v4.12-threads-2cpu-truth-c3idle.dat", Window(from: .marker("lab start nr_tlb_remote_flush"), to: .marker("lab stop nr_tlb_remote_flush")))
        #expect(document.trace.startNS == 13_313_662_700)
        #expect(document.trace.startNS + document.trace.durationNS == 15_393_418_120)
        let counted = ReportDocument.VMStat(remoteFlush: 397 - 223, remoteFlushReceived: 409 - 235, localFlushAll: 1_025 - 988, localFlushOne: 16_492 - 13_531)
        #expect(document.schemes["v4.12"]?.vmstat == counted)
        // The line that begins it is in it, that which ends it is not.
        #expect(document.marks?.map { $0.text.prefix(12) } == ["lab start nr", "lab start en", "lab stop beg"])
    }

    @Test func aLineThatEndsItIsAnotherOneThanThatWhichBeginsIt() throws {
        let document = try report("v4.12-threads-2cpu-truth-c3idle.dat", Window(from: .marker("lab start"), to: .marker("lab start")))
        #expect(document.trace.startNS == 13_307_622_270)
        #expect(document.trace.durationNS == 13_313_662_700 - 13_307_622_270)
        #expect(document.marks?.map(\.text) == ["lab start begin"])
    }

    /// A trace that is cut there would not tell what the CPUs have loaded.
    @Test func whatWasBeforeIsKnown() throws {
        let window = Window(from: .time(14_000_000_000), to: .time(14_500_000_000))
        let (whole, part) = (try report("v4.12-threads-2cpu-truth-c3idle.dat", nil, evidence: .noProbes), try report("v4.12-threads-2cpu-truth-c3idle.dat", window, evidence: .noProbes))
        #expect(whole.evidence.unknownTimeNS > 0)
        #expect(part.evidence.unknownTimeNS == 0)
        #expect(part.evidence.switches.unknown == 0)
        #expect(part.schemes.values.allSatisfy { $0.cpuTime?.unknownNS == 0 && $0.unknownSwitches == 0 })
        // What is stale then became so before.
        #expect(part.comparisons.allSatisfy { $0.staleActiveMMNS > 0 && $0.staleActiveMMNS <= part.trace.cpuTimeNS })
    }

    @Test func deviationsAreThoseOfThePart() throws {
        let name = "v4.12-threads-4cpu-truth-lost.dat"
        let all = try #require(try report(name, nil, deviations: .max).conformance?.deviations)
        // One has just been, and is not known to be one yet: its partner might still come.
        let (from, to) = (try #require(all.first { $0.kind != "mask" }?.timeNS) + 1, UInt64(147_500_000_000))
        let part = try #require(try report(name, Window(from: .time(from), to: .time(to)), deviations: .max).conformance?.deviations)
        // At the edges one of two records that belong together may be in it alone.
        let margin = UInt64(10_000_000)
        let inner = (from + margin)...(to - margin)
        #expect(part.filter { inner ~= $0.timeNS } == all.filter { inner ~= $0.timeNS })
        #expect(!part.isEmpty && part.allSatisfy { from...to ~= $0.timeNS })
    }

    @Test func aPartWithoutRecordsIsAReport() throws {
        let document = try report("v4.12-threads-2cpu-truth-c3idle.dat", Window(from: .time(14_000_000_000), to: .time(14_000_000_001)))
        #expect(document.trace.events == 0)
        #expect(document.trace.durationNS == 1)
        #expect(document.schemes.values.allSatisfy { $0.contextSwitches == 0 && $0.cpuTime?.unknownNS == 0 })
    }
}
