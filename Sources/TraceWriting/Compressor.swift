import CZstd

/// zstd with buffers of its own, shared by all CPUs.
public final class Compressor {
    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer

    public init() {
        context = ZSTD_createCCtx()!
        output = .allocate(byteCount: ZSTD_compressBound(Spool.block), alignment: 16)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    /// What it returns is valid until the next call.
    func pack(_ bytes: UnsafeRawBufferPointer) throws(WritingError) -> UnsafeRawBufferPointer {
        let count = ZSTD_compressCCtx(context, output.baseAddress, output.count, bytes.baseAddress, bytes.count, Self.level)
        guard ZSTD_isError(count) == 0 else { throw WritingError("zstd: \(String(cString: ZSTD_getErrorName(count)))") }
        return UnsafeRawBufferPointer(rebasing: output[..<count])
    }

    /// Of any size.
    func packed(_ bytes: [UInt8]) throws(WritingError) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let count = ZSTD_compressCCtx(context, &out, out.count, bytes, bytes.count, Self.level)
        guard ZSTD_isError(count) == 0 else { throw WritingError("zstd: \(String(cString: ZSTD_getErrorName(count)))") }
        return Array(out[..<count])
    }

    private static let level: Int32 = 3
    static let version = String(cString: ZSTD_versionString())
}
