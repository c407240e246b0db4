import LazyTLB
import Reconstruction
import Replay
import TraceData

/// From a trace that is open to its timeline: what the program does, whatever becomes of the intervals.
public struct TimelineMaker {
    /// A scheme's identifier, or nil for what the recorded kernel's own records show.
    public var scheme: String?
    public var evidence: EvidenceLevel
    /// A scheme or a release, where the trace does not tell or tells wrong.
    public var kernel: String?
    /// The CPUs that are wanted; nil for all.
    public var cpus: Set<Int>?
    /// Between these times, in units of the trace's clock.
    public var from: UInt64
    public var to: UInt64
    /// Those of the scheme, for outputs that show them.
    public var divergences: [ReportDocument.Divergence] = []

    public init(scheme: String? = nil, evidence: EvidenceLevel = .all, kernel: String? = nil, cpus: Set<Int>? = nil, from: UInt64 = 0, to: UInt64 = .max) {
        (self.scheme, self.evidence, self.kernel, self.cpus, self.from, self.to) = (scheme, evidence, kernel, cpus, from, to)
    }

    /// What is to be said of a timeline beside its intervals.
    public struct Made {
        /// What the trace turned out to lack that makes intervals true. If it lacks anything, nothing of the output is to be trusted.
        public var missing: MissingEvents
        /// What is to be said of clocks that differ, nil if nothing.
        public var clocks: String?
    }

    /// Makes it, of clocks that are corrected if they differ (``ClockSkew``).
    ///
    /// - Parameters:
    ///   - demand: refuses the times of the first and the last record, by throwing.
    ///   - output: what takes the intervals. ``TimelineOutput/end()`` is not called where something is missing.
    /// - Throws: ``TraceError`` where the trace cannot be read, ``UnknownKernel``.
    public func make(_ file: TraceFile, demand: (UInt64, UInt64) throws -> Void = { _, _ in }, output: (TimelineSubject) -> any TimelineOutput) throws -> Made {
        let original = file
        var file = original
        var known = try Foreknowledge(file, evidence: evidence, kernel: kernel)
        var clocks: String?
        if known.clocksDiffer {
            let skew = try ClockSkew(file, kernel: kernel)
            if let skew, !skew.cpus.isEmpty {
                file = try file.corrected(by: skew.offsets)
                known = try Foreknowledge(file, evidence: evidence, kernel: kernel)
            }
            clocks = Self.remark(skew, differStill: known.clocksDiffer)
        }
        // What the corrected times alone make unreadable.
        defer { if file !== original { for problem in file.problems { original.note(problem) } } }
        try demand(known.start, known.end)
        let first = max(from, known.start)
        var subject = TimelineSubject(
            trace: file.path, kernel: try kernel.map { try RecordedKernel(named: $0, traced: file.kernelRelease).release } ?? file.kernelRelease, scheme: scheme,
            evidence: evidence.rawValue, clock: file.clock.name, unit: file.clock.unit == .nanoseconds ? .ns : .count,
            cpus: cpus?.count ?? Reconstruction<NoSink>.cpuCount(file), span: first..<max(first, min(to, known.end)))
        subject.divergences = divergences.filter { (cpus?.contains($0.cpu) ?? true) && $0.timeNS >= first && $0.timeNS <= subject.span.upperBound }
        let taker = output(subject)
        taker.begin()
        let missing =
            switch scheme {
            case V412.id: try run(file, known, V412.self, taker)
            case V413Parent.id: try run(file, known, V413Parent.self, taker)
            default: try run(file, known, V413.self, taker)
            }
        if missing.lines.isEmpty { taker.end() }
        return Made(missing: missing, clocks: clocks)
    }

    /// The same as a picture (SVG) that is a part of a document.
    ///
    /// - Parameter prefix: ``TimelinePicture/init(to:_:prefix:)``.
    public func picture(_ file: TraceFile, prefix: String) throws -> String {
        try ByteWriter.string { writer in _ = try make(file) { TimelinePicture(to: writer, $0, prefix: prefix) } }
    }

    private func run<Model: Scheme>(_ file: TraceFile, _ known: Foreknowledge, _ model: Model.Type, _ output: any TimelineOutput) throws(TraceError) -> MissingEvents {
        var flushes: ((RecordedFlush) -> Void)?
        if scheme == nil, let take = output.flushes {
            flushes = { [cpus, from, to] flush in
                if cpus?.contains(flush.cpu) ?? true, flush.time >= from, flush.time <= to { take(flush) }
            }
        }
        let sink = Timeline<Model>(
            cpus: Reconstruction<NoSink>.cpuCount(file), start: known.start, replaying: scheme != nil, mms: known.mms, flush: flushes
        ) { [cpus, from, to] interval, mms in
            guard cpus?.contains(interval.cpu) ?? true, interval.end > from, interval.start < to else { return }
            var interval = interval
            interval.start = max(interval.start, from)
            interval.end = min(interval.end, to)
            output.add(interval, mms)
        }
        let history = try Reconstruction(file, sink: sink, evidence: evidence, kernel: kernel, knowing: known)
        var timeline = history.sink
        timeline.finish(at: history.end)
        return MissingEvents(
            file, hasSwitches: history.switches > 0, hasFlushes: timeline.hasFlushes, hasLoads: timeline.hasLoads, silentChanges: history.evidence.silentChanges)
    }

    private static func remark(_ skew: ClockSkew?, differStill: Bool) -> String {
        let corrected = skew?.cpus.map(\.cpu) ?? []
        var text = "the CPUs' clocks differ"
        if !corrected.isEmpty { text += corrected.count == 1 ? "; that of CPU \(corrected[0]) is corrected" : "; those of CPUs \(ranges(corrected)) are corrected" }
        if differStill { text += corrected.isEmpty ? ", so that what hangs on their order may be wrong" : ", and what hangs on their order may be wrong all the same" }
        return text + "; lazytlb report measures by how much"
    }
}
