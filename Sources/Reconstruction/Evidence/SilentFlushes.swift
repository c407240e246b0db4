import Tables

/// How often the tasks of other CPUs stayed silent through flushes of one CPU: ``Relation/different``, counted by CPU as long as the sender and the other CPU run the same tasks,
/// since a sender flushes many times in a row and there may be thousands of others each time.
///
/// A reference, as its tables are: what is added up stays where it is until another task takes its place.
struct SilentFlushes {
    /// Senders that are counted beside each other.
    private static let rows = 64

    struct Place {
        var node: Int32 = -1
        var count: UInt32 = 0
    }

    private struct Row {
        var cpu = -1
        var node: Int32 = -1
        /// By CPU: its task, and how often that was silent. Made when it is needed.
        var places: Flat<Place>?
    }

    private let cpus: Int
    private let rows = Flat(repeating: Row(), count: SilentFlushes.rows)

    init(cpus: Int) { self.cpus = cpus }

    /// Where to count for the flushes of a CPU's task. What was counted there for another goes to `relations`.
    func places(_ cpu: Int, _ node: Int32, _ relations: inout PairTable<Relation>) -> UnsafeMutablePointer<Place> {
        let row = rows.place(cpu % Self.rows)
        if row.pointee.places == nil { row.pointee.places = Flat(repeating: Place(), count: cpus) }
        let places = row.pointee.places!
        if row.pointee.cpu != cpu || row.pointee.node != node {
            Self.add(row.pointee, to: &relations)
            places.base.update(repeating: Place(), count: cpus)
            (row.pointee.cpu, row.pointee.node) = (cpu, node)
        }
        return places.base
    }

    /// The other CPU's task was silent.
    @inline(__always) static func count(_ place: UnsafeMutablePointer<Place>, _ node: Int32, _ sender: Int32, _ relations: inout PairTable<Relation>) {
        if _slowPath(place.pointee.node != node) {
            add(place.pointee, sender, to: &relations)
            place.pointee = Place(node: node)
        }
        place.pointee.count.addClamped(1)
    }

    /// Adds what has not been added yet. It stays here: who asks for it has relations of its own.
    func add(to relations: inout PairTable<Relation>) { for row in rows { Self.add(row, to: &relations) } }

    private static func add(_ row: Row, to relations: inout PairTable<Relation>) {
        guard let places = row.places else { return }
        for place in places where place.count > 0 { add(place, row.node, to: &relations) }
    }

    private static func add(_ place: Place, _ sender: Int32, to relations: inout PairTable<Relation>) {
        if place.count > 0 { relations[place.node, sender].different.addClamped(place.count) }
    }
}
