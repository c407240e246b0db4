import LazyTLB
import Tables

/// How often each tlb_flush record (CPU, reason, pages) was written, or would have been.
public struct FlushTally: Sendable {
    /// Pages -1 to 62 have a counter of their own on each CPU; others, and unknown reasons, are rare and lie in the dictionary: a kernel takes up to 33 pages one by one
    /// (tlb_single_page_flush_ceiling).
    @inlinable static var slots: Int { 64 }
    @inlinable static var reasons: Int { 6 }
    /// By reason, pages and CPU: the CPUs side by side, since few pages are frequent.
    @usableFromInline let counts: Flat<Int>
    @usableFromInline let cpus: Int
    private var rare: [Key: Int] = [:]
    /// By reason, and behind those the others: the records of which there are too many different ones. They count, and match none.
    private var beyond = [Int](repeating: 0, count: FlushTally.reasons + 1)
    private static let rareLimit = 1 << 15
    /// Counts of another tally that are this one's as well: what is the same for several is counted once.
    private let common: Flat<Int>?
    /// - Complexity: O(CPUs).
    public var total: Int { sum(counts.indices) + rare.values.reduce(0, +) + beyond.reduce(0, +) }

    private struct Key: Hashable {
        var cpu: Int
        var reason: Int32
        var pages: Int64
    }

    public init(cpus: Int) { self.init(cpus: cpus, common: nil) }

    /// - Parameter common: whatever that one counts with ``addFrequent(cpu:reason:pages:)``, now and later, belongs to this one, too.
    init(cpus: Int, common: FlushTally?) {
        self.cpus = cpus
        self.common = common?.counts
        counts = Flat(repeating: 0, count: cpus * Self.reasons * Self.slots)
    }

    /// A tally of its own with the same counts, and what is common to both.
    init(_ other: FlushTally) { (cpus, counts, common, rare, beyond) = (other.cpus, other.counts.copy(), other.common, other.rare, other.beyond) }

    @inlinable @inline(__always)
    public mutating func add(cpu: Int, reason: Int32, pages: Int64) {
        if !addFrequent(cpu: cpu, reason: reason, pages: pages) { addRare(cpu, reason, pages) }
    }

    /// The same if it is of those that have a counter of their own. Returns whether it is.
    @inlinable @inline(__always)
    mutating func addFrequent(cpu: Int, reason: Int32, pages: Int64) -> Bool {
        guard UInt64(bitPattern: pages &+ 1) < UInt64(Self.slots), UInt32(bitPattern: reason) < UInt32(Self.reasons) else { return false }
        counts[(Int(reason) &* Self.slots &+ Int(pages &+ 1)) &* cpus &+ cpu] &+= 1
        return true
    }

    private func count(at index: Int) -> Int { counts[index] + (common?[index] ?? 0) }

    /// The records that some counters have counted.
    private func sum(_ indices: Range<Int>) -> Int {
        var sum = 0
        for index in indices { sum &+= counts[index] }
        if let common { for index in indices { sum &+= common[index] } }
        return sum
    }

    /// The size of the multiset intersection of the two, as far as some counters tell it.
    private func matched(_ other: FlushTally, _ indices: Range<Int>) -> Int {
        var sum = 0
        for index in indices {
            let mine = count(at: index)
            // Of most there are none.
            if mine > 0 { sum += min(mine, other.count(at: index)) }
        }
        return sum
    }

    @usableFromInline mutating func addRare(_ cpu: Int, _ reason: Int32, _ pages: Int64) {
        let key = Key(cpu: cpu, reason: reason, pages: pages)
        if rare.count < Self.rareLimit || rare[key] != nil {
            rare[key, default: 0] += 1
        } else {
            beyond[0..<Int32(Self.reasons) ~= reason ? Int(reason) : Self.reasons] += 1
        }
    }

    /// The size of the multiset intersection of the two.
    public func matched(_ other: FlushTally) -> Int {
        var sum = matched(other, counts.indices)
        for (key, count) in rare { sum += min(count, other.rare[key] ?? 0) }
        return sum
    }

    /// The records of one reason, all CPUs and pages; `nil` for reasons beyond those known.
    public func count(reason: Int32?) -> Int {
        guard let reason else { return total - (0..<Int32(Self.reasons)).reduce(0) { $0 + count(reason: $1) } }
        return sum(indices(of: reason)) + rare.reduce(0) { $1.key.reason == reason ? $0 + $1.value : $0 } + beyond[Int(reason)]
    }

    /// The records of one reason that flush so many pages, all CPUs; -1 is everything.
    public func count(reason: Int32, pages: Int64) -> Int {
        guard UInt64(bitPattern: pages &+ 1) < UInt64(Self.slots), 0..<Int32(Self.reasons) ~= reason else {
            return rare.reduce(0) { $1.key.reason == reason && $1.key.pages == pages ? $0 + $1.value : $0 }
        }
        let first = (Int(reason) * Self.slots + Int(pages + 1)) * cpus
        return sum(first..<first + cpus)
    }

    /// Gives how many records of a known reason flush so many pages, all CPUs, in no particular order; sizes of which there are none are left out, and so are those that were too many to be told apart.
    public func forEachSize(of reason: Int32, _ body: (_ pages: Int64, _ count: Int) -> Void) {
        for slot in 0..<Self.slots {
            let count = count(reason: reason, pages: Int64(slot - 1))
            if count > 0 { body(Int64(slot - 1), count) }
        }
        for (key, count) in rare where key.reason == reason { body(key.pages, count) }
    }

    /// The counters of one reason that is known.
    private func indices(of reason: Int32) -> Range<Int> { Int(reason) * Self.slots * cpus..<(Int(reason) + 1) * Self.slots * cpus }

    public func matched(_ other: FlushTally, reason: Int32) -> Int {
        var sum = matched(other, indices(of: reason))
        for (key, count) in rare where key.reason == reason { sum += min(count, other.rare[key] ?? 0) }
        return sum
    }

    /// Where the two differ, most first: for a look at what a scheme mispredicts.
    public func differences(_ other: FlushTally) -> [(cpu: Int, reason: Int32, pages: Int64, mine: Int, others: Int)] {
        var found: [(cpu: Int, reason: Int32, pages: Int64, mine: Int, others: Int)] = []
        for index in counts.indices where count(at: index) != other.count(at: index) {
            let row = index / cpus
            found.append((index % cpus, Int32(row / Self.slots), Int64(row % Self.slots) - 1, count(at: index), other.count(at: index)))
        }
        for key in Set(rare.keys).union(other.rare.keys) where rare[key] != other.rare[key] {
            found.append((key.cpu, key.reason, key.pages, rare[key] ?? 0, other.rare[key] ?? 0))
        }
        return found.sorted { abs($0.mine - $0.others) > abs($1.mine - $1.others) }
    }
}
