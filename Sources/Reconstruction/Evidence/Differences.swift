/// How often members of two classes were seen with different mms, kept while classes are joined.
struct Differences {
    private var counts = PairTable<UInt32>(empty: 0, salt: 1)
    /// By a class's name here: those it was seen apart from. Some may have gone since, or stand there twice.
    private var others: [[Int32]]
    /// By a class's root: what it is called here, which is the root of one of those that it was made of.
    private var names: [Int32]

    /// - Parameter nodes: as many may be roots.
    init(nodes: Int) {
        others = Array(repeating: [], count: nodes)
        names = Array(0..<Int32(nodes))
    }

    /// Two classes, by their roots as they are now, were seen apart.
    mutating func add(_ a: Int32, _ b: Int32, _ count: UInt32) {
        if a != b { addNamed(names[Int(a)], names[Int(b)], count) }
    }

    func between(_ a: Int32, _ b: Int32) -> UInt32 { counts[names[Int(a)], names[Int(b)]] }

    /// The two are one from here on.
    ///
    /// - Complexity: O(*n*) with the classes that one of the two was seen apart from, the one of which these are fewer.
    mutating func merge(_ a: Int32, _ b: Int32, into root: Int32) {
        var (from, to) = (names[Int(a)], names[Int(b)])
        if others[Int(from)].count > others[Int(to)].count { swap(&from, &to) }
        let moved = others[Int(from)]
        others[Int(from)] = []
        for other in moved {
            let count = counts.update(from, other) { known in
                defer { known = 0 }
                return known
            }
            if count > 0, other != to { addNamed(to, other, count) }
        }
        names[Int(root)] = to
    }

    private mutating func addNamed(_ a: Int32, _ b: Int32, _ count: UInt32) {
        let isNew = counts.update(a, b) { known in
            let isNew = known == 0
            known.addClamped(count)
            return isNew
        }
        guard isNew else { return }
        others[Int(a)].append(b)
        others[Int(b)].append(a)
    }
}
