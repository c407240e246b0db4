import Tables

/// On whose mms tasks have come in silently since they last showed an mm, and how often: of interest where one dies, and no record says that it exits.
///
/// A node's run is found by a number that the node keeps (``TaskNode/silentRun``): this is asked at every such switch.
struct SilentRuns {
    private var runs: [Run] = []

    struct Run {
        /// ``TaskNode/switchesWithMM`` when it began.
        var shownAt: UInt32
        /// The tasks in the order in which it met them.
        private(set) var others: [Int32] = []
        private var counts: [UInt32] = []
        /// The place of the one that it met last: it is most often the next one.
        private var latest = 0
        /// Places by task, when there are many.
        private var places: [Int32: Int] = [:]

        private static let few = 8

        init(shownAt: UInt32) { self.shownAt = shownAt }

        /// It has met nobody, or what that told was taken back.
        var isEmpty: Bool { counts.allSatisfy { $0 == 0 } }

        subscript(_ other: Int32) -> UInt32 {
            get { place(other).map { counts[$0] } ?? 0 }
            set { if let place = place(other) { counts[place] = newValue } }
        }

        @inline(__always) fileprivate mutating func add(_ other: Int32) {
            if _slowPath(latest >= others.count || others[latest] != other) { latest = place(other) ?? append(other) }
            counts[latest].addClamped(1)
        }

        private func place(_ other: Int32) -> Int? { others.count > Self.few ? places[other] : others.firstIndex(of: other) }

        private mutating func append(_ other: Int32) -> Int {
            others.append(other)
            counts.append(0)
            if others.count == Self.few + 1 {
                for (place, other) in others.enumerated() { places[other] = place }
            } else if others.count > Self.few {
                places[other] = others.count - 1
            }
            return others.count - 1
        }

        /// Forgets all that it met, and keeps the memory.
        fileprivate mutating func begin(shownAt: UInt32) {
            self.shownAt = shownAt
            others.removeAll(keepingCapacity: true)
            counts.removeAll(keepingCapacity: true)
            places.removeAll(keepingCapacity: true)
        }
    }

    /// The run of a task that has had one.
    subscript(_ number: Int32) -> Run {
        _read { yield runs[Int(number)] }
        _modify { yield &runs[Int(number)] }
    }

    /// The task, which has shown an mm last at its switch `shownAt`, comes in silently on the mm of `other`.
    @inline(__always) mutating func add(_ task: UnsafeMutablePointer<TaskNode>, on other: Int32) {
        let shownAt = task.pointee.switchesWithMM
        if _slowPath(task.pointee.silentRun < 0) {
            task.pointee.silentRun = Int32(runs.count)
            runs.append(Run(shownAt: shownAt))
        }
        let number = Int(task.pointee.silentRun)
        if _slowPath(runs[number].shownAt != shownAt) { runs[number].begin(shownAt: shownAt) }
        runs[number].add(other)
    }

    /// That of a task, if it has met somebody since it last showed an mm.
    func ofLast(_ task: TaskNode) -> Run? {
        guard task.silentRun >= 0 else { return nil }
        let run = self[task.silentRun]
        return run.shownAt == task.switchesWithMM && !run.isEmpty ? run : nil
    }
}
