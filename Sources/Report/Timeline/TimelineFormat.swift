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
    /// What the recorded kernel's CPUs wrote of flushes, if that is wanted: those of a CPU in the order of time. Only of the recorded kernel's own timeline.
    var flushes: ((RecordedFlush) -> Void)? { get }
}

extension TimelineOutput {
    public var flushes: ((RecordedFlush) -> Void)? { nil }
}

/// The formats of `lazytlb timeline`.
public enum TimelineFormat: String, CaseIterable, Sendable {
    case text, csv, json
    /// Tracks of slices, for viewers of traces: ``TimelineTracks``.
    case perfetto
    /// A picture of a fixed width: ``TimelinePicture``.
    case svg

    public func output(to writer: ByteWriter, _ subject: TimelineSubject) -> any TimelineOutput {
        switch self {
        case .text: TimelineLines(.text, to: writer, unit: subject.unit)
        case .csv: TimelineLines(.csv, to: writer, unit: subject.unit)
        case .json: TimelineLines(.json, to: writer, unit: subject.unit)
        case .perfetto: TimelineTracks(to: writer, subject)
        case .svg: TimelinePicture(to: writer, subject)
        }
    }
}
