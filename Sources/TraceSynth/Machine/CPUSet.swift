/// A set of up to 512 CPUs, as a value without storage elsewhere.
public struct CPUSet: Hashable, Sendable {
    public static let capacity = 512

    var words = SIMD8<UInt64>()

    public init() {}

    public init(_ cpus: some Sequence<Int>) { for cpu in cpus { insert(cpu) } }

    private static func bit(_ cpu: Int) -> UInt64 { 1 &<< UInt64(truncatingIfNeeded: cpu & 63) }

    public var isEmpty: Bool { words == SIMD8() }
    public var count: Int { Int((0..<8).reduce(0) { $0 + words[$1].nonzeroBitCount }) }

    public func contains(_ cpu: Int) -> Bool { words[cpu >> 6] & Self.bit(cpu) != 0 }

    public mutating func insert(_ cpu: Int) { words[cpu >> 6] |= Self.bit(cpu) }

    public mutating func remove(_ cpu: Int) { words[cpu >> 6] &= ~Self.bit(cpu) }

    public func without(_ cpu: Int) -> CPUSet {
        var set = self
        set.remove(cpu)
        return set
    }

    public func intersection(_ other: CPUSet) -> CPUSet { CPUSet(words & other.words) }
    public func union(_ other: CPUSet) -> CPUSet { CPUSet(words | other.words) }
    public func subtracting(_ other: CPUSet) -> CPUSet { CPUSet(words & ~other.words) }

    private init(_ words: SIMD8<UInt64>) { self.words = words }

    /// 64 of them, CPU 64 × `index` in bit 0.
    public func word(_ index: Int) -> UInt64 { words[index] }

    /// In ascending order.
    public func forEach(_ body: (Int) -> Void) {
        for index in 0..<8 {
            var bits = words[index]
            while bits != 0 {
                body((index << 6) + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
        }
    }

    public var sorted: [Int] {
        var cpus: [Int] = []
        forEach { cpus.append($0) }
        return cpus
    }
}
