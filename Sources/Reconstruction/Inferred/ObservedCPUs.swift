import LazyTLB
import Tables

/// What each CPU had loaded in the recorded kernel, as its own records show: the observed loaded_mm timeline.
///
/// In the kernels of v4.9 to v4.13 a CPU is in mm_cpumask(mm) exactly while this is the mm.
public struct ObservedCPUs: Sendable {
    public let loaded: Flat<MM>
    /// Time during which it was unknown, ns, summed over CPUs.
    public private(set) var unknownTime: UInt64 = 0
    private let unknownSince: Flat<UInt64>
    /// Time before this does not count (``beginWindow(at:)``).
    private var windowStart: UInt64 = 0

    /// - Parameter start: the time from which on it is unknown, ns.
    public init(cpus: Int, start: UInt64) {
        loaded = Flat(repeating: .unknown, count: cpus)
        unknownSince = Flat(repeating: start, count: cpus)
    }

    /// Returns whether that is a change.
    @inline(__always)
    public mutating func load(_ cpu: Int, _ mm: MM, at time: UInt64) -> Bool {
        guard loaded[cpu] != mm else { return false }
        if loaded[cpu] == .unknown { unknownTime.addClamped(max(time, unknownSince[cpu]) - unknownSince[cpu]) }
        if mm == .unknown { unknownSince[cpu] = time }
        loaded[cpu] = mm
        return true
    }

    /// Whatever was noted of a CPU on its way off, it may have had its mm loaded all that while, or init_mm.
    mutating func doubt(_ going: GoingDown, until time: UInt64) {
        let since = max(going.since, windowStart)
        if going.mm.isKnown { unknownTime.addClamped(max(time, since) - since) }
    }

    /// Counts from here on.
    mutating func beginWindow(at time: UInt64) {
        for cpu in loaded.indices { unknownSince[cpu] = max(unknownSince[cpu], time) }
        (unknownTime, windowStart) = (0, time)
    }

    /// The CPUs that have an mm loaded: word `index` of a mask. Without a branch for each.
    ///
    /// - Complexity: O(CPUs), up to 64.
    @inline(__always) func word(_ mm: MM, _ index: Int) -> UInt64 {
        var word: UInt64 = 0
        let first = index &* 64
        let count = min(64, loaded.count &- first)
        let place = loaded.base + first
        for cpu in 0..<count { word |= (place[cpu] == mm ? 1 : 0) &<< UInt64(truncatingIfNeeded: cpu) }
        return word
    }

    public mutating func finish(at end: UInt64) {
        for cpu in loaded.indices where loaded[cpu] == .unknown {
            unknownTime.addClamped(max(end, unknownSince[cpu]) - unknownSince[cpu])
            unknownSince[cpu] = end
        }
    }

    /// The batch of a flush whose recorded mask was `mask`: an mm is taken for part of it if all the CPUs that have it loaded are in
    /// the mask (each mm in a batch gives it its whole mm_cpumask).
    ///
    /// - Parameter spared: CPUs that would not show in `mask` if they were in the recorded one.
    /// - Complexity: O(CPUs squared), for the few batched flushes that there are.
    public func batch(mask: MaskTable, spared: MaskTable? = nil) -> Batch {
        var batch = Batch(cpus: loaded.count)
        func isElsewhere(_ mm: MM) -> Bool {
            for cpu in 0..<loaded.count where loaded[cpu] == mm && !mask.contains(cpu, 0) && spared?.contains(cpu, 0) != true { return true }
            return false
        }
        for cpu in 0..<loaded.count where mask.contains(cpu, 0) {
            let mm = loaded[cpu]
            if batch.mms.contains(mm) { continue }
            if mm.isUser, !isElsewhere(mm) { batch.mms.append(mm) } else { batch.others.insert(cpu, 0) }
        }
        return batch
    }
}
