/// The walk of one sub-buffer ("page") of a ring buffer: header, then records with time deltas.
///
/// Layout: include/linux/ring_buffer.h and kernel/trace/ring_buffer.c (struct buffer_data_page, enum ring_buffer_type); the
/// order of the bits in a record's first word on big-endian machines and the meaning of deltas as in libtraceevent's kbuffer-parse.c.
///
/// kbuffer itself is not used here, for two reasons: it checks no bounds, so every page would have to be walked before it is
/// handed over, and kbuffer_missed_events() loses the header's mark when the page starts with a time extension. It is the oracle
/// of the tests instead.
struct SubbufferShape: Sendable, Equatable {
    var bigEndian: Bool
    /// Size of the recorded kernel's `long`: 4 or 8. The header is a u64 time and a long `commit`.
    var longSize: Int
    /// Size of a whole sub-buffer in bytes.
    var size: Int

    var headerSize: Int { 8 + longSize }
}

/// What is wrong with a sub-buffer, at a byte offset in it.
struct SubbufferDamage: Error, Equatable {
    enum Cause: Equatable {
        case shorterThanHeader(Int)
        case commitTooLong(Int, limit: Int)
        case holdsMore(Int)
        case recordPastEnd(size: Int, left: Int)
        case lengthTooSmall(UInt32)
        case timeCutOff
        case timeGoesBack(UInt64, to: UInt64)
        case timeOutOfRange(UInt64, ClosedRange<UInt64>)
    }
    var offset: Int
    var cause: Cause

    var text: String {
        switch cause {
        case .shorterThanHeader(let size): "a sub-buffer of \(size) bytes is shorter than its header"
        case .commitTooLong(let length, let limit): "sub-buffer claims \(length) bytes of records, \(limit) fit"
        case .holdsMore(let length): "sub-buffer claims \(length) bytes of records, and has bytes behind them that are not zero"
        case .recordPastEnd(let size, let left): "record of \(size) bytes runs past the end of its sub-buffer, \(left) bytes are left"
        case .lengthTooSmall(let length): "record states a length of \(length), expected 4 or more"
        case .timeGoesBack(let before, let time): "time goes back by \(before - time), from \(before) to \(time)"
        case .timeCutOff: "time extension runs past the end of its sub-buffer"
        case .timeOutOfRange(let time, let range):
            "time \(time) is not between \(range.lowerBound) and \(range.upperBound): 64 bits cannot hold what follows, or what the file's options, or a correction of its clocks, make of it"
        }
    }
}

/// Steps through the records of one sub-buffer. No step reads outside of `page`.
struct SubbufferWalker {
    /// Loss as a sub-buffer's header tells it.
    enum Missed: Equatable {
        case nothing
        /// Events were lost before this sub-buffer, nobody counted them.
        case some
        case count(UInt64)

        /// The loss of both, if no record lies between them.
        func followed(by other: Missed) -> Missed {
            switch (self, other) {
            case (.nothing, let one), (let one, .nothing): one
            case (.count(let a), .count(let b)): .count(a.addingReportingOverflow(b).overflow ? .max : a + b)
            default: .some
            }
        }
    }

    let base: UnsafeRawPointer
    /// Where records end, and where the next one begins, in bytes from `base`.
    let end: Int
    var next: Int
    private let bigEndian: Bool
    /// Times from which all that the sub-buffer can add without a time extension stays in 64 bits.
    private let range: ClosedRange<UInt64>
    /// Raw time of the current record; before the first, of the sub-buffer.
    var time: UInt64
    /// Where the current record's data begins in the sub-buffer.
    private(set) var dataOffset = 0
    /// Bytes of the current record's data, rounded up to 4.
    private(set) var dataSize = 0
    let missed: Missed

    /// The current record's data. Only valid after ``advance()`` returned true.
    var data: UnsafeRawPointer { base + dataOffset }

    /// An empty walk.
    init() {
        base = UnsafeRawPointer(bitPattern: 16)!
        end = 0
        next = 0
        bigEndian = false
        range = Self.anyTime
        time = 0
        missed = .nothing
    }

