import Report

/// A JSON string, with its quotes. What a terminal acts on is escaped.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\t": result += "\\t"
        // YAML takes these two as they are nowhere.
        case "\u{FFFE}", "\u{FFFF}": result += "\\u" + String(scalar.value, radix: 16)
        // Beyond the first plane an escape is a pair of surrogates, which YAML, by which baselines are read back, does not take.
        case _ where scalar.value <= 0xFFFF: result += jsonEscaped(scalar) ?? String(scalar)
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
