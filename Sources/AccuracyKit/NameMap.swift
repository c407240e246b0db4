import LazyTLB

/// Which true mm each inferred one stands for: one to one, pairs by how many switches they share, most first.
struct NameMap {
    private var real: [Int32: Int32] = [:]

    /// - Parameters:
    ///   - switches: true and inferred mm of each switch.
    ///   - flushes: the same of flushes, for mms that no switch shows.
    init(switches: [(MM, MM)], flushes: [(MM, MM)]) {
        var counts: [UInt64: Int] = [:]
        for (real, guess) in switches where real.isUser && guess.isUser { counts[Self.key(guess, real), default: 0] += 1 }
        for (real, guess) in flushes where real.isUser && guess.isUser { counts[Self.key(guess, real), default: 0] += 0 }
        var taken: Set<Int32> = []
        for (key, _) in counts.sorted(by: { ($0.value, $1.key) > ($1.value, $0.key) }) {
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
