/// Puts samples into the order of time, CPU by CPU.
///
/// A CPU's samples may come from several of perf's buffers. perf writes what all buffers have in rounds; when a round is over, nothing that comes later is older than the
/// newest sample of the round before (process_finished_round(), tools/perf/util/session.c). So what is up to there can go on. Memory: 16 bytes for each sample of
/// two rounds, and no more than ``limit`` of them, so a file without rounds must be in order over longer stretches than that.
struct SampleQueue {
    struct Entry {
        var time: UInt64
        /// Where the tracepoint's record is, above its size (16 bits); for lost samples their number above a 0.
        var word: UInt64

        init(time: UInt64, offset: Int, size: Int) {
            self.time = time
            word = UInt64(offset) << 16 | UInt64(size)
        }

        init(time: UInt64, lost: UInt64) {
            self.time = time
            word = min(lost, 1 << 47) << 16
        }

        var isLoss: Bool { word & 0xffff == 0 }
        var lost: UInt64 { word >> 16 }
        var offset: Int { Int(word >> 16) }
        var size: Int { Int(word & 0xffff) }
    }

    private var waiting: [[Entry]] = []
    private var count = 0
    /// The newest time so far, and when the last round ended.
    private(set) var newest: UInt64 = 0
    private var roundEnd: UInt64 = 0

    static let limit = 4 << 20

    /// The time up to which all are to go on, because there are too many; nil if not.
    var overflow: UInt64? { count >= Self.limit ? (roundEnd > 0 ? roundEnd : newest) : nil }

    @inline(__always)
    mutating func add(_ cpu: Int, _ entry: Entry) {
        if waiting.count <= cpu { waiting += [[Entry]](repeating: [], count: cpu + 1 - waiting.count) }
        waiting[cpu].append(entry)
        count += 1
        if entry.time > newest { newest = entry.time }
    }

    /// A round is over. Gives the time up to which nothing can come any more; nil at the first one.
    mutating func finishRound() -> UInt64? {
        defer { roundEnd = newest }
        return roundEnd > 0 ? roundEnd : nil
    }

    /// Hands on everything up to a time, each CPU's in the order of time and those of the same time in the order of the file.
    mutating func flush<E: Error>(upTo time: UInt64, _ body: (_ cpu: Int, _ entries: ArraySlice<Entry>) throws(E) -> Void) throws(E) {
        for cpu in waiting.indices where !waiting[cpu].isEmpty {
            var isSorted = true
            var last: UInt64 = 0
            for entry in waiting[cpu] {
                if entry.time < last { isSorted = false }
                last = max(last, entry.time)
            }
            // The sort of the standard library keeps the order of equals.
            if !isSorted { waiting[cpu].sort { $0.time < $1.time } }
            let end = last <= time ? waiting[cpu].count : waiting[cpu].partition(upTo: time)
            guard end > 0 else { continue }
            try body(cpu, waiting[cpu][..<end])
            waiting[cpu].removeFirst(end)
            count -= end
        }
    }
}

extension [SampleQueue.Entry] {
    /// How many of these, in order, are not behind a time.
    fileprivate func partition(upTo time: UInt64) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