    /// A sub-buffer has up to 2^26 bytes and so 2^23 records, each of which adds less than 2^27 to the time.
    static let anyTime: ClosedRange<UInt64> = 0...UInt64.max - (1 << 51)

    /// Reads the header of a sub-buffer; `page` may be shorter than the shape says if the file ends in it.
    ///
    /// - Parameter lastTime: raw time at which the CPU's sub-buffer before this one ended. The kernel takes the time anew when it begins a sub-buffer
    ///   (rb_move_tail(), kernel/trace/ring_buffer.c), so this one is not of before.
    /// - Parameter range: what its time, and that behind a time extension, may be: sums of times are not checked record by record.
    init(
        _ page: UnsafeRawBufferPointer, shape: SubbufferShape, after lastTime: UInt64 = 0, in range: ClosedRange<UInt64> = Self.anyTime
    ) throws(SubbufferDamage) {
        let header = shape.headerSize
        guard page.count >= header, let base = page.baseAddress else {
            throw SubbufferDamage(offset: 0, cause: .shorterThanHeader(page.count))
        }
        let time = load(UInt64.self, base, shape.bigEndian)
        let commit =
            shape.longSize == 8
            ? load(UInt64.self, base + 8, shape.bigEndian) : UInt64(load(UInt32.self, base + 8, shape.bigEndian))
        // A sub-buffer without records says nothing.
        if commit & 0x7ff_ffff != 0 {
            guard time >= lastTime else { throw SubbufferDamage(offset: 0, cause: .timeGoesBack(lastTime, to: time)) }
            guard range.contains(time) else { throw SubbufferDamage(offset: 0, cause: .timeOutOfRange(time, range)) }
        }
        // Bits 0 to 26 are the length, 31 and 30 the marks RB_MISSED_EVENTS and RB_MISSED_STORED; kbuffer masks as this does.
        let length = Int(commit & 0x7ff_ffff)
        guard length <= page.count - header else {
            throw SubbufferDamage(offset: 8, cause: .commitTooLong(length, limit: page.count - header))
        }
        self.base = base
        self.end = header + length
        self.next = header
        self.bigEndian = shape.bigEndian
        self.range = range
        self.time = time
        if commit & (1 << 31) == 0 {
            missed = .nothing
        } else if commit & (1 << 30) != 0, end + shape.longSize <= page.count {
            let count =
                shape.longSize == 8
                ? load(UInt64.self, base + end, shape.bigEndian) : UInt64(load(UInt32.self, base + end, shape.bigEndian))
            missed = count == 0 ? .some : .count(count)
        } else {
            missed = .some
        }
    }

    /// What the header says of the length cannot be: the kernel writes on into a sub-buffer as long as there is room, hands out none without records, and zeros behind
    /// what it hands out (ring_buffer_read_page(), kernel/trace/ring_buffer.c).
    ///
    /// Readers that map the kernel's buffer (v6.10 and later) may have old bytes behind the records of a sub-buffer that was not full when they stopped, and some at the end of
    /// each. So only an empty one counts, or one that leaves much room and is not the CPU's last.
    func holdsMore(_ page: UnsafeRawBufferPointer, shape: SubbufferShape, isLast: Bool) -> SubbufferDamage? {
        let isEmpty = end == shape.headerSize
        let room = page.count - end
        guard isEmpty || !isLast && room > page.count / 4 else { return nil }
        // The kernel's count of missed events stands behind the records.
        let behind = page.dropFirst(missed == .nothing ? end : end + shape.longSize)
        return behind.contains { $0 != 0 } ? SubbufferDamage(offset: 8, cause: .holdsMore(end - shape.headerSize)) : nil
    }

    /// Steps to the next record; false at the end.
    @inline(__always)
    mutating func advance() throws(SubbufferDamage) -> Bool {
        while next + 4 <= end {
            let word = load(UInt32.self, base + next, bigEndian)
            let type = bigEndian ? word >> 27 : word & 31
            let delta = UInt64(bigEndian ? word & 0x7ff_ffff : word >> 5)
            let left = end - next - 4
            if _fastPath(type &- 1 < 28) {
                let size = Int(type) * 4
                guard size <= left else {
                    throw SubbufferDamage(offset: next, cause: .recordPastEnd(size: size, left: left))
                }
                time &+= delta
                dataOffset = next + 4
                dataSize = size
                next += 4 + size
                return true
            }
            if try special(type, delta, left) { return true }
        }
        // Less than a header's 4 bytes may be left only if they are none.
        guard next == end else {
            throw SubbufferDamage(offset: next, cause: .recordPastEnd(size: 4, left: end - next))
        }
        return false
    }

