import TraceData

/// What cannot be read of a perf.data: thrown, or with ``TraceFile/Options/keepGoing`` listed.
final class PerfProblems {
    private let path: String
    private let keepGoing: Bool
    /// From a place in what was unpacked to that in the file.
    private let unpacking: PerfUnpacking?
    private(set) var list: [TraceProblem] = []
    private var more = 0

    static let limit = 20

    init(path: String, keepGoing: Bool, unpacking: PerfUnpacking?) {
        self.path = path
        self.keepGoing = keepGoing
        self.unpacking = unpacking
    }

    func note(_ cause: String, _ offset: Int, cpu: Int? = nil) throws(TraceError) {
        let place = unpacking?.original(offset) ?? offset
        let error = TraceError(path: path, offset: UInt64(place), cause: unpacking == nil ? cause : "\(cause) (in the unpacked data)")
        guard keepGoing else { throw error }
        if list.count < Self.limit { list.append(TraceProblem(error, cpu: cpu)) } else { more += 1 }
    }

    /// All that are to be shown.
    var all: [TraceProblem] { more == 0 ? list : list + [TraceProblem(TraceError(path: path, cause: "\(more) more records cannot be read"))] }
}
