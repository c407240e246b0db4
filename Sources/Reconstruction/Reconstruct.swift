import TraceData

/// On what a reconstruction rests, and what stayed unknown.
public struct EvidenceSummary: Sendable {
    /// The best evidence for a task's mm that was used.
    public enum Kind: String, Sendable {
        case probes
        case lifeCycle = "life-cycle"
        case flushes
    }

    public var kind: Kind
    /// Context switches by the strongest evidence for the incoming task's mm.
    public var exact = 0
    public var lifeCycle = 0
    public var hardware = 0
    public var convention = 0
    public var unknown = 0
    /// Time during which what a CPU had loaded is unknown, ns, summed over CPUs.
    public var unknownTime: UInt64 = 0
    /// Flushes, and those of them whose mm is unknown.
    public var flushes = 0
    public var unknownFlushes = 0
    /// Gaps of lost events, and the events known to be lost in them.
    public var gaps = 0
    public var lostEvents: UInt64 = 0
    /// sched_switch records whose prev_pid is not the CPU's last next_pid: records were left out.
    public var brokenChains = 0
    /// Sentences for the reader.
    public var notes: [String] = []

    public init(kind: Kind) { self.kind = kind }
}

/// Reads a trace from its start to its end and drives `sink` with what happened.
///
/// The one place where the stages of this module are put together.
public struct Reconstruction<Sink: StimulusSink> {
    public let sink: Sink
    public let mms: MMTable
    public let evidence: EvidenceSummary
    /// Task names by pid, the latest of each.
    public let names: [Int32: Comm]
    /// All records read, and the times of the first and the last, ns.
    public let records: Int
    /// sched_switch records read.
    public let switches: Int
    public let start: UInt64
    public let end: UInt64

    /// - Throws: ``TraceError`` where the trace cannot be read (with `keepGoing` such places are left out and listed by the file).
    public init(_ file: TraceFile, sink: Sink) throws(TraceError) {
        let cpus = Reconstruction.cpuCount(file)
        let sources = file.streams().map { Lookahead($0, formats: file.formats, longSize: file.longSize) }
        var merge = TimeMerge(sources)
        var probes = ProbeReconstruction(sink: sink, cpus: cpus, longSize: file.longSize)
        while try merge.next() { probes.consume(merge.head) }
        self.sink = probes.sink
        mms = probes.mms
        evidence = probes.evidence
        names = probes.names
        records = sources.reduce(0) { $0 + $1.records }
        switches = sources.reduce(0) { $0 + $1.switches }
        start = sources.compactMap(\.firstTime).min() ?? 0
        end = sources.map(\.lastTime).max() ?? 0
    }

    /// CPUs by number: the highest that occurs, and one more.
    public static func cpuCount(_ file: TraceFile) -> Int {
        max(file.cpuCount, (file.cpusWithData.last ?? 0) + 1)
    }
}
