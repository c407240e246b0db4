import Reconstruction
import TraceData

/// The part of a trace from one time to another, as far as they are given.
struct TimeSpan {
    let from: UInt64
    let to: UInt64
    private let file: TraceFile
    private let arguments: (from: TraceTime?, to: TraceTime?)

    /// - Throws: `TraceError` if there is nothing between them.
    init(from: TraceTime?, to: TraceTime?, _ file: TraceFile) throws(TraceError) {
        (self.from, self.to) = (try from?.time(file) ?? 0, try to?.time(file) ?? UInt64.max)
        self.file = file
        arguments = (from, to)
        if let from, let to, self.from >= self.to { throw TraceError(path: file.path, cause: "--from \(from.argument) is not before --to \(to.argument)") }
    }

    /// Refuses a span that the trace has nothing of.
    func demandPart(of start: UInt64, _ end: UInt64) throws(TraceError) {
        let range = "it has \(text(start)) to \(text(end))"
        if let from = arguments.from, self.from >= end { throw TraceError(path: file.path, cause: "--from \(from.argument) is behind all of the trace: \(range)") }
        if let to = arguments.to, self.to <= start { throw TraceError(path: file.path, cause: "--to \(to.argument) is before all of the trace: \(range)") }
    }

    private func text(_ time: UInt64) -> String {
        guard file.clock.unit == .nanoseconds else { return "\(time)" }
        let fraction = String(time % 1_000_000_000)
        return "\(time / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}

/// The part of a trace that a report is on.
struct TracePart {
    var from: TraceTime?
    var to: TraceTime?
    /// Texts in lines of trace_marker.
    var fromMarker: String?
    var toMarker: String?

    /// Those on the command line.
    var given: [String] {
        [("--from", from != nil), ("--to", to != nil), ("--from-marker", fromMarker != nil), ("--to-marker", toMarker != nil)].filter(\.1).map(\.0)
    }

    /// The part of a file that they say, and what throws if the file has nothing of it; nil if they say none.
    func window(_ file: TraceFile) throws(TraceError) -> (window: Window, demand: (WholeTrace) throws -> Void)? {
        if given.isEmpty { return nil }
        let span = try TimeSpan(from: from, to: to, file)
        let window = Window(from: fromMarker.map { .marker($0) } ?? .time(span.from), to: toMarker.map { .marker($0) } ?? .time(span.to))
        return (window, { try demand($0, span, file) })
    }

    private func demand(_ whole: WholeTrace, _ span: TimeSpan, _ file: TraceFile) throws(TraceError) {
        try span.demandPart(of: whole.start, whole.end)
        func missing(_ option: String, _ text: String, _ place: String = "") -> TraceError {
            TraceError(path: file.path, cause: "\(option): no line of trace_marker\(place) has \"\(text)\" in it")
        }
        if let fromMarker, !whole.hasBeginning { throw missing("--from-marker", fromMarker, whole.hasEnd ? " before --to \(to?.argument ?? "")" : "") }
        if let toMarker, !whole.hasEnd { throw missing("--to-marker", toMarker, fromMarker == nil && from == nil ? "" : " behind the beginning") }
    }
}
