import TraceData

/// By how much the clocks of a trace's CPUs differ, as far as the order of its records tells, and what is to be taken off their times.
///
/// `local` is each CPU's own sched_clock(), which the kernel keeps together to some µs where the TSC is not reliable (kernel/sched/clock.c). What records
/// of different CPUs mean together depends on their order: who has left a mask before a flush began, who has answered.
public struct ClockSkew: Sendable {
    public struct CPU: Sendable {
        public var cpu: Int
        /// Taken off the CPU's times; in units of the trace's clock, as all of this.
        public var ahead: Int64
        /// Between these is how far it is ahead of the others, as they are corrected; nil where nothing tells.
        public var atLeast: Int64?
        public var atMost: Int64?
    }

    /// The CPUs whose clocks are corrected, ascending. Empty if no correction makes the records' order better.
    public private(set) var cpus: [CPU] = []
    /// Pairs of records in an order in which they cannot have been written, before and after the correction.
    public private(set) var inversions = 0
    public private(set) var inversionsLeft = 0
    /// By how much the worst of them is off.
    public private(set) var largest: Int64 = 0

    /// The corrections in the form in which a file takes them.
    public var offsets: [Int: Int64] { Dictionary(uniqueKeysWithValues: cpus.map { ($0.cpu, $0.ahead) }) }

    private static let rounds = 8

    /// A correction, and what it leaves.
    private struct Attempt {
        var offsets: [Int64]
        var bounds: ClockBounds
        var corrections: [Int: Int64] { Dictionary(uniqueKeysWithValues: zip(bounds.cpus, offsets).filter { $0.1 != 0 }) }
        var faults: Int { bounds.inversions + bounds.unmatched }
    }

    /// Measures a file against its present corrections; nil if it has more CPUs than can be compared.
    ///
    /// - Complexity: up to some thirty passes over the records that ``ClockBounds`` looks at.
    public init?(_ file: TraceFile, kernel: String? = nil) throws(TraceError) {
        guard file.cpusWithData.count <= ClockBounds.cpuLimit else { return nil }
        let rules = KernelRules(file, kernel: kernel)
        let bounds = try ClockBounds(file, rules: rules)
        var best = Attempt(offsets: [Int64](repeating: 0, count: bounds.cpus.count), bounds: bounds)
        (inversions, largest) = (best.faults, bounds.largest)

        func attempt(_ offsets: [Int64], usesFlushes: Bool = false) throws(TraceError) -> Attempt {
            var offsets = offsets
            for (place, offset) in offsets.enumerated() where !bounds.leavesTimes(of: place, by: offset) { offsets[place] = 0 }
            let corrected = try file.corrected(by: Attempt(offsets: offsets, bounds: bounds).corrections)
            return Attempt(offsets: offsets, bounds: try ClockBounds(corrected, rules: rules, usesFlushes: usesFlushes))
        }

        // By the delays of answers, which tell most exactly but not of clocks that are far apart; by tasks, and what that leaves by answers again.
        func followAnswers() throws(TraceError) {
            guard rules.hasExactAnswers, bounds.cpus.count <= AnswerDelays.cpuLimit else { return }
            for _ in 0..<Self.rounds where best.bounds.unmatched > 0 {
                guard let farthest = try AnswerDelays(try file.corrected(by: best.corrections)).farthest() else { return }
                var offsets = best.offsets
                offsets[farthest.place] &+= farthest.ahead
                let next = try attempt(offsets)
                guard next.faults < best.faults else { return }
                best = next
            }
        }
        try followAnswers()
        // A task's stays on two CPUs may overlap by less than the clocks differ: then a correction shows what is left.
        var last = best
        for _ in 0..<Self.rounds where last.bounds.inversions > 0 {
            last = try attempt(Self.moved(last.offsets, last.bounds))
            if last.faults < best.faults { best = last }
        }
        try followAnswers()
        // Into the middle of what is possible: by tasks, then, with the clocks nearly right, by flushes.
        for usesFlushes in [false, true] where !best.corrections.isEmpty {
            best = try attempt(best.offsets, usesFlushes: usesFlushes)
            let next = try attempt(Self.centred(best.offsets, best.bounds), usesFlushes: usesFlushes)
            if next.faults <= best.faults { best = next }
        }
        // What leaves contradictions may be wrong altogether.
        guard best.faults * 10 <= inversions else {
            inversionsLeft = inversions
            return
        }
        inversionsLeft = best.faults
        for (place, cpu) in best.bounds.cpus.enumerated() where best.offsets[place] != 0 {
            let (least, most) = Self.range(best.bounds, place)
            cpus.append(
                CPU(cpu: cpu, ahead: best.offsets[place], atLeast: least.map { $0 &+ best.offsets[place] }, atMost: most.map { $0 &+ best.offsets[place] }))
        }
    }

    /// Moves the CPU with most contradictions by the largest of them.
    private static func moved(_ offsets: [Int64], _ bounds: ClockBounds) -> [Int64] {
        let places = offsets.indices
        let ahead = places.map { a in places.reduce(0) { $0 + (bounds[a, $1] > 0 ? 1 : 0) } }
        let behind = places.map { b in places.reduce(0) { $0 + (bounds[$1, b] > 0 ? 1 : 0) } }
        guard let place = places.max(by: { max(ahead[$0], behind[$0]) < max(ahead[$1], behind[$1]) }) else { return offsets }
        var offsets = offsets
        if ahead[place] >= behind[place] {
            offsets[place] &+= places.map { bounds[place, $0] }.max() ?? 0
        } else {
            offsets[place] &-= places.map { bounds[$0, place] }.max() ?? 0
        }
        return offsets
    }

    /// Puts the CPUs that were moved into the middle of what the bounds leave them.
    private static func centred(_ offsets: [Int64], _ bounds: ClockBounds) -> [Int64] {
        var offsets = offsets
        for place in offsets.indices where offsets[place] != 0 {
            guard case (let least?, let most?) = range(bounds, place) else { continue }
            offsets[place] &+= least &+ (most &- least) / 2
        }
        return offsets
    }

    /// Between what a CPU's clock can be ahead of the others' as they are corrected.
    private static func range(_ bounds: ClockBounds, _ place: Int) -> (least: Int64?, most: Int64?) {
        var least: Int64?
        var most: Int64?
        for other in bounds.cpus.indices where other != place {
            if bounds[place, other] != ClockBounds.unbounded { least = max(least ?? .min, bounds[place, other]) }
            if bounds[other, place] != ClockBounds.unbounded { most = min(most ?? .max, -bounds[other, place]) }
        }
        return (least, most)
    }
}
