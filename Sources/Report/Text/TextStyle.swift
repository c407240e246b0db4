import Glibc

/// How the text report may look: whether it may use colour, and how wide it may be.
public struct TextStyle: Equatable, Sendable {
    public var color: Bool
    /// Columns. Tables that do not fit are split or shortened.
    public var width: Int

    public init(color: Bool = false, width: Int = 100) {
        self.color = color
        self.width = max(width, 60)
    }

    /// Colour if the descriptor is a terminal that can show it, and NO_COLOR is unset or empty (https://no-color.org).
    public static func forDescriptor(_ descriptor: Int32) -> TextStyle {
        TextStyle(color: obeys(descriptor) && variable("NO_COLOR").isEmpty)
    }

    /// The descriptor is a terminal that does what escape sequences say: a dumb one can neither show colour nor take a line away.
    public static func obeys(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 && variable("TERM") != "dumb" }

    private static func variable(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }

    /// The text in the colour that says what it is. The text must be printable already: see ``printable(_:)``.
    func paint(_ text: String, _ emphasis: Emphasis) -> String {
        guard color, !text.isEmpty else { return text }
        let code = switch emphasis {
        case .plain: ""
        case .heading: "1"
        case .good: "32"
        case .bad: "33"
        case .faint: "2"
        }
        return code.isEmpty ? text : "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}
