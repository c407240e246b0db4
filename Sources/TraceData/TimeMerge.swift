import Tables

/// A source of things in the order of its own file, each with a time.
public protocol TimedSource {
    /// The time of the head. Only valid after ``advance()`` returned true.
    var headTime: UInt64 { get }
    /// Steps to the next thing, which becomes the head; false at the end.
    mutating func advance() throws(TraceError) -> Bool
}

/// Merges sources by time: the head with the smallest time comes first, that of the lower index among equals (trace-cmd's rule).
///
/// Few sources are looked at one by one; of many there is a tree of losers (Knuth, The Art of Computer Programming 5.4.1), and a step replays
/// the matches between one leaf and the root. A source is asked to advance only when the thing after its head is wanted, so that the head
/// stays valid until the next ``next()``.
///
/// - Complexity: O(log *n*) for a step.
public struct TimeMerge<Source: TimedSource> {
    @usableFromInline let sources: Flat<Source>
    /// The loser of each match, by node: those below `k` are children 2*k* and 2*k*+1; the leaves are the sources, from ``leaves`` on.
    @usableFromInline let losers: Flat<Entry>
    /// The times of the heads of few sources, all ones for those that have ended.
    @usableFromInline let times: Flat<UInt64>
    /// Number of leaves, a power of two.
    @usableFromInline let leaves: Int
    @usableFromInline var winner = Entry.ended
    /// The winner that an error kept back.
    @usableFromInline var held: Entry?
    /// Sources that have not given a head yet, the first one last.
    @usableFromInline var pending: [Int]
    /// The heads of all sources before the first match.
    @usableFromInline var firsts: [Entry] = []

    @usableFromInline
    struct Entry {
        @usableFromInline var time: UInt64
        /// `Int.max` for a source at its end, which loses to all others.
        @usableFromInline var index: Int

        @inlinable
        init(time: UInt64, index: Int) {
            self.time = time
            self.index = index
        }

        @inlinable static var ended: Entry { Entry(time: UInt64.max, index: Int.max) }

        /// The one with the smaller time, itself if they are equal. Which one that is is as good as random: no branch.
        @inlinable @inline(__always)
        func orLess(_ other: Entry) -> Entry {
            let wins = 0 &- (other.time < time ? UInt64(1) : 0)
            return Entry(time: time ^ (time ^ other.time) & wins, index: index ^ (index ^ other.index) & Int(bitPattern: UInt(wins)))
        }

        @inlinable @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool {
            a.time < b.time || a.time == b.time && a.index < b.index
        }
    }

    /// Takes sources that have not been advanced yet, the one that wins ties first.
    @inlinable
    public init(_ sources: [Source]) { self.init(Flat(sources)) }

    @usableFromInline
    init(_ sources: Flat<Source>) {
        self.sources = sources
        var leaves = 1
        while leaves < sources.count { leaves *= 2 }
        self.leaves = leaves
        losers = Flat(repeating: .ended, count: leaves)
        times = Flat(repeating: UInt64.max, count: leaves)
        pending = Array(sources.indices.reversed())
        firsts = [Entry](repeating: .ended, count: leaves)
    }

    /// Takes sources of which some have a head already; the others have ended. They are shared with whoever gives them.
    init(_ sources: Flat<Source>, hasHead: Flat<Bool>) {
        self.init(sources)
        pending = []
        for index in sources.indices where hasHead[index] { firsts[index] = Entry(time: sources[index].headTime, index: index) }
    }

    /// Index of the source whose head came last. Only valid after ``next()`` returned true.
    @inlinable
    public var current: Int { winner.index }

    /// The source whose head came last. Only valid after ``next()`` returned true.
    @inlinable
    public var head: Source {
        @inline(__always) _read { yield sources[winner.index] }
        @inline(__always) _modify { yield &sources[winner.index] }
    }

    /// Steps to the next head in the order of time; false when all sources are at their end.
    ///
    /// After an error the source that failed counts as ended: asking again goes on with the others.
    @inlinable @inline(__always)
    public mutating func next() throws(TraceError) -> Bool {
        if _slowPath(winner.index == Int.max) { return try begin() }
        let index = winner.index
        let source = sources.base + index
        let more: Bool
        do { more = try source.pointee.advance() } catch {
            // What wins now is for the next call.
            (winner, held) = (.ended, play(.ended, at: index))
            throw error
        }
        winner = play(more ? Entry(time: source.pointee.headTime, index: index) : .ended, at: index)
        return winner.index != Int.max
    }

    /// Replays the matches of a source that has a new head. Returns who wins the last of them.
    @inlinable @inline(__always)
    func play(_ entry: Entry, at index: Int) -> Entry {
        if leaves <= 8 { return least(entry, at: index) }
        var challenger = entry
        var node = (leaves + index) >> 1
        while node > 0 {
            let place = losers.base + node
            let loser = place.pointee
            // Who wins is as good as random: no branch.
            let lost = loser < challenger
            place.pointee = Entry(time: lost ? challenger.time : loser.time, index: lost ? challenger.index : loser.index)
            challenger = Entry(time: lost ? loser.time : challenger.time, index: lost ? loser.index : challenger.index)
            node >>= 1
        }
        return challenger
    }

    /// The least of few heads, whose times are in ``times`` then.
    @inlinable @inline(__always)
    func least(_ entry: Entry, at index: Int) -> Entry {
        let times = times.base
        // One that is there comes before one that has ended.
        times[index] = entry.index == Int.max ? UInt64.max : min(entry.time, UInt64.max - 1)
        var best = Entry(time: times.pointee, index: 0)
        if _fastPath(leaves == 4) {
            // Two matches at once, and the winners': what comes next waits for it.
            best = best.orLess(Entry(time: times[1], index: 1))
            best = best.orLess(Entry(time: times[2], index: 2).orLess(Entry(time: times[3], index: 3)))
        } else {
            for place in 1..<max(1, leaves) { best = best.orLess(Entry(time: times[place], index: place)) }
        }
        return best.time == UInt64.max ? .ended : best
    }

    /// What to do without a winner: after an error, or for the first matches, when all sources have given their first heads.
    @inlinable
    mutating func begin() throws(TraceError) -> Bool {
        if let held {
            self.held = nil
            winner = held
            return winner.index != Int.max
        }
        guard !firsts.isEmpty else { return false }
        while let index = pending.popLast() {
            if try sources[index].advance() { firsts[index] = Entry(time: sources[index].headTime, index: index) }
        }
        var winners = firsts
        firsts = []
        if leaves <= 8 {
            for (place, entry) in winners.enumerated() { winner = least(entry, at: place) }
            return winner.index != Int.max
        }
        while winners.count > 1 {
            let half = winners.count / 2
            for match in 0..<half {
                let (a, b) = (winners[2 * match], winners[2 * match + 1])
                (winners[match], losers[half + match]) = a < b ? (a, b) : (b, a)
            }
            winners.removeLast(winners.count - half)
        }
        winner = winners[0]
        return winner.index != Int.max
    }
}
