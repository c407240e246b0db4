import Tables

/// Which of several times is the least, and of equal ones that of the lowest index, while one after the other is replaced by a later one: a tree of losers
/// (Knuth, The Art of Computer Programming 5.4.1).
///
/// - Complexity: O(log *n*) for each time that is replaced.
struct LoserTree {
    struct Entry {
        var time: UInt64
        var index: Int

        static func < (a: Entry, b: Entry) -> Bool { a.time < b.time || a.time == b.time && a.index < b.index }
    }

    /// The loser of each match, by node: those below `k` are children 2*k* and 2*k*+1; the leaves are the times, from `count` on.
    private let losers: Flat<Entry>
    private(set) var winner: Entry

    /// - Parameter times: one at least.
    init(_ times: [UInt64]) {
        var leaves = 1
        while leaves < times.count { leaves *= 2 }
        var winners = (0..<leaves).map { Entry(time: $0 < times.count ? times[$0] : UInt64.max, index: $0) }
        losers = Flat(repeating: winners[0], count: leaves)
        while winners.count > 1 {
            let half = winners.count / 2
            for match in 0..<half {
                let (a, b) = (winners[2 * match], winners[2 * match + 1])
                (winners[match], losers[half + match]) = a < b ? (a, b) : (b, a)
            }
            winners.removeLast(winners.count - half)
        }
        winner = winners[0]
    }

    /// Puts another time in the place of the winner's, and finds the new winner.
    @inline(__always)
    mutating func replace(by time: UInt64) {
        var challenger = Entry(time: time, index: winner.index)
        var node = (losers.count + challenger.index) >> 1
        while node > 0 {
            let place = losers.base + node
            let loser = place.pointee
            // Who wins is as good as random: no branch.
            let lost = loser < challenger
            place.pointee = Entry(time: lost ? challenger.time : loser.time, index: lost ? challenger.index : loser.index)
            challenger = Entry(time: lost ? loser.time : challenger.time, index: lost ? loser.index : challenger.index)
            node >>= 1
        }
        winner = challenger
    }
}
