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
/// A source is asked to advance only when the thing after its head is wanted, so that the head stays valid until the next ``next()``.
///
/// - Complexity: O(log *n*) for a step.
public struct TimeMerge<Source: TimedSource> {
    private let sources: Flat<Source>
    /// nil before the first step.
    private var tree: LoserTree?
    /// The times of the first heads, as far as they are known.
    private var firsts: [UInt64] = []
    /// Sources that have not given a head yet, the first one last.
    private var pending: [Int]
    /// There is a head, and it has been taken.
    private var isUnderWay = false

    /// The time that stands for the end of a source. One that is as late comes one nanosecond before it.
    private static var ended: UInt64 { UInt64.max }

    /// Takes sources that have not been advanced yet, the one that wins ties first.
    public init(_ sources: [Source]) {
        self.sources = Flat(sources)
        pending = Array(sources.indices.reversed())
        firsts = Array(repeating: Self.ended, count: sources.count)
    }

    /// Takes sources of which some have a head already; the others have ended. They are shared with whoever gives them.
    init(_ sources: Flat<Source>, hasHead: Flat<Bool>) {
        self.sources = sources
        pending = []
        firsts = sources.indices.map { hasHead[$0] ? min(sources[$0].headTime, Self.ended - 1) : Self.ended }
    }

    /// Index of the source whose head came last. Only valid after ``next()`` returned true.
    public var current: Int { tree!.winner.index }

    /// The source whose head came last. Only valid after ``next()`` returned true.
    public var head: Source {
        @inline(__always) _read { yield sources[current] }
        @inline(__always) _modify { yield &sources[current] }
    }

    /// Steps to the next head in the order of time; false when all sources are at their end.
    ///
    /// After an error the source that failed counts as ended: asking again goes on with the others.
    @inline(__always)
    public mutating func next() throws(TraceError) -> Bool {
        if _slowPath(!isUnderWay) { return try begin() }
        let source = sources.base + current
        let more: Bool
        do { more = try source.pointee.advance() } catch {
            // What wins now is for the next call.
            tree!.replace(by: Self.ended)
            isUnderWay = false
            throw error
        }
        tree!.replace(by: more ? min(source.pointee.headTime, Self.ended - 1) : Self.ended)
        isUnderWay = tree!.winner.time != Self.ended
        return isUnderWay
    }

    /// What to do without a head that was taken: at first, when all sources give their heads, after an error, and at the end.
    @inline(never) private mutating func begin() throws(TraceError) -> Bool {
        while let index = pending.popLast() {
            if try sources[index].advance() { firsts[index] = min(sources[index].headTime, Self.ended - 1) }
        }
        guard !firsts.isEmpty else { return false }
        if tree == nil { tree = LoserTree(firsts) }
        isUnderWay = tree!.winner.time != Self.ended
        return isUnderWay
    }
}
