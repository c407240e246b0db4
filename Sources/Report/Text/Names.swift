/// The text with everything that could move a terminal's cursor, colour it or reorder it made visible.
///
/// Control characters become `\n`, `\t` or `\xNN`; format characters (bidirectional overrides, zero-width ones) and line
/// separators become `\u{N}`.
public func printable(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n": result.append(contentsOf: "\\n".unicodeScalars)
        case "\t": result.append(contentsOf: "\\t".unicodeScalars)
        default:
            switch scalar.properties.generalCategory {
            case .control:
                result.append(contentsOf: ("\\x" + hex(scalar.value, digits: 2)).unicodeScalars)
            case .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result.append(contentsOf: ("\\u{" + hex(scalar.value, digits: 1) + "}").unicodeScalars)
            default:
                result.append(scalar)
            }
        }
    }
    return String(result)
}

/// How a character must be written in a JSON string that may end up on a terminal; nil if it may stay as it is.
///
/// RFC 8259 asks for less: U+0080 to U+009F would move a cursor, and bidirectional overrides reorder what is read.
public func jsonEscaped(_ scalar: Unicode.Scalar) -> String? {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator:
        scalar.utf16.map { "\\u" + hex(UInt32($0), digits: 4) }.joined()
    default: nil
    }
}

/// Columns of a terminal that a printable text takes: two for East Asian wide characters and emoji, none for combining marks.
func displayWidth(_ text: some StringProtocol) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.reduce(0) { $0 + columns($1) }
}

/// The beginning of a text that fits into so many columns, with an ellipsis where something was left out.
func truncated(_ text: String, toColumns limit: Int) -> String {
    guard displayWidth(text) > limit else { return text }
    var result = ""
    var width = 1
    for character in text {
        let next = columns(character)
        guard width + next <= limit else { break }
        result.append(character)
        width += next
    }
    return result + "…"
}

private func columns(_ character: Character) -> Int {
    var width = 0
    for scalar in character.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: continue
        default: width = max(width, isWide(scalar.value) ? 2 : 1)
        }
    }
    return width
}

/// East_Asian_Width W and F, by block (https://www.unicode.org/reports/tr11/).
private func isWide(_ value: UInt32) -> Bool {
    switch value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF,
        0x20000...0x3FFFD:
        true
    default: false
    }
}

private func hex(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// Text for elements and attributes. What XML 1.0 forbids, even as a reference, and what changes the order or the sight of a text, becomes `\xNN` or `\u{N}`,
/// so that it shows.
package func xml(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "\n": result += "&#10;"
        case "\t": result += "&#9;"
        default:
            switch scalar.value {
            case 0x20..<0x7F: result.unicodeScalars.append(scalar)
            case 0xA0...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: result += printable(String(scalar))
            case ..<0x100: result += "\\x" + hex(scalar.value, digits: 2)
            default: result += "\\u{" + hex(scalar.value, digits: 1) + "}"
            }
        }
    }
    return result
}
