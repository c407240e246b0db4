import AccuracyKit
import LazyTLB

/// What a measurement got wrong most often, a line each.
func describe(_ name: String, _ measured: Measurement, _ truth: Truth) -> [String] {
    let accuracy = measured.accuracy
    var lines = accuracy.mistakes.prefix(12).map { mistake in
        let (real, guess) = (truth.mms.name(mistake.real), measured.mms.name(mistake.guess))
        let place = "\(mistake.time / 1_000_000_000).\(padded(mistake.time % 1_000_000_000)) on CPU \(mistake.cpu)"
        return "    \(mistake.count) switches to a task of \(real), taken for \(guess); the first at \(place), pid \(mistake.pid)"
    }
    if !lines.isEmpty { lines.insert("\n\(name), \(measured.level.rawValue):\n", at: 0) }
    return lines
}

private func padded(_ nanoseconds: UInt64) -> String {
    let digits = String(nanoseconds)
    return String(repeating: "0", count: 9 - digits.count) + digits
}
