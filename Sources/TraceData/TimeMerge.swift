/// A source of things in the order of its own file, each with a time.
public protocol TimedSource {
    /// The time of the head. Only valid after ``advance()`` returned true.
    var headTime: UInt64 { get }
    /// Steps to the next thing, which becomes the head; false at the end.
    mutating func advance() throws(TraceError) -> Bool
}

/// Merges sources by time: the head with the smallest time comes first, that of the lower index among equals (trace-cmd's rule).
///
/// The sources that wait are in a heap; the one that runs is outside of it and is compared with the top only, since records of one
/// CPU come in runs (as in LISA's traceevent crate). A source is asked to advance only when the thing after its head is wanted, so
/// that the head stays valid until the next ``next()``.
///
/// - Complexity: O(1) for a step that stays with the running source, O(log *n*) for one that changes it.
public struct TimeMerge<Source: TimedSource> {
    @usableFromInline var sources: [Source]
    /// Waiting sources: a binary heap by (time, index).
    @usableFromInline var heap: [Entry] = []
    @usableFromInline var running = -1
    /// Sources that have not given a head yet, the first one last.
    @usableFromInline var pending: [Int]

    @usableFromInline
    struct Entry {
        @usableFromInline var time: UInt64
        @usableFromInline var index: Int

        @inlinable
        init(time: UInt64, index: Int) {
            self.time = time
            self.index = index
        }

        @inlinable @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool { a.time < b.time || (a.time == b.time && a.index < b.index) }
    }

    /// Takes sources that have not been advanced yet, the one that wins ties first.
    @inlinable
    public init(_ sources: [Source]) {
        self.sources = sources
        pending = Array(sources.indices.reversed())
        heap.reserveCapacity(sources.count)
    }

    /// Index of the source whose head came last. Only valid after ``next()`` returned true.
    @inlinable
    public var current: Int { running }

    /// The source whose head came last. Only valid after ``next()`` returned true.
    @inlinable
    public var head: Source {
        @inline(__always) _read { yield sources[running] }
        @inline(__always) _modify { yield &sources[running] }
    }

    /// Steps to the next head in the order of time; false when all sources are at their end.
    ///
    /// After an error the source that failed counts as ended: asking again goes on with the others.
    @inlinable
    public mutating func next() throws(TraceError) -> Bool {
        if _fastPath(running >= 0) {
            let index = running
            running = -1
            if try sources[index].advance() {
                let entry = Entry(time: sources[index].headTime, index: index)
                if heap.isEmpty || entry < heap[0] {
                    running = index
                    return true
                }
                let top = heap[0]
                siftDown(entry, from: 0)
                running = top.index
                return true
            }
        }
        while let index = pending.popLast() {
            if try sources[index].advance() { push(Entry(time: sources[index].headTime, index: index)) }
        }
        guard let top = pop() else { return false }
        running = top.index
        return true
    }

    @inlinable
    mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    @inlinable
    mutating func pop() -> Entry? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { siftDown(last, from: 0) }
        return top
    }

    /// Puts `entry` at the place `hole` or below it.
    @inlinable
    mutating func siftDown(_ entry: Entry, from hole: Int) {
        var hole = hole
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < entry else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = entry
    }
}
