import LazyTLB

/// Which true mm each inferred one stands for: one to one, pairs by how many switches they share, most first.
///
/// An mm that no switch shows (an exec by a task that then never leaves its CPU) is paired by the time for which it was loaded.
struct NameMap {
    private var real: [Int32: Int32] = [:]

    private struct Weight {
        var switches = 0
        var time: UInt64 = 0
    }

    /// - Parameters:
    ///   - switches: true and inferred mm of each switch.
    ///   - flushes: the same of flushes.
    ///   - loaded: the same of what CPUs have loaded, and for how long, ns.
    init(switches: [(MM, MM)], flushes: [(MM, MM)], loaded: [(real: MM, guess: MM, time: UInt64)]) {
        var weights: [UInt64: Weight] = [:]
        for (real, guess) in switches where real.isUser && guess.isUser { weights[Self.key(guess, real), default: Weight()].switches += 1 }
        for (real, guess) in flushes where real.isUser && guess.isUser { weights[Self.key(guess, real), default: Weight()].time += 1 }
        for (real, guess, time) in loaded where real.isUser && guess.isUser { weights[Self.key(guess, real), default: Weight()].time += time }
        let sorted = weights.sorted { ($0.value.switches, $0.value.time, $1.key) > ($1.value.switches, $1.value.time, $0.key) }
        var taken: Set<Int32> = []
        for (key, _) in sorted {
            let (guess, mm) = (Int32(key >> 32), Int32(truncatingIfNeeded: key))
            if real[guess] == nil, taken.insert(mm).inserted { real[guess] = mm }
        }
    }

    private static func key(_ guess: MM, _ real: MM) -> UInt64 { UInt64(UInt32(guess.index)) << 32 | UInt64(UInt32(real.index)) }

    func judge(_ guess: MM, _ truth: MM) -> Verdict {
        if guess == .unknown { return .unknown }
        return (guess.isUser ? real[guess.index] == truth.index : guess == truth) ? .right : .wrong
    }
}
