import Report

/// A number for a person: three significant digits, or all of a whole number.
func numberText(_ value: Double) -> String {
    if value == value.rounded(), value.magnitude < 1e15 { return grouped(Int(value)) }
    return fixed(value, decimals(value))
}

/// A latency as in the report: "4.00 ms".
func latencyText(_ ns: Double) -> String { TimeFormat(unit: .ns).duration(wholeNS(ns)) }

/// Means of latencies have fractions; a bound may be any number.
func wholeNS(_ ns: Double) -> UInt64 { UInt64(exactly: ns.rounded()) ?? .max }

/// Of a number with three significant digits.
func decimals(_ value: Double) -> Int {
    let magnitude = value.magnitude
    return magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : magnitude >= 0.1 ? 3 : 4
}

/// As many decimals as tell two numbers apart, if they are not the same.
func decimals(apart one: Double, _ other: Double, atLeast least: Int) -> Int { (least...max(least, 12)).first { fixed(one, $0) != fixed(other, $0) } ?? least }

/// A share as "12.3 %", as in the report.
func percentText(_ share: Double, decimals: Int = 1) -> String { percent(share: share, isAll: share >= 1, decimals: decimals) }

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
