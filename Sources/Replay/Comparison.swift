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
    /// By CPU: the mm that the stale active_mm names, ``MM/none`` while it is not stale, and since when it is.
    private let staleMM: Flat<MM>
    private let staleSince: Flat<Moment?>
    /// By CPU: since when the two have different mms loaded.
    private let isParted: Flat<Bool>
    private let partedSince: Flat<Moment?>
    /// The targets of the flush under way that only one of the two has.
    private var extra: [Int] = []
    private var missing: [Int] = []

    init(old: String, new: String, cpus: Int, limit: Int) {
        self.old = old
        self.new = new
        self.limit = limit
        staleMM = Flat(repeating: .none, count: cpus)
        staleSince = Flat(repeating: nil, count: cpus)
        isParted = Flat(repeating: false, count: cpus)
        partedSince = Flat(repeating: nil, count: cpus)
    }

    public func count(_ kind: Divergence.Kind) -> Int { counts[kind.index] }

    /// Counts a divergence. True if there is room to keep it.
    @inline(__always) private mutating func takes(_ kind: Divergence.Kind) -> Bool {
        counts[kind.index] += 1
        return divergences.count < limit
    }

    // MARK: IPI targets

    /// Word `index` of the CPUs that each of the two interrupts for the flush under way. ``endTargets(extraMM:missingMM:at:)`` follows the last one.
    mutating func targets(_ index: Int, old: UInt64, new: UInt64) {
        if old == new { return }
        forEachBit(old & ~new) { extra.append(index * 64 + $0) }
        forEachBit(new & ~old) { missing.append(index * 64 + $0) }
    }

    /// The first CPU that only the old scheme interrupts, or only the new one.
    var firstExtra: Int? { extra.first }
    var firstMissing: Int? { missing.first }

    mutating func endTargets(extraMM: MM, missingMM: MM, at moment: Moment) {
        if !extra.isEmpty {
            extraIPITargets += extra.count
            if takes(.extraIPI) { divergences.append(Divergence(kind: .extraIPI, moment: moment, mm: extraMM, targets: extra, scheme: old, since: partedSince[extra[0]])) }
            extra.removeAll()
        }
        if !missing.isEmpty {
            missingIPITargets += missing.count
            if takes(.missingIPI) { divergences.append(Divergence(kind: .missingIPI, moment: moment, mm: missingMM, targets: missing, scheme: new, since: partedSince[missing[0]])) }
            missing.removeAll()
        }
    }

    // MARK: what happened on the CPU itself

    /// Compares what both did with the stimulus that was just applied to CPU `moment.cpu`, if ``Effects/areNotable(beside:)``.
    mutating func note(_ stimulus: Stimulus, _ moment: Moment, old: Effects, new: Effects) {
        compareFlush(stimulus, moment, old, new)
        let cpu = moment.cpu
        if old.redundantLoad {
            let since = staleSince[cpu] ?? partedSince[cpu]
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
                if takes(.noopIPI) { divergences.append(Divergence(kind: .noopIPI, moment: moment, mm: old.booked, sender: sender, scheme: self.old, since: staleSince[cpu])) }
            }
            // An IPI that only one of them sent is an extra or a missing one already.
            if old.delivery == .notTarget || new.delivery == .notTarget { return }
        } else if old.staleLeave, stimulus.isLocalFlush {
            if takes(.noopLocalFlush) { divergences.append(Divergence(kind: .noopLocalFlush, moment: moment, mm: old.booked, scheme: self.old, since: staleSince[cpu])) }
        }
        if old.flushed != new.flushed {
            let scheme = old.flushed ? self.old : self.new
            let mm = old.flushed ? old.loaded : new.loaded
            if takes(.extraFlush) { divergences.append(Divergence(kind: .extraFlush, moment: moment, mm: mm, scheme: scheme, since: partedSince[cpu])) }
        }
    }

    /// Begins and ends intervals on CPU `moment.cpu`, after ``note(_:_:old:new:)``: what the old scheme has booked and loaded there, and
    /// whether the new one has the same loaded.
    @inline(__always) mutating func track(_ moment: Moment, booked: MM, loaded: MM, parted: Bool) {
        let stale = booked.isUser && loaded == .initMM ? booked : .none
        if stale != staleMM[moment.cpu] { setStale(stale, moment) }
        if parted != isParted[moment.cpu] { setParted(parted, moment) }
    }

    private mutating func setStale(_ mm: MM, _ moment: Moment) {
        endStale(moment.cpu, at: moment.time)
        staleMM[moment.cpu] = mm
        if mm != .none { staleSince[moment.cpu] = moment }
    }

    private mutating func setParted(_ parted: Bool, _ moment: Moment) {
        isParted[moment.cpu] = parted
        partedSince[moment.cpu] = parted ? moment : nil
    }

    private mutating func endStale(_ cpu: Int, at time: UInt64) {
        guard let start = staleSince[cpu] else { return }
        // A damaged trace may run backwards.
        if time > start.time { staleNs &+= time - start.time }
        if takes(.staleActiveMM) { divergences.append(Divergence(kind: .staleActiveMM, moment: start, end: time, mm: staleMM[cpu], scheme: old)) }
        staleSince[cpu] = nil
    }

    /// The end of the trace ends every interval.
    mutating func finish(at time: UInt64) {
        for cpu in staleSince.indices {
            endStale(cpu, at: time)
            staleMM[cpu] = .none
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
