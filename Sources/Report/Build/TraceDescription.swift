import Reconstruction
import Replay
import Tables
import TraceData

extension ReportDocument.Trace {
    /// What a file says about itself, and what was read of it.
    public init(_ file: TraceFile, _ history: Reconstruction<Replay>, release: String?) {
        self.init(
            path: file.path, kernel: release, machine: file.machine, clock: file.clock.name,
            timeUnit: file.clock.unit == .nanoseconds ? .ns : .count, buffer: file.buffer.name, cpus: file.cpuCount,
            events: history.records, lostEvents: Int(clamping: file.drops.reduce(into: history.evidence.lostEvents) { $0.addClamped($1.records) }),
            lostGaps: history.evidence.gaps + file.drops.count,
            startNS: history.start, durationNS: history.end - min(history.start, history.end), formatVersion: file.origin.form == .traceDat ? file.version : nil,
            compression: file.compression.rawValue)
        whole = history.whole.map { .init(startNS: $0.start, durationNS: $0.end - min($0.start, $0.end)) }
        form = file.origin.form.rawValue
        if !file.origin.detail.isEmpty { formDetail = file.origin.detail }
        if !file.origin.leftOut.isEmpty { leftOut = file.origin.leftOut }
    }
}

extension TraceFile {
    /// CPUs whose buffer took no more records for a while: it was full and is not overwritten, or an interrupt came upon too many others. The kernel counts these records, and leaves no mark
    /// where they are missing. (What was overwritten is marked, or was older than all that is there.)
    var drops: [(cpu: Int, records: UInt64)] {
        cpuStats.compactMap { stats in
            var records = stats.dropped
            records.addClamped(stats.commitOverrun)
            return records > 0 ? (stats.cpu, records) : nil
        }
    }

    /// A sentence for the reader, if there are such.
    public var dropNotes: [String] {
        let drops = drops
        guard !drops.isEmpty else { return [] }
        let records = drops.reduce(into: UInt64(0)) { $0.addClamped($1.records) }
        let (one, all) = (drops.count == 1, ranges(drops.map(\.cpu)))
        return [
            "The buffer\(one ? "" : "s") of \(one ? "CPU" : "CPUs") \(all) took no more when \(one ? "it was" : "they were") full: \(count(Int(clamping: records), "record")) \(records == 1 ? "is" : "are") missing there, and "
                + "nothing marks the place. Counts are too low, and what is said of loaded mms may be wrong.",
        ]
    }
}
