import AccuracyKit
import LazyTLB

/// What a measurement got wrong most often, a line each.
func describe(_ name: String, _ measured: Measurement, _ truth: Truth) -> [String] {
    let accuracy = measured.accuracy
    let names = { (mistake: Accuracy.Mistake) in
        "\(truth.mms.name(mistake.real)), taken for \(measured.mms.name(mistake.guess));"
    }
    let place = { (mistake: Accuracy.Mistake) in
        "the first at \(mistake.time / 1_000_000_000).\(padded(mistake.time % 1_000_000_000)) on CPU \(mistake.cpu)"
    }
    var lines = accuracy.mistakes.prefix(12).map { "    \($0.count) switches to a task of \(names($0)) \(place($0)), pid \($0.pid)" }
    lines += accuracy.flushMistakes.prefix(4).map { "    \($0.count) flushes of \(names($0)) \(place($0))" }
    lines += accuracy.timeMistakes.prefix(4).map { "    \($0.count) ns of \(names($0)) \(place($0))" }
    if !lines.isEmpty { lines.insert("\n\(name), \(measured.level.rawValue):\n", at: 0) }
    return lines
}

private func padded(_ nanoseconds: UInt64) -> String {
    let digits = String(nanoseconds)
    return String(repeating: "0", count: 9 - digits.count) + digits
}
