extension Comm {
    /// A name of no bytes.
    public static let empty = Comm(low: 0, high: 0)

    /// Takes up to 16 bytes, up to the first NUL. What follows the NUL in a record is rubbish and is not kept.
    public init(_ bytes: some Sequence<UInt8>) {
        self = .empty
        var index: UInt64 = 0
        for byte in bytes {
            guard index < 16, byte != 0 else { break }
            if index < 8 { low |= UInt64(byte) << (8 * index) } else { high |= UInt64(byte) << (8 * (index - 8)) }
            index += 1
        }
    }

    public init(_ string: String) { self.init(string.utf8) }

    /// Takes 16 bytes of a record at once, with the rubbish behind their NUL; the caller has checked that they are there.
    @inline(__always)
    init(uncut pointer: UnsafeRawPointer) {
        low = UInt64(littleEndian: pointer.loadUnaligned(as: UInt64.self))
        high = UInt64(littleEndian: pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// The same, without the rubbish.
    @inline(__always)
    init(sixteen pointer: UnsafeRawPointer) { self = Comm(uncut: pointer).cut }

    /// The bytes up to the first NUL.
    public var cut: Comm {
        let (inLow, inHigh) = (Self.belowZero(low), Self.belowZero(high))
        return Comm(low: low & inLow, high: inLow == .max ? high & inHigh : 0)
    }

    /// Bytes up to the first NUL, 16 at most.
    public var count: Int {
        let (inLow, inHigh) = (Self.belowZero(low), Self.belowZero(high))
        return ((inLow == .max ? 64 + (64 - inHigh.leadingZeroBitCount) : 64 - inLow.leadingZeroBitCount)) / 8
    }

    /// All ones in the bytes below the lowest zero byte; in all of them if there is none.
    @inline(__always)
    private static func belowZero(_ word: UInt64) -> UInt64 {
        // The lowest mark is the highest bit of the lowest zero byte. Marks above it may be wrong.
        let marks = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
        return ((marks & (0 &- marks)) >> 7) &- 1
    }

    /// Gives the bytes up to the first NUL, 16 at most, to `body`.
    public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        var words = (low.littleEndian, high.littleEndian)
        return withUnsafeBytes(of: &words) { bytes in
            body(UnsafeRawBufferPointer(rebasing: bytes.prefix { $0 != 0 }))
        }
    }

    /// The bytes up to the first NUL, 16 at most.
    public var bytes: [UInt8] { withBytes { Array($0) } }
}

extension Comm: CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name as text: ``nameFromTrace(_:)``.
    public var description: String { nameFromTrace(bytes) }
    public init(stringLiteral value: String) { self.init(value) }
}

/// A name from a trace, which may hold any bytes, as a string: UTF-8 where it is valid, each other byte as `\xNN`.
///
/// A comm ends at its first NUL; a caller that has the kernel's whole field hands on what precedes it.
public func nameFromTrace(_ bytes: some Sequence<UInt8>) -> String {
    let bytes = Array(bytes)
    if let name = String(validating: bytes, as: UTF8.self) { return name }
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var name = ""
    var position = 0
    while true {
        switch parser.parseScalar(from: &iterator) {
        case .valid(let encoded):
            name.unicodeScalars.append(Unicode.UTF8.decode(encoded))
            position += encoded.count
        case .error(let length):
            for byte in bytes[position..<min(position + length, bytes.count)] {
                // Any byte of ASCII would be valid: all of these have two digits.
                name += "\\x" + String(byte, radix: 16, uppercase: true)
            }
            position += length
        case .emptyInput:
            return name
        }
    }
}
