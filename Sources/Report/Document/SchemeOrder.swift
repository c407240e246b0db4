/// The order in which schemes are shown: by kernel generation, "v4.12", "v4.13-parent", "v4.13", "v4.14", ….
///
/// JSON objects have no order, so it is found from the identifiers: by the version's numbers, and the parent of a change before it.
public func schemesInOrder(_ identifiers: some Sequence<String>) -> [String] {
    identifiers.map { (key: SchemeKey($0), id: $0) }.sorted { $0.key < $1.key }.map(\.id)
}

private struct SchemeKey: Comparable {
    var numbers: [Int]
    /// 0 for the parent of a change, 1 for the change, 2 for variants of it.
    var rank: Int
    var id: String

    init(_ id: String) {
        self.id = id
        let parts = id.split(separator: "-", maxSplits: 1)
        numbers = (parts.first ?? "").drop { $0 == "v" }.split(separator: ".").map { Int($0) ?? 0 }
        rank = parts.count < 2 ? 1 : parts[1] == "parent" ? 0 : 2
    }

    static func < (left: SchemeKey, right: SchemeKey) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        return (left.rank, left.id) < (right.rank, right.id)
    }
}
