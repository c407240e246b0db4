import LazyTLB

/// What all schemes have, in a form that does not depend on which it is of: a list of all of them, the oldest first. Whoever has to name the schemes one by one is in this module.
extension Replay {
    /// The schemes that are replayed, by their names.
    public static let schemes = [V412.id, V413Parent.id, V413.id]

    /// One scheme's results.
    public struct Summary: Sendable {
        public var id: String
        public var counters: Counters
        /// The tlb_flush records that it predicts.
        public var predicted: FlushTally
        /// mm_cpumask() values that it predicted right, of those that probes read.
        public var masksMatched: Int
        public var times: StateTimes

        init<Model>(_ lane: Lane<Model>, _ times: StateTimes) {
            self.times = times
            id = Model.id
            counters = lane.scheme.counters
            predicted = lane.predicted
            masksMatched = lane.masksMatched
        }
    }

    /// In the order of ``schemes``.
    public var summaries: [Summary] {
        let times = times.totals
        return [Summary(v412, times[0]), Summary(v413Parent, times[1]), Summary(v413, times[2])]
    }
}

/// A count in each scheme.
public struct SchemeCounts: Sendable, Equatable {
    public var v412: Int
    public var v413Parent: Int
    public var v413: Int

    public init(v412: Int = 0, v413Parent: Int = 0, v413: Int = 0) { (self.v412, self.v413Parent, self.v413) = (v412, v413Parent, v413) }

    /// The same in all.
    init(all count: Int) { self.init(v412: count, v413Parent: count, v413: count) }

    /// That of one of ``Replay/schemes``.
    public subscript(scheme: String) -> Int {
        switch scheme {
        case V412.id: v412
        case V413Parent.id: v413Parent
        default: v413
        }
    }

    public var most: Int { max(v412, v413Parent, v413) }
    public var byScheme: [String: Int] { [V412.id: v412, V413Parent.id: v413Parent, V413.id: v413] }

    @inline(__always) public static func += (sum: inout SchemeCounts, more: SchemeCounts) {
        sum.v412 &+= more.v412
        sum.v413Parent &+= more.v413Parent
        sum.v413 &+= more.v413
    }
}
