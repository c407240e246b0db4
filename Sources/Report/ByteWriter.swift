import Glibc
import TraceData

/// Why a write of a ``ByteWriter`` failed.
public enum WriteError: Error, Sendable, Equatable {
    /// The reader of the pipe went away. Not an error to anybody.
    case brokenPipe
    case failed(errno: Int32)

    public var text: String {
        switch self {
        case .brokenPipe: "broken pipe"
        case .failed(let number): String(cString: strerror(number))
        }
    }
}

/// A buffered writer of bytes to a file descriptor, for output of which there is a lot.
///
/// After a write that failed everything further is dropped; ``failure`` says why, and callers look at it once a line or so.
public final class ByteWriter {
    private let descriptor: Int32
    private let buffer: UnsafeMutablePointer<UInt8>
    private let capacity = 1 << 16
    private var used = 0
    public private(set) var failure: WriteError?
    /// Where the bytes go instead of the descriptor, if they are kept.
    private var collected: [UInt8]?

    /// Writes to the descriptor, which stays open. SIGPIPE must be ignored for ``WriteError/brokenPipe`` to be seen.
    public init(descriptor: Int32) {
        self.descriptor = descriptor
        buffer = .allocate(capacity: capacity)
    }

    deinit { buffer.deallocate() }

    /// Writes what is buffered.
    public func flush() {
        defer { used = 0 }
        if collected != nil {
            collected!.append(contentsOf: UnsafeBufferPointer(start: buffer, count: used))
            return
        }
        var start = 0
        while start < used, failure == nil {
            let written = write(descriptor, buffer + start, used - start)
            if written > 0 {
                start += written
            } else if written == 0 {
                // No progress, and no reason given: trying again could go on for ever.
                failure = .failed(errno: EIO)
            } else if errno == EPIPE {
                failure = .brokenPipe
            } else if errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, -1)
            } else if errno != EINTR {
                failure = .failed(errno: errno)
            }
        }
    }

    /// Writes a text at once; what goes wrong there nobody hears of.
    public static func put(_ text: String, to descriptor: Int32) {
        let writer = ByteWriter(descriptor: descriptor)
        writer.string(text)
        writer.flush()
    }

    /// Flushes and throws what went wrong, if anything did.
    public func finish() throws(WriteError) {
        flush()
        if let failure { throw failure }
    }

    /// Makes room for `count` bytes, a small number.
    @inline(__always)
    private func reserve(_ count: Int) { if used + count > capacity { flush() } }

    @inline(__always)
    public func byte(_ byte: UInt8) {
        reserve(1)
        buffer[used] = byte
        used += 1
    }

    @inline(__always)
    public func bytes(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, used + bytes.count <= capacity else { return many(bytes) }
        UnsafeMutableRawPointer(buffer + used).copyMemory(from: base, byteCount: bytes.count)
        used += bytes.count
    }

    /// The first bytes of memory behind which ``atOnce`` more can be read.
    @inline(__always)
    func bytes(_ memory: UnsafeRawPointer, _ count: Int) {
        guard count <= Self.atOnce, used + Self.atOnce <= capacity else { return bytes(UnsafeRawBufferPointer(start: memory, count: count)) }
        UnsafeMutableRawPointer(buffer + used).copyMemory(from: memory, byteCount: Self.atOnce)
        used += count
    }

    static let atOnce = 32

    private func many(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if used == capacity { flush() }
            let count = min(rest.count, capacity - used)
            UnsafeMutableRawPointer(buffer + used).copyMemory(from: UnsafeRawBufferPointer(rebasing: rest).baseAddress!, byteCount: count)
            used += count
            rest = rest.dropFirst(count)
        }
    }

    /// A constant one, whose bytes lie in the program.
    @inline(__always)
    public func text(_ text: StaticString) { bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }

    public func string(_ text: String) {
        var text = text
        text.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
    }

    /// An unsigned number, with zeros before it up to `width` digits, 24 at most.
    @inline(__always)
    public func decimal(_ value: UInt64, width: Int = 1) {
        reserve(24)
        let count = max(decimalDigits(value), width)
        var place = UnsafeMutableRawPointer(buffer + (used &+ count))
        used &+= count
        // Two at a time, from behind.
        let pairs: StaticString =
            "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"
        var (rest, left) = (value, count)
        while left >= 2 {
            let (quotient, pair) = rest.quotientAndRemainder(dividingBy: 100)
            place -= 2
            place.storeBytes(of: UnsafeRawPointer(pairs.utf8Start).loadUnaligned(fromByteOffset: 2 &* Int(pair), as: UInt16.self), as: UInt16.self)
            (rest, left) = (quotient, left &- 2)
        }
        if left > 0 { (place - 1).storeBytes(of: UInt8(truncatingIfNeeded: 0x30 &+ rest), as: UInt8.self) }
    }

    /// The same, with spaces before it up to `columns` bytes.
    @inline(__always)
    public func decimal(_ value: UInt64, columns: Int) {
        spaces(columns - decimalDigits(value))
        decimal(value)
    }

    /// A moment of `columns` bytes: seconds and nine decimals, or the count of a clock that is not one of time.
    @inline(__always)
    func moment(_ time: UInt64, inNanoseconds: Bool, columns: Int) {
        guard inNanoseconds else { return decimal(time, columns: columns) }
        let (seconds, rest) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
        decimal(seconds, columns: columns - 10)
        byte(UInt8(ascii: "."))
        decimal(rest, width: 9)
    }

    public func signed(_ value: Int64) {
        if value < 0 { byte(UInt8(ascii: "-")) }
        decimal(value.magnitude)
    }

    /// A number in hexadecimal, with `0x` before it.
    public func hex(_ value: UInt64) {
        reserve(18)
        buffer[used] = UInt8(ascii: "0")
        buffer[used + 1] = UInt8(ascii: "x")
        used += 2
        var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            buffer[used] = Self.hexDigit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15)
            used += 1
            shift -= 4
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

    /// Two hexadecimal digits.
    public func hexByte(_ value: UInt8) {
        byte(Self.hexDigit(value >> 4))
        byte(Self.hexDigit(value & 15))
    }

    @inline(__always)
    public func spaces(_ count: Int) {
        guard count <= 16, used + 16 <= capacity else { return manySpaces(count) }
        // What lies behind them is written next.
        let target = UnsafeMutableRawPointer(buffer + used)
        target.storeBytes(of: 0x2020_2020_2020_2020, as: UInt64.self)
        target.storeBytes(of: 0x2020_2020_2020_2020, toByteOffset: 8, as: UInt64.self)
        used += max(count, 0)
    }

    private func manySpaces(_ count: Int) {
        for _ in 0..<max(count, 0) { byte(UInt8(ascii: " ")) }
    }

    /// Bytes for a terminal, as ``Report/printable(_:)`` shows them; what is not UTF-8 as `\xNN`.
    public func printable(_ bytes: UnsafeRawBufferPointer) {
        if Self.arePlain(bytes) { self.bytes(bytes) } else { string(Report.printable(nameFromTrace(bytes))) }
    }

    /// A task's name in the same way, with spaces before it up to `columns` bytes.
    public func printable(_ comm: Comm, columns: Int = 0) {
        if plain(comm, columns: columns) { return }
        spaces(columns - comm.count)
        comm.withBytes { printable($0) }
    }

    /// The same, if all of it is ASCII that a terminal shows; else nothing is written.
    ///
    /// - Returns: whether it was written.
    @inline(__always)
    func plain(_ comm: Comm, columns: Int = 0) -> Bool {
        let (comm, count) = (comm.cut, comm.count)
        guard Self.isPlain(comm.low | Self.blanks(behind: count)), Self.isPlain(comm.high | Self.blanks(behind: count - 8)) else { return false }
        spaces(columns - count)
        reserve(16)
        let target = UnsafeMutableRawPointer(buffer + used)
        target.storeBytes(of: comm.low.littleEndian, as: UInt64.self)
        target.storeBytes(of: comm.high.littleEndian, toByteOffset: 8, as: UInt64.self)
        used += count
        return true
    }

    /// Whether all are ASCII that a terminal shows.
    private static func arePlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var place = 0
        while place + 8 <= bytes.count {
            guard isPlain(bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) else { return false }
            place += 8
        }
        while place < bytes.count {
            guard 0x20..<0x7f ~= bytes[place] else { return false }
            place += 1
        }
        return true
    }

    /// The same of eight.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let (ones, highest) = (0x0101_0101_0101_0101 as UInt64, 0x8080_8080_8080_8080 as UInt64)
        // The highest bit of each stays if it is no less than a space, and if it is another one than DEL.
        return (word | ((word | highest) &- 0x20 &* ones ^ highest) | (((word ^ 0x7f &* ones) | highest) &- ones ^ highest)) & highest == 0
    }

    /// A space in each byte of a word but for the first ones, of which there are `count`.
    @inline(__always)
    private static func blanks(behind count: Int) -> UInt64 {
        count >= 8 ? 0 : 0x2020_2020_2020_2020 << UInt64(8 * max(count, 0))
    }

    /// Bytes as a JSON string. What is not UTF-8 becomes `\xNN` in the string, as in every other output.
    public func json(_ bytes: UnsafeRawBufferPointer) {
        byte(UInt8(ascii: "\""))
        jsonContent(bytes)
        byte(UInt8(ascii: "\""))
    }

    /// The same without the quotes, as a part of a string.
    func jsonContent(_ bytes: UnsafeRawBufferPointer) {
        if bytes.allSatisfy({ $0 < 0x80 }) {
            for value in bytes { jsonASCII(value) }
        } else {
            for scalar in nameFromTrace(bytes).unicodeScalars {
                if scalar.isASCII { jsonASCII(UInt8(scalar.value)) } else { string(jsonEscaped(scalar) ?? String(scalar)) }
            }
        }
    }

    public func json(_ text: String) {
        var text = text
        text.withUTF8 { json(UnsafeRawBufferPointer($0)) }
    }

    /// What `body` writes, as a string.
    static func string(_ body: (ByteWriter) throws -> Void) rethrows -> String {
        let writer = ByteWriter(descriptor: -1)
        writer.collected = []
        try body(writer)
        writer.flush()
        return String(decoding: writer.collected!, as: UTF8.self)
    }

    private func jsonASCII(_ value: UInt8) {
        switch value {
        case UInt8(ascii: "\""): text("\\\"")
        case UInt8(ascii: "\\"): text("\\\\")
        case UInt8(ascii: "\n"): text("\\n")
        case UInt8(ascii: "\t"): text("\\t")
        case 0..<0x20, 0x7f:
            text("\\u00")
            hexByte(value)
        default: byte(value)
        }
    }
}

/// Digits of a number in decimal.
@inline(__always)
func decimalDigits(_ value: UInt64) -> Int {
    var (rest, count) = (value, 1)
    while true {
        if rest < 10 { return count }
        if rest < 100 { return count &+ 1 }
        if rest < 1_000 { return count &+ 2 }
        if rest < 10_000 { return count &+ 3 }
        rest /= 10_000
        count &+= 4
    }
}
