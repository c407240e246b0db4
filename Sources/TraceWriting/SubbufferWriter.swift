import Glibc

/// The sub-buffers of one CPU, as the ring buffer of a 64-bit little-endian kernel writes them (kernel/trace/ring_buffer.c, v4.13).
///
/// A record that no longer fits begins the next sub-buffer, whose time is the record's; the rest is zero and not in `commit`, as in what
/// ring_buffer_read_page() hands out (`real_end`). A gap of 2^27 ns and more has a TIME_EXTEND record before the record.
public final class SubbufferWriter {
    public static let size = 4096
    /// u64 time, u64 commit.
    public static let headerSize = 16
    private static let timeExtend: UInt32 = 30
    private static let deltaBits: UInt64 = 27

    private let spool: Spool
    private let pages: UnsafeMutableRawPointer
    /// The sub-buffer at work: one of ``Spool/block``.
    private var page: UnsafeMutableRawPointer
    /// Bytes of it that are written, header included; 0 before the first record.
    private var fill = 0
    /// Time of the last record, ns.
    private var time: UInt64 = 0
    public private(set) var records = 0

    public init(_ spool: Spool) {
        self.spool = spool
        pages = .allocate(byteCount: Spool.block, alignment: 16)
        memset(pages, 0, Spool.block)
        page = pages
    }

    deinit { pages.deallocate() }

    /// Begins a record of `size` bytes (a multiple of 4, at most 112). Returns where they are, all zero.
    public func reserve(at now: UInt64, size: Int) throws(WritingError) -> UnsafeMutableRawPointer {
        var needed = 4 + size
        let extends = fill > 0 && (now - time) >> Self.deltaBits > 0
        if extends { needed += 8 }
        if fill == 0 || fill + needed > Self.size {
            if fill > 0 { try turn() }
            page.storeBytes(of: now, as: UInt64.self)
            fill = Self.headerSize
            time = now
        }
        var delta = now - time
        if delta >> Self.deltaBits != 0 {
            put(Self.timeExtend, UInt32(delta & ((1 << Self.deltaBits) - 1)))
            page.storeBytes(of: UInt32(truncatingIfNeeded: delta >> Self.deltaBits), toByteOffset: fill, as: UInt32.self)
            fill += 4
            delta = 0
        }
        put(UInt32(size / 4), UInt32(delta))
        let data = page + fill
        fill += size
        time = now
        records += 1
        return data
    }

    /// The first word of a record: type_len in the 5 lower bits, the time that has gone by above.
    private func put(_ type: UInt32, _ delta: UInt32) {
        page.storeBytes(of: delta << 5 | type, toByteOffset: fill, as: UInt32.self)
        fill += 4
    }

    private func turn() throws(WritingError) {
        page.storeBytes(of: UInt64(fill - Self.headerSize), toByteOffset: 8, as: UInt64.self)
        page += Self.size
        fill = 0
        if page == pages + Spool.block {
            try spool.write(UnsafeRawBufferPointer(start: pages, count: Spool.block))
            memset(pages, 0, Spool.block)
            page = pages
        }
    }

    /// Ends the last sub-buffer.
    public func finish() throws(WritingError) {
        if fill > 0 {
            page.storeBytes(of: UInt64(fill - Self.headerSize), toByteOffset: 8, as: UInt64.self)
            page += Self.size
            fill = 0
        }
        if page > pages { try spool.write(UnsafeRawBufferPointer(start: pages, count: page - pages)) }
        page = pages
    }
}
