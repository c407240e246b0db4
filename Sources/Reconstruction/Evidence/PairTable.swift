/// Values by pairs of nodes, in either order: a hash table with open addressing, for what is looked up at every switch. There may be millions.
///
/// A value, as a dictionary is. Nodes are numbers that a trace may choose, as far as it chooses the order of its tasks: so where a pair lies hangs on a seed that
/// is another one each time the program runs, as with the standard library's tables.
struct PairTable<Value> {
    private struct Slot {
        /// The lesser node, or ``free``, and the other.
        var a: Int32
        var b: Int32
        var value: Value
    }

    private static var free: Int32 { .min }

    private var slots: [Slot] = []
    private let empty: Value
    private let seed: UInt64
    /// Pairs that are there.
    private(set) var count = 0

    /// - Parameters:
    ///   - empty: the value of a pair that has none yet.
    ///   - salt: another one for a table that is filled in the order in which another one lies: all of it would come to lie in one place of the smaller table.
    init(empty: Value, salt: Int = 0) {
        self.empty = empty
        var hasher = Hasher()
        hasher.combine(salt)
        seed = UInt64(truncatingIfNeeded: hasher.finalize())
    }

    /// The value of a pair; setting it makes a place for it.
    subscript(_ a: Int32, _ b: Int32) -> Value {
        get {
            if slots.isEmpty { return empty }
            let place = place(a, b)
            return slots[place].value
        }
        _modify {
            yield &slots[made(a, b)].value
        }
    }

    /// Looks a pair up once for what is asked of its value, and what it becomes.
    @inline(__always) mutating func update<Answer>(_ a: Int32, _ b: Int32, _ body: (inout Value) -> Answer) -> Answer { body(&slots[made(a, b)].value) }

    /// Where the pair is, or would be: there is a free slot always.
    @inline(__always) private func place(_ a: Int32, _ b: Int32) -> Int {
        let (low, high) = a < b ? (a, b) : (b, a)
        // The finaliser of MurmurHash3, which mixes all bits.
        var hash = (UInt64(UInt32(bitPattern: low)) << 32 | UInt64(UInt32(bitPattern: high))) ^ seed
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return slots.withUnsafeBufferPointer { slots in
            // As far through the table as the hash is through all numbers: so the table may have any length.
            var place = Int((hash ^ hash >> 33).multipliedFullWidth(by: UInt64(slots.count)).high)
            while slots[place].a != low || slots[place].b != high, slots[place].a != Self.free {
                place += 1
                if place == slots.count { place = 0 }
            }
            return place
        }
    }

    @inline(__always) private mutating func made(_ a: Int32, _ b: Int32) -> Int {
        if _slowPath(slots.isEmpty) { slots = Array(repeating: freeSlot, count: 64) }
        let place = place(a, b)
        if _fastPath(slots[place].a != Self.free) { return place }
        return add(a, b, at: place)
    }

    private var freeSlot: Slot { Slot(a: Self.free, b: 0, value: empty) }

    @inline(never) private mutating func add(_ a: Int32, _ b: Int32, at place: Int) -> Int {
        var place = place
        // Runs of taken slots stay short up to two thirds. It grows by half, since what it leaves is there until it has grown.
        if (count + 1) * 3 > slots.count * 2 {
            let old = slots
            slots = Array(repeating: freeSlot, count: old.count / 2 * 3)
            for slot in old where slot.a != Self.free { slots[self.place(slot.a, slot.b)] = slot }
            place = self.place(a, b)
        }
        (slots[place].a, slots[place].b) = a < b ? (a, b) : (b, a)
        count += 1
        return place
    }
}

extension PairTable: Sequence {
    /// The pairs that are there, the lesser number first, in no order that means anything.
    func makeIterator() -> AnyIterator<(a: Int32, b: Int32, value: Value)> {
        var rest = slots[...]
        return AnyIterator {
            while let slot = rest.popFirst() {
                if slot.a != Self.free { return (slot.a, slot.b, slot.value) }
            }
            return nil
        }
    }
}
