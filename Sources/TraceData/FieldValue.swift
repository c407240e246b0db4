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

    /// The value of one field; nil if the record is too short for it.
    public func value(of field: Field, _ data: UnsafeRawBufferPointer) -> FieldValue? {
        if field.isDynamic || field.isArray || ![1, 2, 4, 8].contains(field.size) {
            guard field.offset <= data.count, !field.isDynamic || field.offset + 4 <= data.count else { return nil }
            let bytes =
                field.isDynamic
                ? data.dynamicPart(field.offset, field.size, relative: field.isRelative, bigEndian)
                : data.part(field.offset, field.size == 0 ? data.count : field.size)
            // libtraceevent does not take `char buf[]` of ftrace:print for a string.
            if field.isString || (field.size == 0 && field.type.hasPrefix("char")) {
                return .text(UnsafeRawBufferPointer(rebasing: bytes.prefix { $0 != 0 }))
            }
            // Before 5.x `caller[]` of ftrace:kernel_stack is declared as an unsigned long of size 0.
            let element = field.size == 0 && field.type.hasSuffix("long") ? longSize : field.elementSize
            let size = [2, 4, 8].contains(element) ? element : 1
            return .numbers(UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / size * size)), size: size, hex: field.style == .hex)
        }
        guard field.offset + field.size <= data.count, let base = data.baseAddress else { return nil }
        var ref = FieldRef(offset: UInt16(field.offset), size: UInt8(field.size))
        ref.signed = field.isSigned || field.style == .signed
        let word = ref.load(base, bigEndian)
        switch field.style {
        case .signed: return .signed(Int64(bitPattern: word))
        case .unsigned: return .unsigned(word)
        case .hex:
            // A signed field shown in hexadecimal has as many digits as its size.
            return .hex(field.size == 8 ? word : word & (1 << UInt64(8 * field.size) - 1))
        }
    }
}

extension EventFormats {
    /// One number of ``FieldValue/numbers(_:size:hex:)``.
    public func number(_ bytes: UnsafeRawBufferPointer, _ index: Int, size: Int) -> UInt64 {
        FieldRef(offset: 0, size: UInt8(size)).value(bytes.part(index * size, size), bigEndian)
    }
}
