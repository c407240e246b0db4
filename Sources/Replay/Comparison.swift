import LazyTLB
import Reconstruction
import Tables

/// An old scheme beside the reworked one, step by step.
public struct Comparison: Sendable {
    public let old: String
    public let new: String
    public private(set) var extraIPITargets = 0
    public private(set) var missingIPITargets = 0
    public private(set) var counts = [Int](repeating: 0, count: Divergence.Kind.allCases.count)
    /// Summed over CPUs, ns.
    public private(set) var staleNs: UInt64 = 0
    /// The first `limit` divergences.
    public private(set) var divergences: [Divergence] = []
    private let limit: Int
    private let cpus: Flat<PerCPU>
    /// The targets of the flush under way that only one of the two has.
    private var extra: [Int] = []
    private var missing: [Int] = []

    private struct PerCPU: Sendable {
        /// The mm that the stale active_mm names, ``MM/none`` while it is not stale, and since when it is.
        var staleMM = MM.none
        /// The two have different mms loaded, and since when they have.
        var isParted = false
        var staleSince: Moment?
        var partedSince: Moment?
    }

    package init(old: String, new: String, cpus: Int, limit: Int) {
        self.old = old
        self.new = new
        self.limit = limit
        self.cpus = Flat(repeating: PerCPU(), count: cpus)
    }

    /// The same for another old scheme, which has done the same so far.
    init(_ other: Comparison, old: String) {
        self.old = old
        (new, limit, cpus) = (other.new, other.limit, other.cpus.copy())
        (extraIPITargets, missingIPITargets, counts, staleNs) = (other.extraIPITargets, other.missingIPITargets, other.counts, other.staleNs)
        divergences = other.divergences.map {
            var divergence = $0
            if divergence.scheme == other.old { divergence.scheme = old }
            return divergence
        }
    }

    public func count(_ kind: Divergence.Kind) -> Int { counts[kind.index] }

    /// Counts a divergence. True if there is room to keep it.
    @inline(__always) private mutating func takes(_ kind: Divergence.Kind) -> Bool {
        counts[kind.index] += 1
        return divergences.count < limit
    }

    // MARK: IPI targets

    /// Word `index` of the CPUs that each of the two interrupts for the flush under way. ``endTargets(extraMM:missingMM:at:)`` follows the last one.
    package mutating func targets(_ index: Int, old: UInt64, new: UInt64) {
        if old == new { return }
        forEachBit(old & ~new) { extra.append(index * 64 + $0) }
        forEachBit(new & ~old) { missing.append(index * 64 + $0) }
    }

    var haveSameTargets: Bool { extra.isEmpty && missing.isEmpty }

    /// The first CPU that only the old scheme interrupts, or only the new one.
    var firstExtra: Int? { extra.first }
    var firstMissing: Int? { missing.first }

    package mutating func endTargets(extraMM: MM, missingMM: MM, at moment: Moment) {
        if !extra.isEmpty {
            extraIPITargets += extra.count
            if takes(.extraIPI) { divergences.append(Divergence(kind: .extraIPI, moment: moment, mm: extraMM, targets: extra, scheme: old, since: cpus[extra[0]].partedSince)) }
            extra.removeAll()
        }
        if !missing.isEmpty {
            missingIPITargets += missing.count
            if takes(.missingIPI) { divergences.append(Divergence(kind: .missingIPI, moment: moment, mm: missingMM, targets: missing, scheme: new, since: cpus[missing[0]].partedSince)) }
            missing.removeAll()
        }
    }

    // MARK: what happened on the CPU itself

    /// Compares what both did with the stimulus that was just applied to CPU `moment.cpu`, if ``Effects/areNotable(beside:)``.
    package mutating func note(_ stimulus: Stimulus, _ moment: Moment, old: Effects, new: Effects) {
        compareFlush(stimulus, moment, old, new)
        let cpu = moment.cpu
        if old.redundantLoad {
            let since = cpus[cpu].staleSince ?? cpus[cpu].partedSince
            if takes(.redundantCR3Load) { divergences.append(Divergence(kind: .redundantCR3Load, moment: moment, mm: old.loaded, scheme: self.old, since: since)) }
        }
        if !old.warnings.isEmpty { warn(old.warnings, moment, old.booked, self.old) }
        if !new.warnings.isEmpty { warn(new.warnings, moment, new.loaded, self.new) }
    }

    private mutating func warn(_ warnings: Warnings, _ moment: Moment, _ mm: MM, _ scheme: String) {
        for (warning, name) in Warnings.all where warnings.contains(warning) {
            if takes(.warning) { divergences.append(Divergence(kind: .warning, moment: moment, mm: mm, scheme: scheme, detail: name)) }
        }
    }

