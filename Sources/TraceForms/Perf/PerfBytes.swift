import TraceData

/// A run of bytes of perf.data in its byte order. Loads are not checked: whoever loads has checked that the bytes are there.
struct PerfBytes {
    let base: UnsafeRawPointer
    let count: Int
    let bigEndian: Bool

    init(_ bytes: UnsafeRawBufferPointer, bigEndian: Bool) {
        base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
        count = bytes.count
        self.bigEndian = bigEndian
    }

    @inline(__always)
    private func load<T: FixedWidthInteger>(_ type: T.Type, _ offset: Int) -> T {
        let raw = (base + offset).loadUnaligned(as: T.self)
        return bigEndian ? T(bigEndian: raw) : T(littleEndian: raw)
    }

    @inline(__always) func u16(_ offset: Int) -> UInt16 { load(UInt16.self, offset) }
    @inline(__always) func u32(_ offset: Int) -> UInt32 { load(UInt32.self, offset) }
    @inline(__always) func u64(_ offset: Int) -> UInt64 { load(UInt64.self, offset) }

    /// Whether so many bytes are there from an offset on.
    @inline(__always) func has(_ size: UInt64, at offset: UInt64) -> Bool { offset <= UInt64(count) && size <= UInt64(count) - offset }

    func part(_ offset: Int, _ size: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + offset, count: size) }
}
