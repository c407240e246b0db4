import CZstd

/// Unpacks what `perf record -z` has packed: one stream of zstd through all compressed records (tools/perf/util/zstd.c).
final class PerfUnpacker {
    private let stream: OpaquePointer
    /// The last unpacked bytes, behind those that were left before.
    private(set) var block = PerfBlock(0)
    private var count = 0
    private var left: [UInt8] = []

    /// A record of 64 KiB holds no more than this by perf's own limit (a mmap'd buffer is packed piece by piece).
    private static let limit = 64 << 20

    init() {
        stream = ZSTD_createDStream()!
        ZSTD_initDStream(stream)
    }

    deinit { ZSTD_freeDStream(stream) }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(block.bytes)[..<count]) }

    /// Returns what is wrong with the bytes, nil if nothing is.
    func unpack(_ packed: UnsafeRawBufferPointer) -> String? {
        var pieces: [PerfBlock] = []
        var size = left.count
        var input = ZSTD_inBuffer(src: packed.baseAddress, size: packed.count, pos: 0)
        var sizes: [Int] = []
        repeat {
            let piece = PerfBlock(256 << 10)
            var output = ZSTD_outBuffer(dst: piece.bytes.baseAddress, size: piece.bytes.count, pos: 0)
            let result = ZSTD_decompressStream(stream, &output, &input)
            if ZSTD_isError(result) != 0 { return String(cString: ZSTD_getErrorName(result)) }
            size += output.pos
            guard size <= Self.limit else { return "more than \(Self.limit) bytes unpacked" }
            pieces.append(piece)
            sizes.append(output.pos)
            // There may be more to come as long as the output was filled.
            if input.pos == input.size, output.pos < output.size { break }
        } while true
        block = PerfBlock(size)
        count = size
        left.withUnsafeBytes { block.bytes.copyMemory(from: $0) }
        var place = left.count
        for (piece, size) in zip(pieces, sizes) {
            (block.bytes.baseAddress! + place).copyMemory(from: piece.bytes.baseAddress!, byteCount: size)
            place += size
        }
        return nil
    }

    /// What could not be taken yet: the start of a record that goes on.
    func rest(_ bytes: UnsafeRawBufferPointer) { left = Array(bytes) }
}
