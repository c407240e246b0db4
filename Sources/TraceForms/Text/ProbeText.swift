import Glibc
import TraceWriting

/// A probe event of a text, with the format that its first line shows: the address in parentheses (`__probe_ip=` with -R), and a word of 64 bits for each argument
/// that is a number (print_kprobe_event(), kernel/trace/trace_kprobe.c).
struct ProbeText {
    private struct Argument {
        var name: [UInt8]
        /// -1 for one that is no number.
        var offset: Int
    }

    private(set) var format: TextFormat
    private let address: Int
    private let longSize: Int
    private var arguments: [Argument] = []

    /// The most arguments that a probe event can have (MAX_TRACE_ARGS, kernel/trace/trace_probe.h).
    private static let limit = 128

    enum Fault: Error {
        /// Not the text of a probe event.
        case form
        case argument
        case tooMany
    }

    /// - Parameter text: behind the event's name.
    init(id: UInt16, name: String, longSize: Int, _ text: TextCursor) throws(Fault) {
        format = TextFormat(id: id, system: "kprobes", name: name, longSize: longSize)
        self.longSize = longSize
        address = format.add(.unsignedLong, "__probe_ip")
        var cursor = text
        guard Self.takeAddress(&cursor) != nil else { throw .form }
        while let (name, value) = try Self.takeArgument(&cursor) {
            guard arguments.count < Self.limit, name.count <= 64 else { throw .tooMany }
            let bytes = Array(UnsafeBufferPointer(start: name.next, count: name.count))
            guard Self.isName(bytes), !arguments.contains(where: { $0.name == bytes }) else { throw .argument }
            let offset = value.map { format.add(.word(isHex: $0.isHex), String(decoding: bytes, as: UTF8.self)) }
            arguments.append(Argument(name: bytes, offset: offset ?? -1))
        }
    }

    /// Bytes of a record: a multiple of 4.
    var size: Int { (format.size + 3) & ~3 }

    /// Reads the arguments of a line into a record.
    func read(_ text: TextCursor, into data: UnsafeMutableRawPointer) throws(Fault) {
        var cursor = text
        guard let ip = Self.takeAddress(&cursor) else { throw .form }
        if longSize == 4 {
            data.storeBytes(of: UInt32(truncatingIfNeeded: ip), toByteOffset: address, as: UInt32.self)
        } else {
            data.storeBytes(of: ip, toByteOffset: address, as: UInt64.self)
        }
        var place = 0
        while let (name, value) = try Self.takeArgument(&cursor) {
            // Almost always in the order of the first line.
            if place >= arguments.count || !Self.isSame(arguments[place].name, name) {
                guard let found = arguments.firstIndex(where: { Self.isSame($0.name, name) }) else { throw .argument }
                place = found
            }
            let offset = arguments[place].offset
            if offset >= 0 {
                guard let value else { throw .argument }
                data.storeBytes(of: value.value, toByteOffset: offset, as: UInt64.self)
            }
            place += 1
        }
    }

    /// Whether the text is of a kernel with 32 or 64 bits, as far as a line tells: by its addresses.
    static func longSize(_ text: TextCursor) -> Int? {
        var cursor = text
        cursor.skipSpaces()
        guard let ip = takeAddress(&cursor) else { return nil }
        if ip != 0 { return ip >> 32 == 0 ? 4 : 8 }
        var isSmall = false
        while let (_, value) = try? takeArgument(&cursor), let value {
            if value.isHex, value.value >> 32 != 0 { return 8 }
            if value.isHex, value.value >= 0xc000_0000 { isSmall = true }
        }
        return isSmall ? 4 : nil
    }

    /// The address that the probe is at; 0 where the text has a symbol.
    @inline(__always)
    private static func takeAddress(_ cursor: inout TextCursor) -> UInt64? {
        if cursor.take("__probe_ip=") {
            _ = cursor.take("0x")
            return cursor.hex()
        }
        guard cursor.take(UInt8(ascii: "(")) else { return nil }
        var inside = cursor
        guard let close = memchr(cursor.next, Int32(UInt8(ascii: ")")), cursor.count) else { return nil }
        cursor.next = UnsafePointer(close.assumingMemoryBound(to: UInt8.self)) + 1
        _ = inside.take("0x")
        if let value = inside.hex(), inside.next == cursor.next - 1 { return value }
        return 0
    }

    /// The next argument; its value is nil if that is no number.
    @inline(__always)
    private static func takeArgument(_ cursor: inout TextCursor) throws(Fault) -> (name: TextCursor, value: (value: UInt64, isHex: Bool)?)? {
        cursor.skipSpaces()
        guard !cursor.isAtEnd else { return nil }
        let start = cursor.next
        while let byte = cursor.byte, byte != UInt8(ascii: "=") {
            guard byte != 0x20 else { throw .argument }
            cursor.next += 1
        }
        let name = TextCursor(start, cursor.next)
        guard cursor.take(UInt8(ascii: "=")), !name.isAtEnd else { throw .argument }
        var number = cursor
        if let value = number.number(), number.isAtEnd || number.byte == 0x20 {
            cursor = number
            return (name, value)
        }
        if cursor.take(UInt8(ascii: "\"")) {
            // A string may hold anything; it ends with a quotation mark before a space or the end.
            while !cursor.isAtEnd {
                if cursor.take(UInt8(ascii: "\"")) {
                    if cursor.isAtEnd || cursor.byte == 0x20 { return (name, nil) }
                } else {
                    cursor.next += 1
                }
            }
            throw .argument
        }
        while !cursor.isAtEnd, cursor.next.pointee != 0x20 { cursor.next += 1 }
        return (name, nil)
    }

    private static func isName(_ name: [UInt8]) -> Bool {
        name.allSatisfy { $0 == UInt8(ascii: "_") || 0x30...0x39 ~= $0 || 0x41...0x5a ~= $0 || 0x61...0x7a ~= $0 }
    }

    @inline(__always)
    private static func isSame(_ name: [UInt8], _ text: TextCursor) -> Bool {
        name.count == text.count && name.withUnsafeBufferPointer { memcmp($0.baseAddress!, text.next, text.count) == 0 }
    }
}
