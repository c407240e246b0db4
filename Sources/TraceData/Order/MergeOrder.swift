import Tables

/// The order in which a merge took its sources, kept so that a second pass over the same records need not compare times again.
///
/// As few bits for each record as tell the sources apart. What exceeds ``limit`` is not kept: from there on the second pass merges by itself.
///
/// It belongs to one thread at a time: that which finds the order, then that which follows it.
public final class MergeOrder: @unchecked Sendable {
    /// Bytes that an order may take.
    public static let limit = 16 << 20
    private static let chunkWords = 1 << 16

    /// Bits of an index: 2, 4, 8 or 16.
    let bits: UInt64
    private let wordLimit: Int
    private var chunks: [UnsafeMutablePointer<UInt64>] = []
    private var words = 0
    private var word: UInt64 = 0
    private var shift: UInt64 = 0
    /// Indices that were kept.
    public var count: Int { words * Int(64 / bits) + Int(shift / bits) }
    /// All were.
    public private(set) var isWhole = true

    /// - Parameters:
    ///   - sources: how many there are.
    ///   - limit: bytes.
    public init(sources: Int, limit: Int = MergeOrder.limit) {
        bits = sources <= 4 ? 2 : sources <= 16 ? 4 : sources <= 256 ? 8 : 16
        wordLimit = sources <= 1 << 16 ? limit / 8 : 0
    }

    deinit { for chunk in chunks { chunk.deallocate() } }

    /// Notes that the next record came from source `index`.
    ///
    /// - Complexity: O(1).
    @inline(__always)
    public func append(_ index: Int) {
        guard isWhole else { return }
        word |= UInt64(truncatingIfNeeded: index) &<< shift
        shift &+= bits
        if _slowPath(shift == 64) { store() }
    }

    /// The same for many records at once.
    ///
    /// - Complexity: O(*n*).
    func append(_ indices: UnsafeBufferPointer<UInt16>) {
        var position = 0
        if bits == 2 {
            while shift != 0, position < indices.count {
                append(Int(indices[position]))
                position += 1
            }
            while isWhole, indices.count - position >= 32, let place = indices.baseAddress {
                let four = UnsafeRawPointer(place + position)
                for index in 0..<8 { word |= Self.pack(four.loadUnaligned(fromByteOffset: 8 &* index, as: UInt64.self).littleEndian) &<< UInt64(truncatingIfNeeded: 8 &* index) }
                position += 32
                store()
            }
        }
        for index in indices[position...] { append(Int(index)) }
    }

    /// Four indices below 4, 16 bits each, in two bits each: the product has them side by side in its upper bits, and nothing else there.
    @inline(__always) private static func pack(_ four: UInt64) -> UInt64 { (four &* (1 << 48 | 1 << 34 | 1 << 20 | 1 << 6)) &>> 48 }

    private func store() {
        guard words < wordLimit else {
            // The word that has no room is not kept.
            (isWhole, word, shift) = (false, 0, 0)
            return
        }
        let place = words & (Self.chunkWords - 1)
        if place == 0 { chunks.append(.allocate(capacity: Self.chunkWords)) }
        chunks[chunks.count - 1][place] = word
        words += 1
        (word, shift) = (0, 0)
    }

    /// Word `index` of what was kept; the last one may be incomplete.
    func word(_ index: Int) -> UInt64 {
        index < words ? chunks[index / Self.chunkWords][index & (Self.chunkWords - 1)] : word
    }
}

/// The same merge again: follows the order of the first one as far as that was kept.
public struct RepeatedMerge<Source: TimedSource> {
    private let sources: Flat<Source>
    private let hasHead: Flat<Bool>
    private let order: MergeOrder
    private let bits: UInt64
    private let mask: UInt64
    /// Records whose place in the order was kept and has not been taken.
    private var left: Int
    /// Indices in ``word``, its lowest bits first, and where the next one of the order is.
    private var inWord = 0
    private var word: UInt64 = 0
    private var nextWord = 0
    private var current = -1
    /// Merges what comes behind the order that was kept.
    private var rest: TimeMerge<Source>?

    /// Takes sources that have not been advanced yet, the same ones as those of the order.
    public init(_ sources: [Source], order: MergeOrder) {
        self.sources = Flat(sources)
        hasHead = Flat(repeating: false, count: sources.count)
        self.order = order
        bits = order.bits
        mask = 1 &<< order.bits &- 1
        left = order.count
    }

    /// The source whose head came last. Only valid after ``next()`` returned true.
    public var head: Source { @inline(__always) get { sources.base[current] } }

    /// Steps to the next head; false when all sources are at their end.
    @inline(__always)
    public mutating func next() throws(TraceError) -> Bool {
        if _slowPath(left == 0 || current < 0) { return try beginOrEnd() }
        hasHead.base[current] = try sources.base[current].advance()
        follow()
        return _fastPath(hasHead.base[current]) ? true : try mergeRest()
    }

    /// Takes the next source of the order.
    @inline(__always) private mutating func follow() {
        if _slowPath(inWord == 0) {
            word = order.word(nextWord)
            nextWord += 1
            inWord = Int(64 / bits)
        }
        // It was one of them when it was noted.
        current = Int(truncatingIfNeeded: word & mask)
        word &>>= bits
        inWord &-= 1
        left &-= 1
    }

    @inline(never) private mutating func beginOrEnd() throws(TraceError) -> Bool {
        if rest != nil { return try goOn() }
        if current < 0 {
            for index in sources.indices { hasHead[index] = try sources[index].advance() }
            if left > 0 {
                follow()
                return hasHead[current] ? true : try mergeRest()
            }
        } else {
            hasHead[current] = try sources[current].advance()
        }
        return order.isWhole ? false : try mergeRest()
    }

    /// The order that was kept is at its end, or is not that of these records: somebody writes to the file.
    @inline(never) private mutating func mergeRest() throws(TraceError) -> Bool {
        left = 0
        rest = TimeMerge(sources, hasHead: hasHead)
        return try goOn()
    }

    private mutating func goOn() throws(TraceError) -> Bool {
        guard try rest!.next() else { return false }
        current = rest!.current
        return true
    }
}