    private mutating func compareFlush(_ stimulus: Stimulus, _ moment: Moment, _ old: Effects, _ new: Effects) {
        let cpu = moment.cpu
        if case .deliver(_, let sender) = stimulus {
            if old.staleLeave {
                if takes(.noopIPI) { divergences.append(Divergence(kind: .noopIPI, moment: moment, mm: old.booked, sender: sender, scheme: self.old, since: cpus[cpu].staleSince)) }
            }
            // An IPI that only one of them sent is an extra or a missing one already.
            if old.delivery == .notTarget || new.delivery == .notTarget { return }
        } else if old.staleLeave, stimulus.isLocalFlush {
            if takes(.noopLocalFlush) { divergences.append(Divergence(kind: .noopLocalFlush, moment: moment, mm: old.booked, scheme: self.old, since: cpus[cpu].staleSince)) }
        }
        if old.flushed != new.flushed {
            let scheme = old.flushed ? self.old : self.new
            let mm = old.flushed ? old.loaded : new.loaded
            if takes(.extraFlush) { divergences.append(Divergence(kind: .extraFlush, moment: moment, mm: mm, scheme: scheme, since: cpus[cpu].partedSince)) }
        }
    }

    /// Begins and ends intervals on CPU `moment.cpu`, after ``note(_:_:old:new:)``: what the old scheme has booked and loaded there, and
    /// whether the new one has the same loaded.
    ///
    /// - Returns: whether one began or ended.
    @inline(__always) mutating func track(_ moment: Moment, booked: MM, loaded: MM, new: MM) -> Bool {
        let stale = booked.isUser && loaded == .initMM ? booked : .none
        let parted = loaded != new
        let place = cpus.base + moment.cpu
        if _fastPath(stale == place.pointee.staleMM && parted == place.pointee.isParted) { return false }
        change(stale, parted, moment)
        return true
    }

    @inline(never) private mutating func change(_ stale: MM, _ parted: Bool, _ moment: Moment) {
        if stale != cpus[moment.cpu].staleMM { setStale(stale, moment) }
        if parted != cpus[moment.cpu].isParted { setParted(parted, moment) }
    }

    private mutating func setStale(_ mm: MM, _ moment: Moment) {
        endStale(moment.cpu, at: moment.time)
        cpus[moment.cpu].staleMM = mm
        if mm != .none { cpus[moment.cpu].staleSince = moment }
    }

    private mutating func setParted(_ parted: Bool, _ moment: Moment) {
        cpus[moment.cpu].isParted = parted
        cpus[moment.cpu].partedSince = parted ? moment : nil
    }

    private mutating func endStale(_ cpu: Int, at time: UInt64) {
        guard let start = cpus[cpu].staleSince else { return }
        // A damaged trace may run backwards.
        if time > start.time { staleNs.addClamped(time - start.time) }
        if takes(.staleActiveMM) { divergences.append(Divergence(kind: .staleActiveMM, moment: start, end: time, mm: cpus[cpu].staleMM, scheme: old)) }
        cpus[cpu].staleSince = nil
    }

    /// Counts from here on: so do intervals that have begun.
    mutating func beginWindow(at time: UInt64) {
        (extraIPITargets, missingIPITargets, staleNs, divergences) = (0, 0, 0, [])
        for kind in counts.indices { counts[kind] = 0 }
        for cpu in cpus.indices { if let since = cpus[cpu].staleSince?.time { cpus[cpu].staleSince?.time = max(since, time) } }
    }

    /// The end of the trace ends every interval.
    mutating func finish(at time: UInt64) {
        for cpu in cpus.indices {
            endStale(cpu, at: time)
            cpus[cpu].staleMM = .none
        }
    }
}

@inline(__always) func forEachBit(_ word: UInt64, _ body: (Int) -> Void) {
    var bits = word
    while bits != 0 {
        body(bits.trailingZeroBitCount)
        bits &= bits &- 1
    }
}

extension Stimulus {
    /// The mm that is flushed; none for a batch.
    var mm: MM {
        switch self {
        case .flushOthers(_, let mm, _), .flushRange(_, let mm, _), .flushPage(_, let mm), .xenExitMmap(_, let mm): return mm
        default: return .none
        }
    }

    /// A flush of one mm by the CPU itself.
    var isLocalFlush: Bool {
        switch self {
        case .flushRange, .flushPage: return true
        default: return false
        }
    }
}
