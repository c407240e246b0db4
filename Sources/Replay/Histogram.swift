import Tables

/// Durations in ns, in buckets at most 1/64 of their value wide, of which the end is shown: percentiles up to 1.6 % too high, never too low, in constant memory.
public struct Histogram: Sendable {
    private static let subBits = 7
    private var buckets = [Int](repeating: 0, count: (64 - subBits + 1) << subBits)
    public private(set) var count = 0
    public private(set) var min = UInt64.max
    public private(set) var max: UInt64 = 0
    /// Of all values, exactly.
    public private(set) var sum: UInt64 = 0

    public init() {}

    public mutating func add(_ value: UInt64) {
        count += 1
        if value < min { min = value }
        if value > max { max = value }
        sum.addClamped(value)
        buckets[Self.bucket(value)] += 1
    }

    /// A value that at least `share` (0 to 1) of all values do not exceed, the smallest one or little more; nil without values.
    public func percentile(_ share: Double) -> UInt64? {
        guard count > 0 else { return nil }
        let rank = Swift.max(1, Int((Double(count) * share).rounded(.up)))
        var seen = 0
        for (index, inBucket) in buckets.enumerated() {
            seen += inBucket
            if seen >= rank { return Swift.min(max, Self.last(index)) }
        }
        return max
    }

    private static func bucket(_ value: UInt64) -> Int {
        let width = 64 - value.leadingZeroBitCount
        if width <= subBits { return Int(value) }
        let shift = width - subBits
        return shift << subBits | Int(value >> UInt64(shift)) & (1 << subBits - 1)
    }

    /// The largest value of a bucket.
    private static func last(_ index: Int) -> UInt64 {
        let shift = index >> subBits
        if shift == 0 { return UInt64(index) }
        return UInt64(index & (1 << subBits - 1)) << UInt64(shift) | (1 << UInt64(shift) - 1)
    }
}
