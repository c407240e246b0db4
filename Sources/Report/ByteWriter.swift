import Glibc

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

    /// Writes to the descriptor, which stays open. SIGPIPE must be ignored for ``WriteError/brokenPipe`` to be seen.
    public init(descriptor: Int32) {
        self.descriptor = descriptor
        buffer = .allocate(capacity: capacity)
    }

    deinit { buffer.deallocate() }

    /// Writes what is buffered.
    public func flush() {
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
        used = 0
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

    public func bytes(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if used == capacity { flush() }
            let count = min(rest.count, capacity - used)
            UnsafeMutableRawPointer(buffer + used).copyMemory(from: UnsafeRawBufferPointer(rebasing: rest).baseAddress!, byteCount: count)
            used += count
            rest = rest.dropFirst(count)
        }
    }

    public func bytes(_ bytes: [UInt8]) { bytes.withUnsafeBytes { self.bytes($0) } }

    public func text(_ text: StaticString) { bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }

    public func text(_ text: String) {
        var text = text
        text.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
    }

    /// An unsigned number, with zeros before it up to `width` digits.
    public func decimal(_ value: UInt64, width: Int = 1) {
        reserve(20 + width)
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { scratch in
            var value = value
            var start = 24
            repeat {
                start -= 1
                scratch[start] = UInt8(truncatingIfNeeded: 0x30 + value % 10)
                value /= 10
            } while value != 0
            while 24 - start < width, start > 0 {
                start -= 1
                scratch[start] = 0x30
            }
            UnsafeMutableRawPointer(buffer + used).copyMemory(from: scratch.baseAddress! + start, byteCount: 24 - start)
            used += 24 - start
        }
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

    public func spaces(_ count: Int) {
        for _ in 0..<max(count, 0) { byte(UInt8(ascii: " ")) }
    }

    /// Bytes for a terminal, as ``Report/printable(_:)`` shows them; what is not UTF-8 as `\xNN`.
    public func printable(_ bytes: UnsafeRawBufferPointer) {
        if bytes.allSatisfy({ 0x20..<0x7f ~= $0 }) { self.bytes(bytes) } else { text(Report.printable(nameFromTrace(bytes))) }
    }

    /// Bytes as a JSON string. What is not UTF-8 becomes `\xNN` in the string, as in every other output.
    public func json(_ bytes: UnsafeRawBufferPointer) {
        byte(UInt8(ascii: "\""))
        if bytes.allSatisfy({ $0 < 0x80 }) {
            for value in bytes { jsonASCII(value) }
        } else {
            for scalar in nameFromTrace(bytes).unicodeScalars {
                if scalar.isASCII { jsonASCII(UInt8(scalar.value)) } else { text(jsonEscaped(scalar) ?? String(scalar)) }
            }
        }
        byte(UInt8(ascii: "\""))
    }

    public func json(_ text: String) {
        var text = text
        text.withUTF8 { json(UnsafeRawBufferPointer($0)) }
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
