import LazyTLB
import Reconstruction
import Tables

/// The names of mms as an output writes them, each put into its form once.
struct MMLabels {
    private let labels: Labels
    private let form: (String) -> String
    /// By an mm's number, and those of ``MM/none`` and ``MM/unknown``: nil if it was not written yet. The name is the one that the mm has by then.
    private var known = FlatList<Labels.Label?>()
    private static let first = Int(MM.unknown.index)

    init(_ labels: Labels, _ form: @escaping (String) -> String) { (self.labels, self.form) = (labels, form) }

    @inline(__always)
    subscript(_ mm: MM, _ table: MMTable) -> Labels.Label {
        mutating get {
            let place = Int(mm.index) - Self.first
            if place < known.count, let label = known[place] { return label }
            return add(mm, table)
        }
    }

    @inline(never)
    private mutating func add(_ mm: MM, _ table: MMTable) -> Labels.Label {
        let label = labels.add(form(table.name(mm)))
        let place = Int(mm.index) - Self.first
        known.extend(with: nil, to: place + 1)
        known[place] = label
        return label
    }
}
