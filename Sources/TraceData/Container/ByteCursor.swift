/// A position in a run of bytes of the file, in the file's byte order. Every read is checked against the end.
///
/// The bytes must outlive the cursor: they belong to a ``MappedFile`` or an ``UnpackedSection`` that the caller holds.
package struct ByteCursor {
    package let bytes: UnsafeRawBufferPointer
    package let bigEndian: Bool
    package let place: Place
    package private(set) var position: Int

    /// Where the bytes come from, to name it in errors.
    package struct Place {
        package var path: String
        /// File offset of the first byte, or of the compressed section that the bytes were unpacked from.
        package var base: UInt64
        package var unpacked = false

        package init(path: String, base: UInt64) {
            self.path = path
            self.base = base
        }
    }

    package init(_ bytes: UnsafeRawBufferPointer, bigEndian: Bool, place: Place, position: Int = 0) {
        self.bytes = bytes
        self.bigEndian = bigEndian
        self.place = place
        self.position = position
    }

    package var remaining: Int { bytes.count - position }
    package var isAtEnd: Bool { position >= bytes.count }

    /// An error at a position of these bytes.
    package func error(_ cause: String, at position: Int? = nil) -> TraceError {
        let at = position ?? self.position
        if place.unpacked {
            return TraceError(path: place.path, offset: place.base, cause: "\(cause) (byte \(at) of the unpacked section)")
        }
        return TraceError(path: place.path, offset: place.base &+ UInt64(at), cause: cause)
    }

    private func need(_ count: Int, _ what: String) throws(TraceError) {
        guard count <= remaining else {
            throw error("truncated: \(what) needs \(count) bytes, \(remaining) are left")
        }
    }

    private mutating func load<T: FixedWidthInteger>(_ type: T.Type, _ what: String) throws(TraceError) -> T {
        try need(MemoryLayout<T>.size, what)
        let raw = bytes.loadUnaligned(fromByteOffset: position, as: T.self)
        position += MemoryLayout<T>.size
        return bigEndian ? T(bigEndian: raw) : T(littleEndian: raw)
    }

    package mutating func u8(_ what: String) throws(TraceError) -> UInt8 { try load(UInt8.self, what) }
    package mutating func u16(_ what: String) throws(TraceError) -> UInt16 { try load(UInt16.self, what) }
    package mutating func u32(_ what: String) throws(TraceError) -> UInt32 { try load(UInt32.self, what) }
    package mutating func u64(_ what: String) throws(TraceError) -> UInt64 { try load(UInt64.self, what) }

    /// Takes `count` bytes, a number that the file itself states: it may be anything.
    package mutating func take(_ count: UInt64, _ what: String) throws(TraceError) -> UnsafeRawBufferPointer {
        guard count <= UInt64(remaining) else {
            throw error("truncated: \(what) has \(count) bytes by its size field, \(remaining) are left")
        }
        let taken = UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(count)])
        position += Int(count)
        return taken
    }

    package mutating func skip(_ count: UInt64, _ what: String) throws(TraceError) { _ = try take(count, what) }

    /// Takes a string up to its NUL, which must be there within `limit` bytes.
    package mutating func string(_ what: String, limit: Int = 4096) throws(TraceError) -> String {
        let window = UnsafeRawBufferPointer(rebasing: bytes[position..<position + min(limit, remaining)])
        guard let end = window.firstIndex(of: 0) else {
            throw error("\(what) has no terminating NUL within \(window.count) bytes")
        }
        position += end + 1
        return String(decoding: window[..<end], as: UTF8.self)
    }

    /// Takes exactly the given ASCII bytes with a NUL after them.
    package mutating func expect(_ word: String) throws(TraceError) {
        let start = position
        let found = try take(UInt64(word.utf8.count + 1), "the word \"\(word)\"")
        guard found.dropLast().elementsEqual(word.utf8), found.last == 0 else {
            throw error("expected the word \"\(word)\", found \(quoted(found))", at: start)
        }
    }

    /// Bytes as text for an error: printable ASCII as it is, the rest escaped.
    package func quoted(_ bytes: UnsafeRawBufferPointer, limit: Int = 32) -> String {
        "\"" + bytes.prefix(limit).map { 0x20..<0x7f ~= $0 ? String(UnicodeScalar($0)) : "\\x" + hex($0) }.joined() + "\""
    }

    private func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    /// Text up to the first NUL or the end, invalid UTF-8 repaired.
    package static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
