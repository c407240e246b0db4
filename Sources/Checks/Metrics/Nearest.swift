/// The valid names that are nearest to one that is not, for error messages.
///
/// - Complexity: O(names · length²).
public func nearest(_ name: String, among names: some Sequence<String>, limit: Int = 3) -> [String] {
    let wanted = Array(name.utf8)
    let ranked = names.map { (distance: editDistance(wanted, Array($0.utf8)), name: $0) }
        .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best = ranked.first?.distance, best <= max(3, wanted.count * 2 / 3) else { return [] }
    return ranked.prefix(limit).filter { $0.distance <= best + 2 }.map(\.name)
}

/// Insertions, deletions and replacements (Levenshtein).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (index, byte) in left.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (column, other) in right.enumerated() {
            let above = row[column + 1]
            row[column + 1] = min(above + 1, row[column] + 1, diagonal + (byte == other ? 0 : 1))
            diagonal = above
        }
    }
    return row[right.count]
}
