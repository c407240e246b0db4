import Synchronization

/// How far the reading of a trace has come. Any thread may add to it, and look.
public final class ReadingProgress: Sendable {
    private let readRecords = Atomic<Int>(0)
    private let readBytes = Atomic<Int>(0)
    private let expectedBytes = Atomic<Int>(0)
    private let passes = Atomic<Int>(0)

    public init() {}

    /// Records read so far, of all kinds; one of two passes reads half of each.
    public var records: Int { readRecords.load(ordering: .relaxed) / max(1, passes.load(ordering: .relaxed)) }

    /// How much of what is to be read has been, from 0 to 1; 0 as long as that is not known.
    public var share: Double {
        let expected = expectedBytes.load(ordering: .relaxed)
        return expected > 0 ? min(1, Double(readBytes.load(ordering: .relaxed)) / Double(expected)) : 0
    }

    /// So much of the file will be read: its data of all CPUs, once for each pass.
    func expect(bytes: Int, times: Int) {
        expectedBytes.add(bytes * times, ordering: .relaxed)
        passes.add(times, ordering: .relaxed)
    }

    /// A trace of so many bytes is turned into a trace.dat file, which is read afterwards: that is taken for as much again.
    package func expect(conversion bytes: Int) { expectedBytes.add(2 * bytes, ordering: .relaxed) }

    /// What is read afterwards is known now, and will be told by its own.
    package func converted(_ bytes: Int) { expectedBytes.subtract(bytes, ordering: .relaxed) }

    package func read(bytes: Int) { readBytes.add(bytes, ordering: .relaxed) }
    func read(records: Int) { readRecords.add(records, ordering: .relaxed) }
}

extension TraceFile {
    /// The data of all CPUs of the chosen buffer will be read so many times from here on: for ``Options/progress``.
    public func willBeRead(times: Int) {
        options.progress?.expect(bytes: buffer.cpus.reduce(0) { $0 &+ Int(clamping: $1.size) }, times: times)
    }
}
