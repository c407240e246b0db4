import CPrefetch
import Tables

/// mm_cpumask() of every mm: one row of bits per mm, in one flat array.
///
/// A row has as many words as the CPUs need (one up to 64 CPUs). Rows come into being, empty, when first written to. A reference, as
/// the list that it is made of: copies are the same table.
public struct MaskTable: Sendable {
    /// Words per row.
    public let stride: Int
    @usableFromInline var words: FlatList<UInt64>

    public init(cpus: Int, rows: Int = 64) {
        stride = max(1, (cpus + 63) / 64)
        words = FlatList(repeating: 0, count: stride * rows)
    }

    /// Leaves a row without CPUs.
    public mutating func clear(_ row: Int) {
        for index in 0..<stride { setWord(row, index, 0) }
    }

    /// A table of its own with the same rows.
    func copy() -> MaskTable {
        var copy = self
        copy.words = words.copy()
        return copy
    }

    /// In the words of what the table itself checks, so that it is checked once.
    @inlinable @inline(__always) func isThere(_ at: Int) -> Bool { UInt(bitPattern: at) < UInt(bitPattern: words.count) }

    /// Returns whether the CPU was in the row before.
    ///
    /// - Complexity: O(1), amortised growth aside.
    @discardableResult @inlinable @inline(__always) public mutating func insert(_ cpu: Int, _ row: Int) -> Bool {
        let at = row &* stride &+ (cpu >> 6)
        if _slowPath(!isThere(at)) { grow(at) }
        let (word, bit) = (words[at], 1 &<< UInt64(cpu & 63))
        words[at] = word | bit
        return word & bit != 0
    }

    /// Returns whether the CPU was in the row before.
    @discardableResult @inlinable @inline(__always) public mutating func remove(_ cpu: Int, _ row: Int) -> Bool {
        let at = row &* stride &+ (cpu >> 6)
        guard isThere(at) else { return false }
        let (word, bit) = (words[at], 1 &<< UInt64(cpu & 63))
        words[at] = word & ~bit
        return word & bit != 0
    }

    @inlinable @inline(__always) public func contains(_ cpu: Int, _ row: Int) -> Bool {
        let at = row &* stride &+ (cpu >> 6)
        return isThere(at) && words[at] & (1 &<< UInt64(cpu & 63)) != 0
    }

    /// Word `index` of a row; zero beyond what was ever written.
    @inlinable @inline(__always) public func word(_ row: Int, _ index: Int) -> UInt64 {
        let at = row &* stride &+ index
        return isThere(at) ? words[at] : 0
    }

    @inlinable @inline(__always) public mutating func setWord(_ row: Int, _ index: Int, _ value: UInt64) {
        let at = row &* stride &+ index
        if !isThere(at) {
            if value == 0 { return }
            grow(at)
        }
        words[at] = value
    }

    /// Asks for a row, which is to be read soon.
    @inlinable @inline(__always) public func ask(_ row: Int) { prefetch_write(words.base + row &* stride) }

    /// The CPUs of a row but one, ascending: as they are now, without those that come while they are gone through.
    @inlinable @inline(__always) public func others(than cpu: Int, _ row: Int) -> Others { Others(self, row, cpu) }

    public struct Others: Sequence, IteratorProtocol {
        @usableFromInline let words: UnsafeMutablePointer<UInt64>
        @usableFromInline let stride: Int
        @usableFromInline let cpu: Int
        @usableFromInline var index = -1
        @usableFromInline var bits: UInt64 = 0

        @inlinable @inline(__always) init(_ table: MaskTable, _ row: Int, _ cpu: Int) {
            let at = row &* table.stride
            words = table.words.base + at
            stride = table.isThere(at &+ table.stride &- 1) ? table.stride : 0
            self.cpu = cpu
        }

        @inlinable @inline(__always) public mutating func next() -> Int? {
            while bits == 0 {
                index &+= 1
                guard index < stride else { return nil }
                bits = words[index]
                if index == cpu >> 6 { bits &= ~(1 &<< UInt64(cpu & 63)) }
            }
            let bit = bits.trailingZeroBitCount
            bits &= bits &- 1
            return index &* 64 &+ bit
        }
    }

    /// The CPUs of a row, ascending.
    public func cpus(_ row: Int) -> [Int] {
        var found: [Int] = []
        forEach(row) { found.append($0) }
        return found
    }

    @inlinable public func forEach(_ row: Int, _ body: (Int) -> Void) {
        for index in 0..<stride {
            var bits = word(row, index)
            while bits != 0 {
                body(index &* 64 &+ bits.trailingZeroBitCount)
                bits &= bits &- 1
            }
        }
    }

    public func count(_ row: Int) -> Int {
        var total = 0
        for index in 0..<stride { total += word(row, index).nonzeroBitCount }
        return total
    }

    @inline(never) @usableFromInline mutating func grow(_ at: Int) {
        let rows = max(at / stride + 1, words.count / stride * 2)
        words.extend(with: 0, to: rows * stride)
    }
}
