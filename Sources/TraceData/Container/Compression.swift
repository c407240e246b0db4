import CZlib
import CZstd

/// How a v7 file's sections and trace data are compressed (named in its first bytes).
public enum Compression: String, Sendable {
    case none, zlib, zstd

    /// What one unpacked chunk of trace data may have at most. trace-cmd writes ten pages a chunk.
    static let chunkLimit = 64 << 20

    /// The same where several CPUs have data, each of which keeps a chunk: all together at most 128 MiB, or 32 times what the file has.
    ///
    /// It hangs on nothing but the file, so that a report does not hang on which thread unpacks first.
    static func chunkLimit(cpus: Int, fileSize: Int) -> Int {
        min(chunkLimit, max(128 << 20, min(fileSize, 1 << 50) * 32) / max(1, cpus))
    }

    /// Unpacks `packed` into `output`, which it must fill exactly. Returns what is wrong, nil if all is well.
    func unpack(_ packed: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> String? {
        switch self {
        case .none:
            return "compressed data in a file that names no compression"
        case .zlib:
            var size = uLongf(output.count)
            let status = CZlib.uncompress(output.baseAddress, &size, packed.baseAddress, uLong(packed.count))
            guard status == Z_OK else { return "zlib cannot unpack it (\(String(cString: zError(status))))" }
            guard Int(size) == output.count else { return "unpacks to \(size) bytes instead of the \(output.count) stated" }
            return nil
        case .zstd:
            if let wrong = implausible(packed, size: output.count) { return wrong }
            let size = ZSTD_decompress(output.baseAddress, output.count, packed.baseAddress, packed.count)
            guard ZSTD_isError(size) == 0 else {
                return "zstd cannot unpack it (\(String(cString: ZSTD_getErrorName(size))))"
            }
            guard size == output.count else { return "unpacks to \(size) bytes instead of the \(output.count) stated" }
            return nil
        }
    }

    /// Says whether `packed` can give `size` bytes at all, before memory is taken for them.
    func implausible(_ packed: UnsafeRawBufferPointer, size: Int) -> String? {
        switch self {
        case .none:
            return nil
        case .zlib:
            // deflate gives at most 1032 bytes for one.
            return size / 1032 > packed.count ? "\(packed.count) zlib bytes cannot give the \(size) stated" : nil
        case .zstd:
            let content = ZSTD_getFrameContentSize(packed.baseAddress, packed.count)
            if content == UInt64.max - 1 { return "is not a zstd frame" }
            if content != UInt64.max, content != UInt64(size) {
                return "its zstd frame has \(content) bytes, \(size) are stated"
            }
            return nil
        }
    }
}

/// Memory that holds unpacked bytes, reused from chunk to chunk.
final class UnpackBuffer: @unchecked Sendable {
    private(set) var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// The first `count` bytes of the buffer, which grows if it has to. Earlier results are invalid after it.
    func prepare(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if storage.count < count {
            storage.deallocate()
            storage = .allocate(byteCount: count, alignment: 16)
        }
        return UnsafeMutableRawBufferPointer(rebasing: storage[..<count])
    }

    deinit { storage.deallocate() }
}
