import LazyTLB
import Reconstruction
import Replay
import TraceData

/// What the probe events of a recording say: the truth that inference is measured against.
public struct Truth: Sendable {
    public let history: History
    public let mms: MMTable
    /// sched_switch records that the recording has.
    public let switches: UInt64

    /// - Returns: nil if the file has no probe events.
    public init?(_ file: TraceFile) throws(TraceError) {
        guard file.hasProbes else { return nil }
        let truth = try Reconstruction(file, sink: History(cpus: Reconstruction<History>.cpuCount(file)))
        guard truth.evidence.kind == .probes else { return nil }
        var history = truth.sink
        history.finish()
        self.history = history
        mms = truth.mms
        switches = UInt64(truth.switches)
    }
}

/// How near an inference comes to the truth.
public struct Measurement {
    public let level: EvidenceLevel
    public let accuracy: Accuracy
    public let counters: [CounterDifference]
    public let divergences: [DivergenceDifference]
    public let evidence: EvidenceSummary
    public let mms: MMTable
    public let history: History

    /// How far a scheme's counters are from those with probes.
    public struct CounterDifference: Sendable {
        public var scheme: String
        public var ipiSends: (guess: Int, real: Int)
        public var ipiTargets: (guess: Int, real: Int)
        public var cr3Loads: (guess: Int, real: Int)
    }

    /// How often the oldest and the newest scheme part, with and without probes.
    public struct DivergenceDifference: Sendable {
        public var kind: Divergence.Kind
        public var guess: Int
        public var real: Int
    }

    /// - Parameter file: the recording that `truth` is of, or a damaged copy.
    public init(_ file: TraceFile, _ level: EvidenceLevel, against truth: Truth) throws(TraceError) {
        let cpus = Reconstruction<History>.cpuCount(file)
        let inferred = try Reconstruction(file, sink: History(cpus: cpus), evidence: level)
        var history = inferred.sink
        history.finish()
        self.level = level
        self.history = history
        evidence = inferred.evidence
        mms = inferred.mms
        accuracy = Accuracy(true: truth.history, inferred: history, from: inferred.start)
        let (guess, real) = (history.replay, truth.history.replay)
        counters = zip(guess.summaries, real.summaries).map { scheme, truth in
            let (guess, real) = (scheme.counters, truth.counters)
            return CounterDifference(
                scheme: scheme.id, ipiSends: (guess.ipiSends, real.ipiSends), ipiTargets: (guess.ipiTargets, real.ipiTargets), cr3Loads: (guess.cr3Loads, real.cr3Loads))
        }
        divergences = Divergence.Kind.allCases.map {
            DivergenceDifference(kind: $0, guess: guess.comparisons[0].count($0), real: real.comparisons[0].count($0))
        }
    }
}
