import Report

/// A number for a person: three significant digits, or all of a whole number.
func numberText(_ value: Double) -> String {
    if value == value.rounded(), value.magnitude < 1e15 { return grouped(Int(value)) }
    return fixed(value, decimals(value))
}

/// A latency with its unit, as in the report: "4.00 ms".
func latencyText(_ ns: Double) -> String {
    let unit = timeUnit(ns)
    return ns < 1_000 ? numberText(ns) + " ns" : fixed(ns / unit.ns, decimals(ns / unit.ns)) + " \(unit.name)"
}

/// The largest unit of which it is one at least, rounded to three digits.
func timeUnit(_ ns: Double) -> (ns: Double, name: String) { ns < 1_000 ? (1, "ns") : ns < 999_500 ? (1e3, "µs") : ns < 999_500_000 ? (1e6, "ms") : (1e9, "s") }

/// Of a number with three significant digits.
func decimals(_ value: Double) -> Int {
    let magnitude = value.magnitude
    return magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : magnitude >= 0.1 ? 3 : 4
}

/// As many decimals as tell two numbers apart, if they are not the same.
func decimals(apart one: Double, _ other: Double, atLeast least: Int) -> Int { (least...max(least, 12)).first { fixed(one, $0) != fixed(other, $0) } ?? least }

/// A share as "12.3 %", by the report's rule (`percent`): what is not nothing and not all is never rounded to 0 or 100.
func percentText(_ share: Double, decimals: Int = 1) -> String {
    if share == 0 { return "0 %" }
    let percent = share * 100
    let step = (0..<decimals).reduce(1.0) { result, _ in result / 10 }
    if percent < step { return "< \(fixed(step, decimals)) %" }
    if share < 1, percent > 100 - step { return "> \(fixed(100 - step, decimals)) %" }
    return fixed(percent, decimals) + " %"
}

/// A share that somebody has chosen, with all digits that they gave it: "0.05 %".
func exactPercent(_ share: Double) -> String {
    let percent = share * 100
    guard percent.magnitude < 10_000 else { return numberText(percent) + " %" }
    var text = fixed(percent, 10)[...]
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text + " %"
}

/// A ratio as a change: 1.25 as "+25.0 %".
///
/// - Parameter allowed: one that it is to be told apart from.
func changeText(_ ratio: Double, beside allowed: Double? = nil) -> String {
    guard ratio < 1e15 else { return "beyond measure" }
    if ratio >= 10 { return "×\(numberText(ratio))" }
    let percent = (ratio - 1) * 100
    return (ratio >= 1 ? "+" : "") + fixed(percent, allowed.map { decimals(apart: percent, ($0 - 1) * 100, atLeast: 1) } ?? 1) + " %"
}
