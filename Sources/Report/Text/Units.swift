/// Numbers as people read them. JSON has the exact ones.

/// 1234567 as "1,234,567".
package func grouped(_ number: some BinaryInteger) -> String {
    let digits = String(number.magnitude).utf8
    var left = digits.count
    var result: [UInt8] = number < 0 ? [UInt8(ascii: "-")] : []
    result.reserveCapacity(left + left / 3 + 1)
    for digit in digits {
        result.append(digit)
        left -= 1
        if left > 0, left % 3 == 0 { result.append(UInt8(ascii: ",")) }
    }
    return String(decoding: result, as: UTF8.self)
}

/// "1 record", "2 records".
func count(_ number: Int, _ singular: String, _ plural: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? singular : plural ?? singular + "s")"
}

/// A share as "12.3 %"; "–" of nothing. What is not nothing and not all is never rounded to 0 or 100.
package func percent(_ part: some BinaryInteger, of whole: some BinaryInteger, decimals: Int = 1) -> String {
    guard whole > 0 else { return "–" }
    // Where both are beyond 53 bits their share may be 1 though there is more.
    return percent(share: Double(part) / Double(whole), isAll: part >= whole, decimals: decimals)
}

/// The same of a share from 0 to 1, or more.
package func percent(share: Double, isAll: Bool, decimals: Int = 1) -> String {
    if share <= 0 { return "0 %" }
    let percent = share * 100
    let step = (0..<decimals).reduce(1.0) { result, _ in result / 10 }
    if percent < step { return "< \(fixed(step, decimals)) %" }
    if !isAll, percent > 100 - step { return "> \(fixed(100 - step, decimals)) %" }
    return fixed(percent, decimals) + " %"
}

/// A number with so many decimals.
package func fixed(_ value: Double, _ decimals: Int) -> String {
    let scale = (0..<decimals).reduce(1.0) { result, _ in result * 10 }
    let scaled = (value * scale).rounded(.toNearestOrAwayFromZero)
    guard scaled.magnitude < 1e15 else { return "\(value)" }
    let whole = Int(scaled.magnitude)
    guard decimals > 0 else { return "\(value < 0 ? "-" : "")\(grouped(whole))" }
    let fraction = String(whole % Int(scale))
    let zeros = String(repeating: "0", count: decimals - fraction.count)
    return "\(value < 0 && whole != 0 ? "-" : "")\(grouped(whole / Int(scale))).\(zeros)\(fraction)"
}

/// CPU numbers as the kernel lists them: "0-3,8".
func ranges(_ cpus: [Int]) -> String {
    var result: [String] = []
    let sorted = Set(cpus).sorted()
    var index = 0
    while index < sorted.count {
        var last = index
        while last + 1 < sorted.count, sorted[last + 1] == sorted[last] + 1 { last += 1 }
        result.append(last == index ? "\(sorted[index])" : "\(sorted[index])-\(sorted[last])")
        index = last + 1
    }
    return result.isEmpty ? "none" : result.joined(separator: ",")
}

/// The unit of a trace's times, and how to write them.
public struct TimeFormat {
    var unit: ReportDocument.Trace.TimeUnit

    public init(unit: ReportDocument.Trace.TimeUnit) { self.unit = unit }

    /// A span: three digits and a unit, as "12.3 µs"; a plain count where the clock is not one of time.
    package func duration(_ span: UInt64) -> String {
        guard unit == .ns else { return count(Int(clamping: span), "tick") }
        let figure = Figure(span)
        let fraction = String(figure.value % figure.scale)
        let decimals = figure.decimals == 0 ? "" : "." + String(repeating: "0", count: figure.decimals - fraction.count) + fraction
        return grouped(figure.value / figure.scale) + decimals + " " + figure.unit.description
    }

    /// The largest unit of which a span is one at least, rounded to three digits.
    package static func unit(of ns: UInt64) -> (ns: UInt64, name: StaticString) {
        switch ns {
        case ..<1_000: (1, "ns")
        case ..<999_500: (1_000, "µs")
        case ..<999_500_000: (1_000_000, "ms")
        default: (1_000_000_000, "s")
        }
    }

    /// A span of ns in its ``unit(of:)``: three digits where it has more, the rest rounded.
    struct Figure {
        /// In the last decimal.
        let value: UInt64
        let decimals: Int
        /// Of these in a unit.
        var scale: UInt64 { decimals == 0 ? 1 : decimals == 1 ? 10 : 100 }
        let unit: StaticString
        var unitColumns: Int { unit.utf8CodeUnitCount == 1 ? 1 : 2 }

        init(_ ns: UInt64) {
            let one: UInt64
            (one, unit) = TimeFormat.unit(of: ns)
            // Below 9.995, and below 99.95.
            let tenths = one / 10, hundredths = one / 100
            let last = one == 1 ? 1 : ns < 10 * one - hundredths / 2 ? hundredths : ns < 100 * one - tenths / 2 ? tenths : one
            decimals = one == last ? 0 : last == tenths ? 1 : 2
            let (whole, rest) = ns.quotientAndRemainder(dividingBy: last)
            value = rest >= last - rest ? whole + 1 : whole
        }
    }

    /// What shares of a span over all CPUs are shares of.
    var whole: String { unit == .ns ? "the CPU time" : "the CPUs' ticks" }

    /// A moment, as `trace-cmd report -t` writes it: seconds and nine decimals.
    public func moment(_ time: UInt64) -> String {
        guard unit == .ns else { return String(time) }
        let fraction = String(time % 1_000_000_000)
        return "\(time / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}
