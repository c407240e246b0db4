import CZstd
import Glibc

/// What a file could not be written for.
public struct SynthError: Error, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }

    /// With the text of errno.
    init(errno what: String) { description = "\(what): \(String(cString: strerror(Glibc.errno)))" }
}

/// One CPU's data on its way into the file: in a file of its own, without a name, so that all CPUs can be written at once.
final class Spool {
    /// Bytes that are written, and compressed, at once: ten sub-buffers, as trace-cmd does (PAGES_IN_CHUNK, lib/trace-cmd/trace-compress.c).
    static let block = 10 * SubbufferWriter.size
    private static let bufferSize = 64 * 1024
    static let level: Int32 = 3

    private let file: Int32
    private let compressor: Compressor?
    private var buffer: UnsafeMutableRawBufferPointer
    private var fill = 0
    private(set) var size: UInt64 = 0
    private(set) var chunks: UInt32 = 0

    /// - Parameter folder: where the file is to be, with a slash at its end.
    init(folder: String, compressor: Compressor?) throws(SynthError) {
        var name = (folder + ".synth-XXXXXX").utf8CString.map { $0 }
        file = mkstemp(&name)
        guard file >= 0 else { throw SynthError(errno: folder) }
        unlink(name)
        self.compressor = compressor
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 16)
    }

    deinit {
        close(file)
        buffer.deallocate()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SynthError) {
        guard let compressor else { return try add(bytes) }
        let packed = try compressor.pack(bytes, level: Self.level)
        chunks += 1
        try add(number: UInt32(packed.count))
        try add(number: UInt32(bytes.count))
        try add(packed)
    }

    private func add(number: UInt32) throws(SynthError) {
        var number = number.littleEndian
        let wrong = withUnsafeBytes(of: &number) { bytes -> SynthError? in
            do throws(SynthError) {
                try add(bytes)
                return nil
            } catch { return error }
        }
        if let wrong { throw wrong }
    }

    private func add(_ bytes: UnsafeRawBufferPointer) throws(SynthError) {
        if fill + bytes.count > buffer.count { try empty() }
        UnsafeMutableRawBufferPointer(rebasing: buffer[fill...]).copyMemory(from: bytes)
        fill += bytes.count
        size += UInt64(bytes.count)
    }

    private func empty() throws(SynthError) {
        try writeAll(file, UnsafeRawBufferPointer(rebasing: buffer[..<fill]))
        fill = 0
    }

    /// Appends all that was written to another file, and gives the space back.
    func move(to target: Int32) throws(SynthError) {
        try empty()
        var offset: off_t = 0
        while UInt64(offset) < size {
            let count = sendfile(target, file, &offset, min(Int(size - UInt64(offset)), 1 << 30))
            guard count > 0 else { throw SynthError(errno: "joining the CPUs' data") }
        }
        ftruncate(file, 0)
    }
}

/// zstd with buffers of its own, shared by all CPUs.
final class Compressor {
    private let context: OpaquePointer
    private let output: UnsafeMutableRawBufferPointer

    init() {
        context = ZSTD_createCCtx()!
        output = .allocate(byteCount: ZSTD_compressBound(Spool.block), alignment: 16)
    }

    deinit {
        ZSTD_freeCCtx(context)
        output.deallocate()
    }

    /// What it returns is valid until the next call.
    func pack(_ bytes: UnsafeRawBufferPointer, level: Int32) throws(SynthError) -> UnsafeRawBufferPointer {
        let count = ZSTD_compressCCtx(context, output.baseAddress, output.count, bytes.baseAddress, bytes.count, level)
        guard ZSTD_isError(count) == 0 else { throw SynthError("zstd: \(String(cString: ZSTD_getErrorName(count)))") }
        return UnsafeRawBufferPointer(rebasing: output[..<count])
    }

    /// Of any size.
    func packed(_ bytes: [UInt8]) throws(SynthError) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let count = ZSTD_compressCCtx(context, &out, out.count, bytes, bytes.count, Spool.level)
        guard ZSTD_isError(count) == 0 else { throw SynthError("zstd: \(String(cString: ZSTD_getErrorName(count)))") }
        return Array(out[..<count])
    }

    static let version = String(cString: ZSTD_versionString())
}

func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer) throws(SynthError) {
    var rest = bytes
    while !rest.isEmpty {
        let count = Glibc.write(file, rest.baseAddress, rest.count)
        guard count > 0 else { throw SynthError(errno: "writing") }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}
