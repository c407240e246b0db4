import Glibc

/// The value of any field of any event. Bytes belong to the record and are valid as long as its data.
public enum FieldValue {
    case signed(Int64)
    case unsigned(UInt64)
    /// An address, a mask, or what the event's own print format shows in hexadecimal.
    case hex(UInt64)
    /// A string up to its NUL. Any bytes: kernel strings need not be UTF-8.
    case text(UnsafeRawBufferPointer)
    /// An array, or whatever else the field holds: numbers of `size` bytes each.
    case numbers(UnsafeRawBufferPointer, size: Int, hex: Bool)
}

extension EventFormats {
    /// The fields of a record, in the order of its event's format, without the common ones. Fields that the record is too short
    /// for are left out.
    public func fields(of record: Record) -> [(name: String, value: FieldValue)] {
        guard record.kind != .lost, let event = event(of: record) else { return [] }
        return event.fields.compactMap { field in value(of: field, record.data).map { (field.name, $0) } }
    }

    /// The value of one field; nil if the record is too short for it. Who reads many records makes a ``reader(of:)`` once.
    public func value(of field: Field, _ data: UnsafeRawBufferPointer) -> FieldValue? { reader(of: field).value(data) }

    /// What it takes to read a field.
    public func reader(of field: Field) -> FieldReader { FieldReader(field, longSize: longSize, bigEndian: bigEndian) }
}

/// Reads one field of an event's records, as its format has it: all that is known beforehand, without names.
public struct FieldReader: BitwiseCopyable, Sendable {
    private enum Form: UInt8 { case integer, text, numbers }

    private let form: Form
    private let style: EventFormats.IntegerStyle
    private let isDynamic: Bool
    private let isRelative: Bool
    private let bigEndian: Bool
    /// Bytes of each number.
    private let elementSize: UInt8
    /// Of an integer. A field's place and length are below 65,536 bytes.
    private let ref: FieldRef
    private let offset: Int32
    private let size: Int32

    fileprivate init(_ field: EventFormats.Field, longSize: Int, bigEndian: Bool) {
        let isInteger = !field.isDynamic && !field.isArray && [1, 2, 4, 8].contains(field.size)
        // libtraceevent does not take `char buf[]` of ftrace:print for a string.
        let isText = field.isString || (field.size == 0 && field.type.hasPrefix("char"))
        form = isInteger ? .integer : isText ? .text : .numbers
        (style, isDynamic, isRelative, self.bigEndian) = (field.style, field.isDynamic, field.isRelative, bigEndian)
        // Before 5.x `caller[]` of ftrace:kernel_stack is declared as an unsigned long of size 0.
        let element = field.size == 0 && field.type.hasSuffix("long") ? longSize : field.elementSize
        elementSize = [2, 4, 8].contains(element) ? UInt8(element) : 1
        ref = isInteger ? FieldRef(offset: UInt16(field.offset), size: UInt8(field.size), signed: field.isSigned || field.style == .signed) : FieldRef()
        (offset, size) = (Int32(field.offset), Int32(field.size))
    }

    /// The value in a record's data; nil if that is too short for it.
    @inline(__always) public func value(_ data: UnsafeRawBufferPointer) -> FieldValue? {
        guard form == .integer else { return part(data) }
        guard ref.end <= data.count, let base = data.baseAddress else { return nil }
        let word = ref.load(base, bigEndian)
        return switch style {
        case .signed: .signed(Int64(bitPattern: word))
        case .unsigned: .unsigned(word)
        // A signed field shown in hexadecimal has as many digits as its size.
        case .hex: .hex(ref.size == 8 ? word : word & (1 << UInt64(8 * ref.size) - 1))
        }
    }

    private func part(_ data: UnsafeRawBufferPointer) -> FieldValue? {
        let (offset, size) = (Int(offset), Int(size))
        guard offset <= data.count, !isDynamic || offset + 4 <= data.count else { return nil }
        let bytes = isDynamic ? data.dynamicPart(offset, size, relative: isRelative, bigEndian) : data.part(offset, size == 0 ? data.count : size)
        if form == .text {
            guard let base = bytes.baseAddress else { return .text(bytes) }
            let end = memchr(base, 0, bytes.count)
            return .text(UnsafeRawBufferPointer(start: base, count: end.map { UnsafeRawPointer($0) - base } ?? bytes.count))
        }
        let element = Int(elementSize)
        return .numbers(UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / element * element)), size: element, hex: style == .hex)
    }
}

extension EventFormats {
    /// One number of ``FieldValue/numbers(_:size:hex:)``.
    public func number(_ bytes: UnsafeRawBufferPointer, _ index: Int, size: Int) -> UInt64 {
        FieldRef(offset: 0, size: UInt8(size)).value(bytes.part(index * size, size), bigEndian)
    }
}
