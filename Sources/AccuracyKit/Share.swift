/// How much of something is right: of all, of what is not reported unknown.
public struct Share: Sendable, Equatable {
    public var all: UInt64 = 0
    public var right: UInt64 = 0
    public var unknown: UInt64 = 0

    public init() {}

    mutating func add(_ verdict: Verdict, _ amount: UInt64 = 1) {
        all += amount
        switch verdict {
        case .right: right += amount
        case .unknown: unknown += amount
        case .wrong: break
        }
    }

    /// The part that is right of what is not reported unknown; nil if nothing is left.
    public var accuracy: Double? { all > unknown ? Double(right) / Double(all - unknown) : nil }
    /// The part that is reported unknown; nil if there is nothing at all.
    public var unknownPart: Double? { all > 0 ? Double(unknown) / Double(all) : nil }
}

enum Verdict {
    case right, wrong, unknown

    /// Of two things that belong together: right if both are.
    func and(_ other: Verdict) -> Verdict {
        if self == .unknown || other == .unknown { return .unknown }
        return self == .right ? other : .wrong
    }
}
