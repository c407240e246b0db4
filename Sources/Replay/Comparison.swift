import LazyTLB
import Reconstruction

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
    private var staleMM: [MM]
    private var staleSince: [Moment?]
    /// By CPU: since when the two have different mms loaded.
    private var isParted: [Bool]
    private var partedSince: [Moment?]
    /// The targets of the flush under way that only one of the two has.
    private var extra: [Int] = []
    private var missing: [Int] = []

    init(old: String, new: String, cpus: Int, limit: Int) {
        self.old = old
        self.new = new
        self.limit = limit
        staleMM = [MM](repeating: .none, count: cpus)
        staleSince = [Moment?](repeating: nil, count: cpus)
        isParted = [Bool](repeating: false, count: cpus)
        partedSince = staleSince
    }

    public func count(_ kind: Divergence.Kind) -> Int { counts[kind.index] }

    mutating func add(_ divergence: Divergence) {
        counts[divergence.kind.index] += 1
        if divergences.count < limit { divergences.append(divergence) }
    }

    // MARK: IPI targets

    /// Word `index` of the CPUs that each of the two interrupts for the flush under way. ``endTargets(_:sender:at:)`` follows the last one.
    mutating func targets(_ index: Int, old: UInt64, new: UInt64) {
        if old == new { return }
        forEachBit(old & ~new) { extra.append(index * 64 + $0) }
        forEachBit(new & ~old) { missing.append(index * 64 + $0) }
    }

    mutating func endTargets(_ mm: MM, sender cpu: Int, at moment: Moment) {
        if !extra.isEmpty {
            extraIPITargets += extra.count
            let since = partedSince[extra[0]]
            add(Divergence(kind: .extraIPI, cpu: cpu, moment: moment, mm: mm, targets: extra, scheme: old, since: since))
            extra.removeAll()
        }
        if !missing.isEmpty {
            missingIPITargets += missing.count
            let since = partedSince[missing[0]]
            add(Divergence(kind: .missingIPI, cpu: cpu, moment: moment, mm: mm, targets: missing, scheme: new, since: since))
            missing.removeAll()
        }
    }

    // MARK: what happened on the CPU itself

    /// Compares what both did with the stimulus that was just applied to CPU `cpu`, if ``Effects/areNotable(beside:)``.
    mutating func note(_ stimulus: Stimulus, _ cpu: Int, _ moment: Moment, old: Effects, new: Effects) {
        compareFlush(stimulus, cpu, moment, old, new)
        if old.redundantLoad {
            let since = staleSince[cpu] ?? partedSince[cpu]
            add(Divergence(kind: .redundantCR3Load, cpu: cpu, moment: moment, mm: old.loaded, scheme: self.old, since: since))
        }
        if !old.warnings.isEmpty { warn(old.warnings, cpu, moment, old.booked, self.old) }
        if !new.warnings.isEmpty { warn(new.warnings, cpu, moment, new.loaded, self.new) }
    }

    private mutating func warn(_ warnings: Warnings, _ cpu: Int, _ moment: Moment, _ mm: MM, _ scheme: String) {
        for (warning, name) in Warnings.all where warnings.contains(warning) {
            add(Divergence(kind: .warning, cpu: cpu, moment: moment, mm: mm, scheme: scheme, detail: name))
        }
    }

    private mutating func compareFlush(_ stimulus: Stimulus, _ cpu: Int, _ moment: Moment, _ old: Effects, _ new: Effects) {
        if case .deliver(_, let sender) = stimulus {
            if old.staleLeave {
                let since = staleSince[cpu]
                add(Divergence(kind: .noopIPI, cpu: cpu, moment: moment, mm: old.booked, sender: sender, scheme: self.old, since: since))
            }
            // An IPI that only one of them sent is an extra or a missing one already.
            if old.delivery == .notTarget || new.delivery == .notTarget { return }
        } else if old.staleLeave, stimulus.isLocalFlush {
            add(Divergence(kind: .noopLocalFlush, cpu: cpu, moment: moment, mm: old.booked, scheme: self.old, since: staleSince[cpu]))
        }
        if old.flushed != new.flushed {
            let scheme = old.flushed ? self.old : self.new
            let mm = old.flushed ? old.loaded : new.loaded
            add(Divergence(kind: .extraFlush, cpu: cpu, moment: moment, mm: mm, scheme: scheme, since: partedSince[cpu]))
        }
    }

    /// Begins and ends intervals on CPU `cpu`, after ``note(_:_:_:old:new:)``: what the old scheme has booked and loaded there, and
    /// whether the new one has another loaded.
    @inline(__always) mutating func track(_ cpu: Int, _ moment: Moment, booked: MM, loaded: MM, parted: Bool) {
        let stale = booked.isUser && loaded == .initMM ? booked : .none
        if stale != staleMM[cpu] { setStale(cpu, stale, moment) }
        if parted != isParted[cpu] { setParted(cpu, parted, moment) }
    }

    private mutating func setStale(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        endStale(cpu, at: moment.time)
        staleMM[cpu] = mm
        if mm != .none { staleSince[cpu] = moment }
    }

    private mutating func setParted(_ cpu: Int, _ parted: Bool, _ moment: Moment) {
        isParted[cpu] = parted
        partedSince[cpu] = parted ? moment : nil
    }

    private mutating func endStale(_ cpu: Int, at time: UInt64) {
        guard let start = staleSince[cpu] else { return }
        // A record of another CPU may end it, and clocks of CPUs may differ.
        let end = max(time, start.time)
        staleNs &+= end - start.time
        add(Divergence(kind: .staleActiveMM, cpu: cpu, moment: start, end: end, mm: staleMM[cpu], scheme: old))
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

extension Effects {
    /// The two may hold a divergence. Almost no stimulus does, and this reads where they lie instead of copying them.
    @inline(__always) func areNotable(beside new: Effects) -> Bool {
        flushed != new.flushed || redundantLoad || staleLeave || !warnings.isEmpty || !new.warnings.isEmpty
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
