/// One CPU's tlb_flush records, predicted and recorded, that have met no partner yet, in the order in which they came.
///
/// - Complexity: O(1) for each record, whatever waits.
struct WaitingRecords: Sendable {
    /// What two records that meet have in common.
    struct Key: Hashable, Sendable {
        var reason: Int32
        var pages: Int64
    }

    private struct Waiting: Sendable {
        var key: Key
        /// nil if it has met one.
        var deviation: Deviation?
    }

    /// Those of one key: all from the same side, since they would have met.
    private struct Queue: Sendable {
        var isPredicted: Bool
        /// Numbers, counted from the first record on; before ``next`` those that are gone.
        var numbers: [Int] = []
        var next = 0
    }

    /// Records that may wait. Within ``ConformanceWatch/tolerance`` a CPU writes some ten thousand; where the clock counts no time, all might wait for ever.
    static let limit = 1 << 16

    /// Before ``head`` are those that are gone.
    private var records: [Waiting] = []
    private var head = 0
    /// The number of the first of ``records``.
    private var first = 0
    private var queues: [Key: Queue] = [:]

    /// How many wait, and some that have met since one before them came.
    private var count: Int { records.count - head }

    /// Takes the oldest of this kind from the other side. False if there is none.
    mutating func meet(_ key: Key, isPredicted: Bool) -> Bool {
        guard let queue = queues[key], queue.isPredicted != isPredicted else { return false }
        records[queue.numbers[queue.next] - first].deviation = nil
        pop(key)
        return true
    }

    /// - Returns: the oldest record, if there are too many now.
    mutating func wait(_ key: Key, isPredicted: Bool, _ deviation: Deviation) -> Deviation? {
        queues[key, default: Queue(isPredicted: isPredicted)].numbers.append(first + records.count)
        records.append(Waiting(key: key, deviation: deviation))
        return count > Self.limit ? takeFirst(before: .max) : nil
    }

    /// The oldest record, if it is of before that time.
    mutating func takeFirst(before time: UInt64) -> Deviation? {
        while head < records.count {
            let oldest = records[head]
            if let deviation = oldest.deviation, deviation.moment.time >= time { return nil }
            head += 1
            if oldest.deviation != nil { pop(oldest.key) }
            trim()
            if let deviation = oldest.deviation { return deviation }
        }
        return nil
    }

    /// The first of a key is gone.
    private mutating func pop(_ key: Key) {
        queues[key]!.next += 1
        let (next, end) = (queues[key]!.next, queues[key]!.numbers.count)
        if next == end {
            queues[key] = nil
        } else if next >= 64, 2 * next >= end {
            queues[key]!.numbers.removeFirst(next)
            queues[key]!.next = 0
        }
    }

    private mutating func trim() {
        guard head == records.count || head >= 64 && 2 * head >= records.count else { return }
        records.removeFirst(head)
        first += head
        head = 0
    }
}
