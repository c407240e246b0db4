/// A table of fixed length for hot loops: an element is found by its address alone, without a look at whether somebody shares the table.
///
/// Unlike an array it is a reference: copies of it are the same table. What holds one is meant to have a single owner.
public struct Flat<Element>: FlatTable {
    public let base: UnsafeMutablePointer<Element>
    public let count: Int
    private let owner: FlatOwner<Element>

    public init(repeating element: Element, count: Int) {
        self.count = count
        base = .allocate(apart: count)
        base.initialize(repeating: element, count: count)
        owner = FlatOwner(base, count)
    }

    /// A table of its own with the same elements.
    public func copy() -> Flat { Flat(UnsafeBufferPointer(start: base, count: count)) }

    public init(_ elements: [Element]) { self = elements.withUnsafeBufferPointer { Flat($0) } }

    private init(_ elements: UnsafeBufferPointer<Element>) {
        count = elements.count
        base = .allocate(apart: count)
        if let first = elements.baseAddress { base.initialize(from: first, count: count) }
        owner = FlatOwner(base, count)
    }
}

extension Flat: @unchecked Sendable where Element: Sendable {}

/// A table like ``Flat`` that grows at its end. Addresses are valid until it does.
public struct FlatList<Element>: FlatTable {
    public private(set) var base: UnsafeMutablePointer<Element>
    public private(set) var count = 0
    private let owner: FlatOwner<Element>

    public init() {
        base = .allocate(apart: 0)
        owner = FlatOwner(base, 0)
    }

    public init(repeating element: Element, count: Int) {
        base = .allocate(apart: count)
        base.initialize(repeating: element, count: count)
        self.count = count
        owner = FlatOwner(base, count)
    }

    /// An empty one with room for `capacity` elements, in a slab if that gives so much. When it needs more it leaves that.
    public init(capacity: Int, in slab: Slab) {
        let piece = slab.take(capacity, of: Element.self)
        base = piece ?? .allocate(apart: capacity)
        owner = FlatOwner(base, 0, capacity: capacity, slab: piece == nil ? nil : slab)
    }

    /// - Complexity: O(1), amortised.
    public mutating func append(_ element: Element) {
        if count == owner.capacity { base = owner.grow(to: Swift.max(16, count * 2)) }
        (base + count).initialize(to: element)
        count += 1
        owner.count = count
    }

    /// Has room for `capacity` elements, so that it need not move until there are more.
    public mutating func reserve(_ capacity: Int) {
        if capacity > owner.capacity { base = owner.grow(to: capacity) }
    }

    /// Lets one read up to `most` elements beyond the end, where copies of the last one are then, until the table changes. It must not be empty.
    public mutating func pad(_ most: Int) where Element: BitwiseCopyable {
        reserve(count + most)
        (base + count).update(repeating: base[count - 1], count: most)
    }

    /// Leaves it empty, with the memory that it has.
    public mutating func removeAll() {
        base.deinitialize(count: count)
        count = 0
        owner.count = 0
    }

    /// A table of its own with the same elements.
    public func copy() -> FlatList {
        var copy = FlatList()
        copy.append(upTo: count) { place in
            place.initialize(from: base, count: count)
            return count
        }
        return copy
    }

    /// Appends what `body` writes to the place that it is given, which has room for `most`, and of which it returns the number.
    public mutating func append(upTo most: Int, _ body: (UnsafeMutablePointer<Element>) -> Int) {
        if count + most > owner.capacity { base = owner.grow(to: Swift.max(count + most, owner.capacity * 2)) }
        let added = body(base + count)
        precondition(0...most ~= added)
        count += added
        owner.count = count
    }

    /// Appends copies of an element until there are `count`.
    public mutating func extend(with element: Element, to count: Int) {
        guard count > self.count else { return }
        if count > owner.capacity { base = owner.grow(to: Swift.max(count, owner.capacity * 2)) }
        (base + self.count).initialize(repeating: element, count: count - self.count)
        self.count = count
        owner.count = count
    }
}

extension FlatList: @unchecked Sendable where Element: Sendable {}

/// What both kinds of table give.
public protocol FlatTable: Sequence {
    var base: UnsafeMutablePointer<Element> { get }
    var count: Int { get }
}

extension FlatTable {
    /// - Precondition: `index` is one of ``indices``.
    @inlinable
    public subscript(index: Int) -> Element {
        @inline(__always) _read {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            yield base[index]
        }
        @inline(__always) nonmutating _modify {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            yield &base[index]
        }
    }

    /// Where an element lies, for one who looks at it more than once: checked once. Valid as long as the table, until that grows.
    ///
    /// - Precondition: `index` is one of ``indices``.
    @inlinable @inline(__always) public func place(_ index: Int) -> UnsafeMutablePointer<Element> {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        return base + index
    }

    public var indices: Range<Int> { 0..<count }

    public func makeIterator() -> UnsafeMutableBufferPointer<Element>.Iterator {
        UnsafeMutableBufferPointer(start: base, count: count).makeIterator()
    }
}

/// Frees a table's memory with the last of its references.
private final class FlatOwner<Element> {
    var base: UnsafeMutablePointer<Element>
    var count: Int
    var capacity: Int
    /// Whose memory it is, if not its own.
    private var slab: Slab?

    init(_ base: UnsafeMutablePointer<Element>, _ count: Int, capacity: Int? = nil, slab: Slab? = nil) {
        (self.base, self.count, self.capacity, self.slab) = (base, count, capacity ?? count, slab)
    }

    func grow(to capacity: Int) -> UnsafeMutablePointer<Element> {
        let new = UnsafeMutablePointer<Element>.allocate(apart: capacity)
        new.moveInitialize(from: base, count: count)
        free()
        (base, self.capacity, slab) = (new, capacity, nil)
        return new
    }

    deinit {
        base.deinitialize(count: count)
        free()
    }

    private func free() { if slab == nil { base.deallocate() } }
}

/// Bytes of a pair of cache lines.
let apartUnit = 128

extension UnsafeMutablePointer {
    /// Memory that shares no cache line with other memory, nor a pair of lines that the processor fetches at once: what one thread writes there does not take
    /// from another what lies beside it. Tables of a few CPUs would lie side by side otherwise, whoever uses them.
    ///
    /// To be freed with `deallocate()`.
    public static func allocate(apart count: Int) -> UnsafeMutablePointer {
        let alignment = Swift.max(apartUnit, MemoryLayout<Pointee>.alignment)
        return UnsafeMutableRawPointer.allocate(byteCount: bytes(apart: count), alignment: alignment).bindMemory(to: Pointee.self, capacity: Swift.max(1, count))
    }

    /// How many bytes that are.
    static func bytes(apart count: Int) -> Int { (Swift.max(1, count) * MemoryLayout<Pointee>.stride + apartUnit - 1) / apartUnit * apartUnit }
}
