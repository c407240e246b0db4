import LazyTLB
import TraceData

/// What must be known of a trace before a reconstruction whose sink writes as it goes: how mms are called, when the trace ends, whether its clocks can be followed.
///
/// Without probe events it is what the first of two passes finds, and the second is all that is left to be made. With them there is one pass only, which is made twice then.
public struct Foreknowledge {
    /// As they are called at the end of the trace.
    public let mms: MMTable
    /// The times of the first record and of the last; 0 without records.
    public let start: UInt64
    public let end: UInt64
    /// ``EvidenceSummary/clocksDiffer``.
    public let clocksDiffer: Bool
    /// The first pass, if that is what was made.
    let first: FirstPass?

    /// - Throws: ``TraceError`` where the trace cannot be read.
    public init(_ file: TraceFile, evidence level: EvidenceLevel = .all, kernel: String? = nil) throws(TraceError) {
        if level == .all, file.hasProbes {
            let history = try Reconstruction(file, sink: NoSink(), evidence: level, kernel: kernel)
            (mms, start, end, clocksDiffer, first) = (history.mms, history.start, history.end, history.evidence.clocksDiffer, nil)
        } else {
            // With the pass that comes behind it.
            file.willBeRead(times: 2)
            var first = try FirstPass.make(file, cpus: Reconstruction<NoSink>.cpuCount(file), rules: KernelRules(file, kernel: kernel), by: level, on: [])
            first.expectsSecond = true
            (mms, start, end, clocksDiffer, self.first) = (first.classes.mms, first.start, first.end, first.clocksDiffer, first)
        }
    }
}

extension Reconstruction {
    /// The same file read again, with what was found beforehand, by the same evidence and of the same kernel.
    ///
    /// - Throws: ``TraceError`` where the trace cannot be read.
    public init(_ file: TraceFile, sink: Sink, evidence level: EvidenceLevel = .all, kernel: String? = nil, knowing known: Foreknowledge) throws(TraceError) {
        try self.init(file, sink: sink, evidence: level, kernel: kernel, after: known.first)
    }
}

/// A sink that wants nothing but what the reconstruction itself finds.
public struct NoSink: StimulusSink {
    public init() {}
    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {}
}
