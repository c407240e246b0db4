import Reconstruction
import Replay

/// What is made of the intervals of a timeline.
public protocol TimelineOutput: AnyObject {
    /// Before all intervals.
    func begin()
    /// The next interval: those of a CPU in the order of time, without holes.
    func add(_ interval: Interval, _ mms: MMTable)
    /// Behind all intervals.
    func end()
}

/// The formats of `lazytlb timeline`.
public enum TimelineFormat: String, CaseIterable, Sendable {
    case text, csv, json
    /// Tracks of slices, for viewers of traces: ``TimelineTracks``.
    case perfetto

    /// - Parameter unit: what the trace's clock counts.
    public func output(to writer: ByteWriter, unit: ReportDocument.Trace.TimeUnit) -> any TimelineOutput {
        switch self {
        case .text: TimelineLines(.text, to: writer, unit: unit)
        case .csv: TimelineLines(.csv, to: writer, unit: unit)
        case .json: TimelineLines(.json, to: writer, unit: unit)
        case .perfetto: TimelineTracks(to: writer)
        }
    }
}
