import Dispatch
import Glibc

/// Memory that pieces which live about equally long are cut from, in large pages where the kernel has them (`transparent_hugepage` in sysfs: `madvise` or `always`).
///
/// A page of 4 KiB that is touched for the first time costs one to three µs, in a virtual machine above all; one of 2 MiB a tenth of what its parts would.
///
/// Any thread may take a piece. Pieces are never given back: they last as long as the slab, which who has one holds on to.
///
/// - Complexity: O(1) for a piece; memory for what was touched, in large pages.
public final class Slab: @unchecked Sendable {
    /// Bytes of a large page.
    private static let page = 2 << 20
    /// Pieces up to this many bytes are worth it: of larger ones too much of a page would be left over, or touched in vain.
    public static let most = 256 << 10

    /// Whose turn it is to touch what follows.
    private let turn = DispatchSemaphore(value: 1)
    private var pages: [UnsafeMutableRawPointer] = []
    /// Of the last page.
    private var left = 0

    public init() {}

    deinit { for page in pages { page.deallocate() } }

    /// Memory for `count` elements, which shares no pair of cache lines with other pieces (see ``Swift/UnsafeMutablePointer/allocate(apart:)``). nil if that would be more than ``most``
    /// bytes.
    public func take<Element>(_ count: Int, of type: Element.Type) -> UnsafeMutablePointer<Element>? {
        let bytes = UnsafeMutablePointer<Element>.bytes(apart: count)
        guard bytes <= Self.most, MemoryLayout<Element>.alignment <= apartUnit else { return nil }
        turn.wait()
        defer { turn.signal() }
        if left < bytes { grow() }
        let piece = pages[pages.count - 1] + (Self.page - left)
        left -= bytes
        return piece.bindMemory(to: type, capacity: count)
    }

    /// Fetches the first large page, which the kernel clears when it is touched: a quarter of a millisecond that another thread may have time for.
    public func prepare() {
        turn.wait()
        defer { turn.signal() }
        guard pages.isEmpty else { return }
        grow()
        pages[0].storeBytes(of: 0, as: UInt8.self)
    }

    private func grow() {
        let page = UnsafeMutableRawPointer.allocate(byteCount: Self.page, alignment: Self.page)
        // If the kernel has none, these are pages as all others.
        madvise(page, Self.page, MADV_HUGEPAGE)
        pages.append(page)
        left = Self.page
    }
}
