/// Bytes of a trace.dat file, in the byte order of the recorded machine.
struct Bytes {
    /// A section's header: u16 id, u16 flags, u32 description, u64 size.
    static let sectionHeader = 16

    private(set) var bytes: [UInt8] = []
    private let bigEndian: Bool

    init(bigEndian: Bool = false) { self.bigEndian = bigEndian }

    mutating func put<T: FixedWidthInteger>(_ value: T) {
        withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// With a zero at its end.
    mutating func put(_ text: String) { bytes += Array(text.utf8) + [0] }

    mutating func put(raw: [UInt8]) { bytes += raw }

    /// Behind its size (u64).
    mutating func put(sized: [UInt8]) {
        put(UInt64(sized.count))
        bytes += sized
    }

    mutating func pad(to size: Int) { bytes += [UInt8](repeating: 0, count: size - bytes.count) }

    mutating func store(_ value: UInt64, at place: Int) {
        withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes.replaceSubrange(place..<place + 8, with: $0) }
    }

    /// An option: u16 id, u32 size, content.
    mutating func option(_ id: UInt16, _ body: (inout Bytes) -> Void) {
        var inner = Bytes(bigEndian: bigEndian)
        body(&inner)
        put(id)
        put(UInt32(inner.bytes.count))
        bytes += inner.bytes
    }

    mutating func header(_ id: UInt16, flags: UInt16, size: Int) {
        put(id)
        put(flags)
        put(UInt32(0))
        put(UInt64(size))
    }

    /// A section of version 7. Compressed: u32 size of what follows, u32 size unpacked, content.
    mutating func section(_ id: UInt16, _ content: Bytes, _ compressor: Compressor?) throws(WritingError) {
        guard let compressor else {
            header(id, flags: 0, size: content.bytes.count)
            return put(raw: content.bytes)
        }
        let packed = try compressor.packed(content.bytes)
        header(id, flags: 1, size: 8 + packed.count)
        put(UInt32(packed.count))
        put(UInt32(content.bytes.count))
        bytes += packed
    }
}
