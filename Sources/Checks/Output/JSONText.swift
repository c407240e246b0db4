import Report

/// A JSON string, with its quotes.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        // DEL and the C1 controls too: YAML, by which baselines are read back, does not take them as they are.
        case _ where scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value):
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}

/// A JSON number: whole numbers without a fraction.
func jsonNumber(_ value: Double, decimals: Int? = nil) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), value.magnitude < 9e15 { return String(Int(value)) }
    guard let decimals, value.magnitude >= 0.001 else { return "\(value)" }
    return fixed(value, decimals).replacing(",", with: "")
}
