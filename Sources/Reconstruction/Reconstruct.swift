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
    /// Evidence that other, stronger evidence forbids: tasks that seem to share an mm and are known not to, and switches that left CR3
    /// alone though the next task's mm was not loaded.
    public var contradictions = 0
    /// Sentences for the reader.
    public var notes: [String] = []

    public init(kind: Kind) { self.kind = kind }
}

/// What may be used to find the mm of a task.
public enum EvidenceLevel: String, Sendable, CaseIterable {
    case all
    /// Everything but probe events.
    case noProbes = "no-probes"
    /// sched_switch and tlb_flush alone.
    case switchesOnly = "switches-only"
}

extension TraceFile {
    /// The file has the probe events that tell mms exactly: switch_mm() and the flushes.
    public var hasProbes: Bool {
        formats.event(named: "sw_mm") != nil && formats.event(named: "fl_range") != nil
    }
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

    /// - Parameter kernel: the recorded kernel's release where the file does not tell, or tells wrong.
    /// - Throws: ``TraceError`` where the trace cannot be read (with `keepGoing` such places are left out and listed by the file).
    public init(_ file: TraceFile, sink: Sink, evidence level: EvidenceLevel = .all, kernel: String? = nil) throws(TraceError) {
        let cpus = Reconstruction.cpuCount(file)
        if level == .all, file.hasProbes {
            let sources = Reconstruction.sources(file, probes: true)
            var merge = TimeMerge(sources)
            var probes: ProbeReconstruction<Sink>?
            while try merge.next() {
                if probes == nil { probes = ProbeReconstruction(sink: sink, cpus: cpus, longSize: file.longSize, start: Self.start(of: sources)) }
                probes?.consume(merge.head)
            }
            probes?.finish(at: sources.map(\.lastTime).max() ?? 0)
            self.init(
                sink: probes?.sink ?? sink, mms: probes?.mms ?? MMTable(), evidence: probes?.evidence ?? EvidenceSummary(kind: .probes),
                names: probes?.names ?? [:], sources: sources)
            return
        }
        let rules = KernelRules(release: kernel ?? file.kernelRelease)
        let lifeCycle = level != .switchesOnly
        var pass = EvidencePass(cpus: cpus, rules: rules, lifeCycle: lifeCycle)
        var first = TimeMerge(Reconstruction.sources(file, probes: false))
        while try first.next() { pass.consume(first.head) }
        let sources = Reconstruction.sources(file, probes: false)
        var merge = TimeMerge(sources)
        var replay: InferredReconstruction<Sink>?
        while try merge.next() {
            if replay == nil {
                replay = InferredReconstruction(
                    sink: sink, sources: sources, cpus: cpus, rules: rules, classes: TaskClasses(pass), lifeCycle: lifeCycle,
                    start: Self.start(of: sources))
            }
            replay?.consume(merge.head)
        }
        replay?.finish(at: sources.map(\.lastTime).max() ?? 0)
        self.init(
            sink: replay?.sink ?? sink, mms: replay?.mms ?? MMTable(), evidence: replay?.evidence ?? EvidenceSummary(kind: .flushes),
            names: replay?.names ?? [:], sources: sources)
    }

    private init(sink: Sink, mms: MMTable, evidence: EvidenceSummary, names: [Int32: Comm], sources: [Lookahead]) {
        self.sink = sink
        self.mms = mms
        self.evidence = evidence
        self.names = names
        records = sources.reduce(0) { $0 + $1.records }
        switches = sources.reduce(0) { $0 + $1.switches }
        start = Self.start(of: sources)
        end = sources.map(\.lastTime).max() ?? 0
    }

    /// The time of the first record of any kind.
    private static func start(of sources: [Lookahead]) -> UInt64 { sources.compactMap(\.firstTime).min() ?? 0 }

    private static func sources(_ file: TraceFile, probes: Bool) -> [Lookahead] {
        file.streams().map { Lookahead($0, formats: file.formats, longSize: file.longSize, probes: probes) }
    }

    /// The time of the first record of any CPU, ns; 0 without records.
    public static func firstTime(_ file: TraceFile) throws(TraceError) -> UInt64 {
        var first: UInt64?
        for stream in file.streams() {
            var record = Record.none
            if try stream.next(&record) { first = min(first ?? record.time, record.time) }
        }
        return first ?? 0
    }

    /// CPUs by number: the highest that occurs, and one more.
    public static func cpuCount(_ file: TraceFile) -> Int {
        max(file.cpuCount, (file.cpusWithData.last ?? 0) + 1)
    }
}
