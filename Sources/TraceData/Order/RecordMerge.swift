/// All records of some CPUs in the order of time.
public struct RecordMerge {
    private var merge: TimeMerge<Head>

    /// A CPU's stream with the record it gave last.
    private struct Head: TimedSource {
        let stream: CPUStream
        var record: Record
        var headTime: UInt64 { record.time }
        mutating func advance() throws(TraceError) -> Bool { try stream.next(&record) }
    }

    /// Merges the given streams, which nobody else may step from now on.
    public init(_ streams: [CPUStream]) {
        merge = TimeMerge(streams.map { Head(stream: $0, record: .none) })
    }

    /// Merges all CPUs of the file's chosen buffer.
    public init(_ file: TraceFile) { self.init(file.streams()) }

    /// The next record; false at the end. Its data is valid until the next call.
    public mutating func next(_ record: inout Record) throws(TraceError) -> Bool {
        guard try merge.next() else { return false }
        record = merge.head.record
        return true
    }
}
