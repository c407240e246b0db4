import Glibc

/// How sub-buffers of a kernel lie in memory: include/linux/ring_buffer.h, struct buffer_data_page.
public struct SubbufferGeometry: Sendable, Equatable {
    public var bigEndian: Bool
    /// Size of the kernel's `long`, and so of `commit`: 4 or 8.
    public var longSize: Int
    /// Size of a sub-buffer.
    public var size: Int

    public init(bigEndian: Bool = false, longSize: Int = 8, size: Int = 4096) {
        precondition(longSize == 4 || longSize == 8)
        self.bigEndian = bigEndian
        self.longSize = longSize
        self.size = size
    }

    /// u64 time, long commit.
    public var headerSize: Int { 8 + longSize }
    /// The longest record that fits: behind a TIME_EXTEND, its type and its length.
    public var largestRecord: Int { size - headerSize - longSize - 16 }
}

/// Where a CPU's sub-buffers go, in their order.
public protocol SubbufferSink: AnyObject {
    /// Takes one or more whole sub-buffers.
    func write(_ subbuffers: UnsafeRawBufferPointer) throws(WritingError)
}

extension Spool: SubbufferSink {}

/// The sub-buffers of one CPU, as the ring buffer of a kernel writes them (kernel/trace/ring_buffer.c, v4.13).
///
/// A record that no longer fits begins the next sub-buffer, whose time is the record's; the rest is zero and not in `commit`, as in what
/// ring_buffer_read_page() hands out (`real_end`). A gap of 2^27 ns and more has a TIME_EXTEND record before the record. Lost events are marked in the
/// header of the sub-buffer behind them.
public final class SubbufferWriter {
    public static let size = 4096
    /// u64 time, u64 commit.
    public static let headerSize = 16
    private static let timeExtend: UInt32 = 30
    private static let deltaBits: UInt64 = 27
    /// The longest record whose length is in its first word: 28 words (RINGBUF_TYPE_DATA_TYPE_LEN_MAX).
    private static let shortest = 112
    /// RB_MISSED_EVENTS and RB_MISSED_STORED.
    private static let missed: UInt64 = 1 << 31
    private static let missedStored: UInt64 = 1 << 30

    private let sink: any SubbufferSink
    private let geometry: SubbufferGeometry
    private let headerSize: Int
    private let pages: UnsafeMutableRawBufferPointer
    /// The sub-buffer at work: one of those in ``pages``.
    private var page: UnsafeMutableRawPointer
    /// Bytes of it that are written, header included; 0 before the first record.
    private var fill = 0
    /// Bytes of it that records may have.
    private var limit: Int
    /// Time of the last record, ns.
    private var time: UInt64 = 0
    /// Events that were lost before the next record, 0 for an unknown number; nil for none.
    private var loss: UInt64?
    /// The same, before the sub-buffer at work.
    private var lossBefore: UInt64?
    public private(set) var records = 0

    /// - Parameter atOnce: sub-buffers that the sink gets at once.
    public init(_ sink: any SubbufferSink, geometry: SubbufferGeometry = SubbufferGeometry(), atOnce: Int = 10) {
        self.sink = sink
        self.geometry = geometry
        headerSize = geometry.headerSize
        limit = geometry.size
        pages = .allocate(byteCount: atOnce * geometry.size, alignment: 16)
        pages.initializeMemory(as: UInt8.self, repeating: 0)
        page = pages.baseAddress!
    }

    deinit { pages.deallocate() }

    /// Begins a record of `size` bytes (a multiple of 4, at most ``SubbufferGeometry/largestRecord``). Returns where they are, all zero.
    ///
    /// - Parameter now: not before the last record's.
    public func reserve(at now: UInt64, size: Int) throws(WritingError) -> UnsafeMutableRawPointer {
        var needed = size > Self.shortest ? 8 + size : 4 + size
        let extends = fill > 0 && (now - time) >> Self.deltaBits > 0
        if extends { needed += 8 }
        if fill == 0 || fill + needed > limit || loss != nil { try begin(at: now) }
        var delta = now - time
        if delta >> Self.deltaBits != 0 {
            put(Self.timeExtend, UInt32(delta & ((1 << Self.deltaBits) - 1)))
            put(word: UInt32(truncatingIfNeeded: delta >> Self.deltaBits))
            delta = 0
        }
        if size > Self.shortest {
            put(0, UInt32(delta))
            put(word: UInt32(4 + size))
        } else {
            put(UInt32(size / 4), UInt32(delta))
        }
        let data = page + fill
        fill += size
        time = now
        records += 1
        return data
    }

    /// Events were lost behind the last record: so many, or an unknown number.
    public func lose(_ count: UInt64?) {
        switch (loss, count) {
        case (nil, _): loss = count ?? 0
        case (0?, _), (_, nil): loss = 0
        case (let before?, let more?): loss = before.addingReportingOverflow(more).overflow ? .max : before + more
        }
    }

    private func begin(at now: UInt64) throws(WritingError) {
        if fill > 0 { try turn() }
        lossBefore = loss
        loss = nil
        // Room for the number of lost events behind the records.
        limit = geometry.size - (lossBefore ?? 0 > 0 ? geometry.longSize : 0)
        page.storeBytes(of: geometry.bigEndian ? now.bigEndian : now.littleEndian, as: UInt64.self)
        fill = headerSize
        time = now
    }

    /// The first word of a record: type_len in the 5 lower bits, the time that has gone by above; the other way round on big-endian machines.
    private func put(_ type: UInt32, _ delta: UInt32) { put(word: geometry.bigEndian ? type << 27 | delta : delta << 5 | type) }

    private func put(word: UInt32) {
        page.storeBytes(of: geometry.bigEndian ? word.bigEndian : word.littleEndian, toByteOffset: fill, as: UInt32.self)
        fill += 4
    }

    private func put(long value: UInt64, at offset: Int) {
        if geometry.longSize == 8 {
            page.storeBytes(of: geometry.bigEndian ? value.bigEndian : value.littleEndian, toByteOffset: offset, as: UInt64.self)
        } else {
            let word = UInt32(truncatingIfNeeded: value)
            page.storeBytes(of: geometry.bigEndian ? word.bigEndian : word.littleEndian, toByteOffset: offset, as: UInt32.self)
        }
    }

    /// Ends the sub-buffer at work.
    private func turn() throws(WritingError) {
        var commit = UInt64(fill - headerSize)
        if let lossBefore {
            commit |= Self.missed
            if lossBefore > 0 {
                commit |= Self.missedStored
                put(long: lossBefore, at: fill)
            }
        }
        put(long: commit, at: 8)
        lossBefore = nil
        page += geometry.size
        fill = 0
        if page == pages.baseAddress! + pages.count {
            try sink.write(UnsafeRawBufferPointer(pages))
            memset(pages.baseAddress!, 0, pages.count)
            page = pages.baseAddress!
        }
    }

    /// Ends the last sub-buffer. What was lost behind the last record is in a sub-buffer without any.
    public func finish() throws(WritingError) {
        if loss != nil { try begin(at: time) }
        if fill > 0 { try turn() }
        let start = pages.baseAddress!
        if page > start {
            try sink.write(UnsafeRawBufferPointer(start: start, count: page - start))
            memset(start, 0, pages.count)
        }
        page = start
    }
}
