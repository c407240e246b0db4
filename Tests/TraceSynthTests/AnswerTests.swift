import LazyTLB
import Reconstruction
import Replay
import TestSupport
import Testing
import TraceData
import TraceSynth
import TraceWriting

/// What a synthetic recording says that a report must give, beside what the replay of the file gives.
struct AnswerTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var options = SynthOptions()
        var testDescription: String { "\(options.mix) \(options.cpus) CPUs, \(options.tasks) tasks, seed \(options.seed), \(options.version)" }

        init(_ mix: Mix, cpus: Int = 4, tasks: Int = 64, events: Int = 12_000, seed: UInt64, _ version: TraceFileVersion = .v6) {
            (options.mix, options.cpus, options.tasks, options.events) = (mix, cpus, tasks, events)
            (options.seed, options.version) = (seed, version)
        }
    }

    static let cases: [Case] = Mix.allCases.flatMap { mix -> [Case] in
        [
            Case(mix, seed: 1), Case(mix, cpus: 2, seed: 2, .v7), Case(mix, cpus: 7, tasks: 20, seed: 3), Case(mix, cpus: 64, tasks: 300, seed: 4),
            Case(mix, cpus: 128, tasks: 300, seed: 5), Case(mix, cpus: 512, tasks: 1000, seed: 6, .v7),
        ]
    }

    @Test(arguments: cases) func `a report counts what the kernels counted`(one: Case) throws {
        let (truth, replay, evidence) = try Self.replay(one.options)
        #expect(truth.bugs == 0)
        #expect(truth.events >= one.options.events)
        for (id, counters) in [
            (V412.id, replay.v412.scheme.counters), (V413Parent.id, replay.v413Parent.scheme.counters), (V413.id, replay.v413.scheme.counters),
        ] {
            let counts = try #require(truth.schemes[id])
            #expect(counts.isSame(as: counters), "\(id): \(counts.byKey) \(counts.vmstatByKey), the report has \(counters)")
            #expect(counters.unknownSwitches == 0 && counters.unknownFlushes == 0 && counters.warnings.allSatisfy { $0 == 0 })
        }
        #expect(evidence.unknown == 0 && evidence.unknownFlushes == 0 && evidence.brokenChains == 0)
        // The recorded kernel's own scheme predicts every record.
        #expect(replay.v413.predicted.total == truth.records["tlb_flush"] && replay.recorded.matched(replay.v413.predicted) == replay.recorded.total)
    }

    @Test func `the schemes do not all do the same`() throws {
        let truth = try synthesized(Case(.flushes, events: 50_000, seed: 1).options) { truth, _ in truth }
        let (old, new) = (try #require(truth.schemes[V412.id]), try #require(truth.schemes[V413.id]))
        // A batch reaches CPUs that have left an mm: the old schemes have nothing to do there, the reworked one flushes.
        #expect(old.ipiTargets == new.ipiTargets && old.ipiIgnored > 0 && new.ipiIgnored == 0)
        for count in [new.ipiFlushed, new.ipiLeft, new.ipiIdle, new.ipiKernel, new.leaveMM, new.localFlushes, new.cr3Loads] { #expect(count > 100) }
    }

    static func replay(_ options: SynthOptions) throws -> (SynthAnswers, Replay, EvidenceSummary) {
        try synthesized(options) { truth, path in
            let file = try TraceFile(path: path)
            let history = try Reconstruction(file, sink: Replay(cpus: Reconstruction<Replay>.cpuCount(file)))
            var replay = history.sink
            replay.finish()
            return (truth, replay, history.evidence)
        }
    }
}

extension NaiveCounts {
    func isSame(as counters: Counters) -> Bool {
        contextSwitches == counters.contextSwitches && cr3Loads == counters.cr3Loads && leaveMM == counters.leaveMM
            && ipiSends == counters.ipiSends && ipiTargets == counters.ipiTargets && ipiFlushed == counters.ipiFlushed
            && ipiLeft == counters.ipiLeft && ipiIgnored == counters.ipiIgnored && ipiIdle == counters.ipiIdle && ipiKernel == counters.ipiKernel && localFlushes == counters.localFlushes
            && vmstat == counters.vmstat
    }
}

/// Writes a synthetic recording, gives its answers and its path to `body`, and removes it.
func synthesized<R>(_ options: SynthOptions, _ body: (SynthAnswers, String) throws -> R) throws -> R {
    try withTemporaryPath { try body(try synthesize(options, to: $0), $0) }
}
