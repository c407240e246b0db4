import Glibc
import TraceData
import TraceWriting

/// Brings the records of each CPU into the order of time.
///
/// perf reads its buffers one after the other, round by round. All that was recorded before a round's last record is in the file when the next
/// round has ended (tools/perf/util/ordered-events.c): so what is older than that can be written in its order.
///
/// Memory: two rounds, as large as perf's buffers, and at most ``limit`` records.
struct PerfRounds {
    /// A sample, or a number of lost ones.
    struct Entry {
        var time: UInt64
        /// The tracepoint's data; nil for lost events.
        var data: UnsafeRawPointer?
        /// Of data; of lost events the place of their number in ``losses``.
        var size: Int32
        var cpu: UInt16
        var lost: UInt64 = 0

        init(time: UInt64, data: UnsafeRawPointer, size: Int32, cpu: UInt16) { (self.time, self.data, self.size, self.cpu) = (time, data, size, cpu) }

        init(time: UInt64, lost: UInt64, cpu: UInt16) { (self.time, data, size, self.cpu, self.lost) = (time, nil, 0, cpu, lost) }
    }

    let trace: ConvertedTrace
    var geometry: SubbufferGeometry { trace.geometry }
    private let path: String
    private let keepGoing: Bool
    private var pending: [Entry] = []
    private var isSorted = true
    /// The latest time of this round, and of the one before.
    private var latest: UInt64 = 0
    private var latestBefore: UInt64 = 0
    private var lastTimes: [UInt64] = []
    /// Memory that entries of this round, and of the one before, point to.
    private var blocks: [PerfBlock] = []
    private var blocksBefore: [PerfBlock] = []
    private(set) var problems: [TraceProblem] = []
    /// What came before the first record of a CPU may be missing.
    var beginsWithGaps = false
    /// Samples that no sub-buffer can hold.
    private(set) var tooLong = 0
    private var largest: Int

    private static let limit = 1 << 20
    private static let problemLimit = 100

    init(_ trace: ConvertedTrace, path: String, keepGoing: Bool) {
        self.trace = trace
        self.path = path
        self.keepGoing = keepGoing
        largest = trace.geometry.largestRecord
    }

    /// - Parameter offset: of the record in the file.
    @inline(__always) mutating func add(_ entry: Entry, _ offset: UInt64) throws(TraceError) {
        if Int(entry.cpu) >= lastTimes.count { lastTimes += [UInt64](repeating: 0, count: Int(entry.cpu) + 1 - lastTimes.count) }
        if _slowPath(entry.time < lastTimes[Int(entry.cpu)] || entry.time > Self.latestTime) { return try misplaced(entry, offset) }
        if entry.time < latest, let last = pending.last, entry.time < last.time { isSorted = false }
        latest = max(latest, entry.time)
        pending.append(entry)
        // A file without rounds, or with a huge one.
        if _slowPath(pending.count >= Self.limit) {
            try write(upTo: .max)
            // The last one is still being read.
            (blocks, blocksBefore) = (Array(blocks.suffix(1)), [])
        }
    }

    /// Beyond it sums of times could leave 64 bits.
    private static let latestTime = UInt64(Int64.max)

    private mutating func misplaced(_ entry: Entry, _ offset: UInt64) throws(TraceError) {
        let error = TraceError(
            path: path, offset: offset,
            cause: entry.time > Self.latestTime
                ? "CPU \(entry.cpu): a record of time \(entry.time), the limit is \(Self.latestTime)"
                : "CPU \(entry.cpu): a record of time \(entry.time) comes over a round behind one of time \(lastTimes[Int(entry.cpu)]), which is already taken")
        guard keepGoing else { throw error }
        if problems.count < Self.problemLimit { problems.append(TraceProblem(error)) }
        trace.writer(cpu: Int(entry.cpu)).lose(nil)
    }

    /// Holds memory until what points to it is written.
    mutating func keep(_ block: PerfBlock) { blocks.append(block) }

    mutating func endRound() throws(TraceError) {
        try write(upTo: latestBefore)
        latestBefore = latest
        blocksBefore = blocks
        blocks = []
    }

    mutating func finish() throws(TraceError) { try write(upTo: .max) }

    private mutating func write(upTo end: UInt64) throws(TraceError) {
        if !isSorted {
            // The sort is stable (timsort), and takes the runs of the single buffers as they are.
            pending.sort { $0.time < $1.time }
            isSorted = true
        }
        var count = 0
        var wrong: WritingError?
        pending.withUnsafeBufferPointer { entries in
            do throws(WritingError) {
                while count < entries.count, entries[count].time <= end {
                    try write(entries[count])
                    count += 1
                }
            } catch { wrong = error }
        }
        if let wrong { throw conversionError(path, wrong) }
        pending.removeFirst(count)
    }

    @inline(__always) private mutating func write(_ entry: Entry) throws(WritingError) {
        let writer = trace.writer(cpu: Int(entry.cpu))
        if _slowPath(beginsWithGaps), lastTimes[Int(entry.cpu)] == 0 { writer.lose(nil) }
        lastTimes[Int(entry.cpu)] = entry.time
        guard let data = entry.data else { return writer.lose(entry.lost == 0 ? nil : entry.lost) }
        let size = Int(entry.size)
        let whole = (size + 3) & ~3
        guard whole <= largest else {
            tooLong += 1
            return
        }
        try writer.reserve(at: entry.time, size: whole).copyMemory(from: data, byteCount: size)
    }

    /// Events were lost, on a CPU that is not known.
    func loseEverywhere() { for cpu in lastTimes.indices where lastTimes[cpu] > 0 { trace.writer(cpu: cpu).lose(nil) } }
}

/// Memory that lives as long as somebody refers to it.
final class PerfBlock {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ size: Int) { bytes = .allocate(byteCount: max(1, size), alignment: 16) }

    deinit { bytes.deallocate() }
}