    /// Padding, time extension, absolute time, or a record with its length in a word of its own. True if it is a record.
    private mutating func special(_ type: UInt32, _ delta: UInt64, _ left: Int) throws(SubbufferDamage) -> Bool {
        if type == 29, delta == 0 {
            // A null event: nothing of use follows (rb_null_event()).
            next = end
            return false
        }
        guard left >= 4 else { throw SubbufferDamage(offset: next, cause: .timeCutOff) }
        let word = load(UInt32.self, base + next + 4, bigEndian)
        switch type {
        case 0:
            guard word >= 4 else { throw SubbufferDamage(offset: next + 4, cause: .lengthTooSmall(word)) }
            let size = (Int(word) - 4 + 3) & ~3
            guard size <= left - 4 else {
                throw SubbufferDamage(offset: next, cause: .recordPastEnd(size: size, left: left - 4))
            }
            time &+= delta
            dataOffset = next + 8
            dataSize = size
            next += 8 + size
            return true
        case 29:
            // A discarded event: its length counts from its length word on.
            guard word >= 4 else { throw SubbufferDamage(offset: next + 4, cause: .lengthTooSmall(word)) }
            guard Int(word) <= left else {
                throw SubbufferDamage(offset: next, cause: .recordPastEnd(size: Int(word), left: left))
            }
            time &+= delta
            next += 4 + Int(word)
        case 30:
            let (later, overflow) = time.addingReportingOverflow(UInt64(word) << 27 &+ delta)
            guard !overflow, later <= range.upperBound else { throw SubbufferDamage(offset: next, cause: .timeOutOfRange(later, range)) }
            time = later
            next += 8
        default:
            let stamp = Self.absolute(UInt64(word) << 27 &+ delta, after: time)
            guard stamp >= time else { throw SubbufferDamage(offset: next, cause: .timeGoesBack(time, to: stamp)) }
            guard stamp <= range.upperBound else { throw SubbufferDamage(offset: next, cause: .timeOutOfRange(stamp, range)) }
            time = stamp
            next += 8
        }
        return false
    }

    /// An absolute time has 59 bits; the 5 above come from the time before it (rb_fix_abs_ts(), kernel/trace/ring_buffer.c).
    static func absolute(_ stamp: UInt64, after time: UInt64) -> UInt64 {
        let high: UInt64 = 0xf8 << 56
        guard time & high != 0 else { return stamp }
        let fixed = stamp | time & high
        return fixed < time ? fixed &+ (1 << 59) : fixed
    }
}

/// Loads an integer in the given byte order; the caller has checked that the bytes are there.
@inline(__always)
func load<T: FixedWidthInteger>(_ type: T.Type, _ pointer: UnsafeRawPointer, _ bigEndian: Bool) -> T {
    let raw = pointer.loadUnaligned(as: T.self)
    return bigEndian ? T(bigEndian: raw) : T(littleEndian: raw)
}

/// The records in raw sub-buffers of `size` bytes, one behind the other; nil if they are damaged, of which those who read them tell more.
///
/// - Complexity: O(*n*) in the number of records.
public func countRecords(in bytes: UnsafeRawBufferPointer, bigEndian: Bool, longSize: Int, size: Int) -> UInt64? {
    let shape = SubbufferShape(bigEndian: bigEndian, longSize: longSize, size: size)
    var count: UInt64 = 0
    for place in stride(from: 0, to: bytes.count, by: size) {
        let page = UnsafeRawBufferPointer(rebasing: bytes[place..<min(bytes.count, place + size)])
        do throws(SubbufferDamage) {
            var walker = try SubbufferWalker(page, shape: shape)
            while try walker.advance() { count += 1 }
        } catch { return nil }
    }
    return count
}
