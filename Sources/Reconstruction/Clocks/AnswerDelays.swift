import TraceData

/// How much later than sends of as many pages answers come, for each CPU: most answers come soon after their own send, so that where the most are is by
/// how much the CPU's clock differs from those of the others. This needs no order of records to begin with.
///
/// - Complexity: a pass over the records up to ``ClockBounds/recordLimit``, with up to ``memory`` comparisons each; O(*n*) memory in the number of CPUs.
struct AnswerDelays {
    /// More CPUs than this are not measured so: each has two histograms.
    static let cpuLimit = 128
    /// Times are compared up to so many units apart: a tick at 250 Hz, which sched_clock_cpu() keeps CPUs within (kernel/sched/clock.c).
    private static let reach: Int64 = 4_000_000
    private static let width: Int64 = 8_000
    private static let bins = Int(2 * reach / width)
    /// Answers within so many bins on both sides belong together.
    private static let spread = 2
    /// So many sends, or answers, of as many pages are looked back at.
    private static let memory = 256
    /// Fewer answers in the best place tell nothing.
    private static let fewest = 8.0

    private let count: Int
    /// Row by CPU: how much later than others' sends it answers, and how much later than its sends others do.
    private var there: [UInt32]
    private var back: [UInt32]

    /// Records of all CPUs by what they flush, the latest of each, in the order in which they came.
    private struct Recents {
        struct Entry {
            var time: UInt64
            var pages: UInt64
            var place: Int
        }

        private static let groups = 64
        /// A ring for each group of page counts, which fills from the start.
        private var rings = [[Entry]](repeating: [], count: groups)
        private var latest = [Int](repeating: -1, count: groups)

        private static func group(_ pages: UInt64) -> Int { Int((pages &* 0x9e37_79b9_7f4a_7c15) >> 58) }

        mutating func add(_ entry: Entry) {
            let group = Self.group(entry.pages)
            latest[group] = (latest[group] + 1) % AnswerDelays.memory
            if rings[group].count < AnswerDelays.memory { rings[group].append(entry) } else { rings[group][latest[group]] = entry }
        }

        /// Those of as many pages on other CPUs that are not out of reach, the last one first.
        func forEach(like entry: Entry, _ body: (Entry) -> Void) {
            let ring = rings[Self.group(entry.pages)]
            var next = latest[Self.group(entry.pages)]
            for _ in 0..<ring.count {
                let other = ring[next]
                if Int64(truncatingIfNeeded: entry.time &- other.time) >= AnswerDelays.reach { return }
                if other.pages == entry.pages, other.place != entry.place { body(other) }
                next = next > 0 ? next - 1 : ring.count - 1
            }
        }
    }

    init(_ file: TraceFile) throws(TraceError) {
        let cpus = file.cpusWithData
        count = cpus.count
        there = [UInt32](repeating: 0, count: count * Self.bins)
        back = there
        var (sends, answers) = (Recents(), Recents())
        var index = [Int](repeating: -1, count: (cpus.last ?? 0) + 1)
        for (place, cpu) in cpus.enumerated() { index[cpu] = place }
        var merge = RecordMerge(file)
        var record = Record.none
        var left = ClockBounds.recordLimit
        while left > 0, try merge.next(&record) {
            left -= 1
            guard record.kind == .tlbFlush else { continue }
            let entry = Recents.Entry(time: record.time, pages: record.word1, place: index[Int(record.cpu)])
            if record.reason == TLBReason.remoteSendIPI {
                sends.add(entry)
                answers.forEach(like: entry) { add($0, to: entry) }
            } else if record.reason == TLBReason.remoteShootdown, record.inHardIRQ {
                answers.add(entry)
                sends.forEach(like: entry) { add(entry, to: $0) }
            }
        }
    }

    private mutating func add(_ answer: Recents.Entry, to send: Recents.Entry) {
        let delay = Int64(truncatingIfNeeded: answer.time &- send.time)
        guard delay.magnitude < Self.reach else { return }
        let bin = Int((delay + Self.reach) / Self.width)
        there[answer.place * Self.bins + bin].addClamped(1)
        back[send.place * Self.bins + bin].addClamped(1)
    }

    /// Where the most are; nil if nothing stands out.
    private static func peak(_ histogram: ArraySlice<UInt32>) -> Int64? {
        let counts = histogram.map { Double($0) }
        var (most, place) = (0.0, 0)
        for bin in spread..<bins - spread {
            let sum = counts[bin - spread...bin + spread].reduce(0, +)
            if sum > most { (most, place) = (sum, bin) }
        }
        let usual = Double(2 * spread + 1) * counts.reduce(0, +) / Double(bins)
        // Six times what chance would make of it.
        guard most >= fewest, most - usual > 6 * usual.squareRoot() else { return nil }
        let centre = (-spread...spread).reduce(0) { $0 + Double($1) * counts[place + $1] } / most
        return Int64(place) * width - reach + width / 2 + Int64(centre * Double(width))
    }

    /// The CPU that is farthest ahead of most others, or behind them, and by how much; nil if nothing tells of any.
    func farthest() -> (place: Int, ahead: Int64)? {
        let ahead = (0..<count).map { cpu -> Int64 in
            let rows = cpu * Self.bins..<(cpu + 1) * Self.bins
            guard let there = Self.peak(there[rows]), let back = Self.peak(back[rows]) else { return 0 }
            // The way there and the way back take as long.
            return (there - back) / 2
        }
        // Of two CPUs the second one is taken to be off.
        guard let place = (0..<count).max(by: { ahead[$0].magnitude <= ahead[$1].magnitude }), ahead[place] != 0 else { return nil }
        return (place, ahead[place])
    }
}
