import Reconstruction
import Replay
import TraceData

extension ReportDocument.Trace {
    /// What a file says about itself, and what was read of it.
    public init(_ file: TraceFile, _ history: Reconstruction<Replay>, release: String?) {
        self.init(
            path: file.path, kernel: release, machine: file.machine, clock: file.clock.name,
            timeUnit: file.clock.unit == .nanoseconds ? .ns : .count, buffer: file.buffer.name, cpus: file.cpuCount,
            events: history.records, lostEvents: Int(clamping: history.evidence.lostEvents), lostGaps: history.evidence.gaps,
            startNS: history.start, durationNS: history.end - min(history.start, history.end), formatVersion: file.origin.form == .traceDat ? file.version : nil,
            compression: file.compression.rawValue)
        form = file.origin.form.rawValue
        if !file.origin.detail.isEmpty { formDetail = file.origin.detail }
        if !file.origin.leftOut.isEmpty { leftOut = file.origin.leftOut }
    }
}
