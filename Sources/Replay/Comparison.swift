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
    private var staleSince: [Moment?]
    private var partedSince: [Moment?]

    init(old: String, new: String, cpus: Int, limit: Int) {
        self.old = old
        self.new = new
        self.limit = limit
        staleSince = [Moment?](repeating: nil, count: cpus)
        partedSince = staleSince
    }

    public func count(_ kind: Divergence.Kind) -> Int { counts[Divergence.Kind.allCases.firstIndex(of: kind)!] }

    mutating func add(_ divergence: Divergence) {
        counts[Divergence.Kind.allCases.firstIndex(of: divergence.kind)!] += 1
        if divergences.count < limit { divergences.append(divergence) }
    }

    /// Compares what both did with the stimulus that was just applied to CPU `cpu`.
    mutating func step<Old: Scheme, New: Scheme>(
        _ stimulus: Stimulus, _ moment: Moment, cpu: Int, old: Lane<Old>, new: Lane<New>, stride: Int
    ) {
        if old.effects.sent || new.effects.sent { compareTargets(stimulus, moment, cpu, old, new, stride) }
        compareFlush(stimulus, moment, cpu, old, new)
        if old.effects.redundantLoad {
            let mm = old.scheme.loadedMM(cpu)
            add(Divergence(kind: .redundantCR3Load, cpu: cpu, moment: moment, mm: mm, scheme: self.old, since: partedSince[cpu]))
        }
        if !old.effects.warnings.isEmpty { warn(old.effects.warnings, cpu, moment, old.scheme.bookedMM(cpu), self.old) }
        if !new.effects.warnings.isEmpty { warn(new.effects.warnings, cpu, moment, new.scheme.loadedMM(cpu), self.new) }
        trackIntervals(moment, cpu, old.scheme, new.scheme)
    }

    private mutating func warn(_ warnings: Warnings, _ cpu: Int, _ moment: Moment, _ mm: MM, _ scheme: String) {
        for (warning, name) in Warnings.all where warnings.contains(warning) {
            add(Divergence(kind: .warning, cpu: cpu, moment: moment, mm: mm, scheme: scheme, detail: name))
        }
    }

    private mutating func compareTargets<Old: Scheme, New: Scheme>(
        _ stimulus: Stimulus, _ moment: Moment, _ cpu: Int, _ old: Lane<Old>, _ new: Lane<New>, _ stride: Int
    ) {
        var extra: [Int] = []
        var missing: [Int] = []
        for index in 0..<stride {
            let oldWord = old.effects.sent ? old.scheme.targetWord(cpu, index) : 0
            let newWord = new.effects.sent ? new.scheme.targetWord(cpu, index) : 0
            if oldWord == newWord { continue }
            forEachBit(oldWord & ~newWord) { extra.append(index * 64 + $0) }
            forEachBit(newWord & ~oldWord) { missing.append(index * 64 + $0) }
        }
        // A batch has no mm of its own: then it is the one for which the CPU is in the batch's mask.
        let batched = stimulus.mm == .none
        if !extra.isEmpty {
            let mm = batched ? old.scheme.bookedMM(extra[0]) : stimulus.mm
            extraIPITargets += extra.count
            let since = partedSince[extra[0]]
            add(Divergence(kind: .extraIPI, cpu: cpu, moment: moment, mm: mm, targets: extra, scheme: self.old, since: since))
        }
        if !missing.isEmpty {
            let mm = batched ? new.scheme.bookedMM(missing[0]) : stimulus.mm
            missingIPITargets += missing.count
            let since = partedSince[missing[0]]
            add(Divergence(kind: .missingIPI, cpu: cpu, moment: moment, mm: mm, targets: missing, scheme: self.new, since: since))
        }
    }

    private mutating func compareFlush<Old: Scheme, New: Scheme>(
        _ stimulus: Stimulus, _ moment: Moment, _ cpu: Int, _ old: Lane<Old>, _ new: Lane<New>
    ) {
        if case .deliver(_, let sender) = stimulus {
            if old.effects.staleLeave {
                add(
                    Divergence(
                        kind: .noopIPI, cpu: cpu, moment: moment, mm: old.scheme.bookedMM(cpu), sender: sender, scheme: self.old,
                        since: staleSince[cpu]))
            }
            // An IPI that only one of them sent is an extra or a missing one already.
            if old.effects.delivery == .notTarget || new.effects.delivery == .notTarget { return }
        } else if old.effects.staleLeave, stimulus.isLocalFlush {
            let mm = old.scheme.bookedMM(cpu)
            add(Divergence(kind: .noopLocalFlush, cpu: cpu, moment: moment, mm: mm, scheme: self.old, since: staleSince[cpu]))
        }
        if old.effects.flushed != new.effects.flushed {
            let scheme = old.effects.flushed ? self.old : self.new
            let mm = old.effects.flushed ? old.scheme.loadedMM(cpu) : new.scheme.loadedMM(cpu)
            add(Divergence(kind: .extraFlush, cpu: cpu, moment: moment, mm: mm, scheme: scheme, since: partedSince[cpu]))
        }
    }

    private mutating func trackIntervals<Old: Scheme, New: Scheme>(_ moment: Moment, _ cpu: Int, _ old: Old, _ new: New) {
        let loaded = old.loadedMM(cpu)
        let booked = old.bookedMM(cpu)
        if booked.isUser && loaded == .initMM {
            if staleSince[cpu] == nil { staleSince[cpu] = moment }
        } else if let start = staleSince[cpu] {
            endStale(start, cpu, at: moment.time)
            staleSince[cpu] = nil
        }
        if loaded == new.loadedMM(cpu) {
            partedSince[cpu] = nil
        } else if partedSince[cpu] == nil {
            partedSince[cpu] = moment
        }
        if staleSince[cpu] != nil { staleMM[cpu] = booked }
    }

    private var staleMM: [Int: MM] = [:]

    private mutating func endStale(_ start: Moment, _ cpu: Int, at time: UInt64) {
        // A record of another CPU may end it, and clocks of CPUs may differ.
        let time = max(time, start.time)
        staleNs += time - start.time
        add(Divergence(kind: .staleActiveMM, cpu: cpu, moment: start, end: time, mm: staleMM[cpu] ?? .unknown, scheme: old))
    }

    /// The end of the trace ends every interval.
    mutating func finish(at time: UInt64) {
        for cpu in staleSince.indices {
            if let start = staleSince[cpu] { endStale(start, cpu, at: time) }
            staleSince[cpu] = nil
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

    var isLocalFlush: Bool {
        switch self {
        case .flushRange, .flushPage, .batchLocal: return true
        default: return false
        }
    }
}
