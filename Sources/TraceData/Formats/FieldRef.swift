/// Where an integer field is in a record: looked up once by name, then loaded without further looks.
struct FieldRef: Sendable {
    var offset: UInt16 = 0
    /// 1, 2, 4 or 8 bytes; 0 if the event has no such field.
    var size: UInt8 = 0
    var signed = false

    var exists: Bool { size != 0 }
    var end: Int { Int(offset) + Int(size) }

    /// The field's value, sign-extended if the field is signed.
    ///
    /// The caller has checked that `end` bytes are there.
    @inline(__always)
    func load(_ data: UnsafeRawPointer, _ bigEndian: Bool) -> UInt64 {
        let pointer = data + Int(offset)
        // Branches that go the same way each time, not a jump table.
        if size == 4 {
            let raw = TraceData.load(UInt32.self, pointer, bigEndian)
            return signed ? UInt64(bitPattern: Int64(Int32(bitPattern: raw))) : UInt64(raw)
        }
        if size == 8 { return TraceData.load(UInt64.self, pointer, bigEndian) }
        if size == 2 {
            let raw = TraceData.load(UInt16.self, pointer, bigEndian)
            return signed ? UInt64(bitPattern: Int64(Int16(bitPattern: raw))) : UInt64(raw)
        }
        guard size == 1 else { return 0 }
        let raw = pointer.load(as: UInt8.self)
        return signed ? UInt64(bitPattern: Int64(Int8(bitPattern: raw))) : UInt64(raw)
    }

    /// The field's value, 0 if the event has no such field or the record is too short for it.
    @inline(__always)
    func value(_ data: UnsafeRawBufferPointer, _ bigEndian: Bool) -> UInt64 {
        guard exists, end <= data.count, let base = data.baseAddress else { return 0 }
        return load(base, bigEndian)
    }
}
