import Glibc

/// Opens a file without a name, which is gone when it is closed, whatever happens to the program.
///
/// - Parameter folder: with a slash at its end.
public func unnamedFile(in folder: String) throws(WritingError) -> Int32 {
    // O_TMPFILE of include/uapi/asm-generic/fcntl.h on x86, a macro that is not imported.
    let unnamed: Int32 = 0o20000000 | O_DIRECTORY
    let file = open(folder, O_RDWR | unnamed | O_CLOEXEC, 0o600)
    if file >= 0 { return file }
    // Not every file system has that.
    var name = (folder + ".trace-XXXXXX").utf8CString.map { $0 }
    let named = mkstemp(&name)
    guard named >= 0 else { throw WritingError(errno: folder) }
    _ = fcntl(named, F_SETFD, FD_CLOEXEC)
    unlink(name)
    return named
}

/// One CPU's data on its way into the file: in a file of its own, without a name, so that all CPUs can be written at once.
public final class Spool {
    /// Bytes that are written, and compressed, at once: ten sub-buffers, as trace-cmd does (PAGES_IN_CHUNK, lib/trace-cmd/trace-compress.c).
    public static let block = 10 * SubbufferWriter.size
    private static let bufferSize = 64 * 1024

    private let file: Int32
    private let compressor: Compressor?
    private var buffer: UnsafeMutableRawBufferPointer
    private var fill = 0
    public private(set) var size: UInt64 = 0
    public private(set) var chunks: UInt32 = 0

    /// - Parameter folder: where the file is to be, with a slash at its end.
    public init(folder: String, compressor: Compressor?) throws(WritingError) {
        file = try unnamedFile(in: folder)
        self.compressor = compressor
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 16)
    }

    deinit {
        close(file)
        buffer.deallocate()
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(WritingError) {
        guard let compressor else { return try add(bytes) }
        let packed = try compressor.pack(bytes)
        chunks += 1
        try add(number: UInt32(packed.count))
        try add(number: UInt32(bytes.count))
        try add(packed)
    }

    /// Adds what a file holds from its start on, and gives its space back.
    func append(_ source: Int32, size: UInt64) throws(WritingError) {
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.block, alignment: 16)
        defer { block.deallocate() }
        var offset: UInt64 = 0
        while offset < size {
            var filled = 0
            let wanted = min(block.count, Int(size - offset))
            while filled < wanted {
                let count = pread(source, block.baseAddress! + filled, wanted - filled, off_t(offset) + off_t(filled))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw WritingError(errno: "reading what was recorded") }
                filled += count
            }
            try write(UnsafeRawBufferPointer(rebasing: block[..<wanted]))
            offset += UInt64(wanted)
        }
        ftruncate(source, 0)
    }

    private func add(number: UInt32) throws(WritingError) {
        var number = number.littleEndian
        let wrong = withUnsafeBytes(of: &number) { bytes -> WritingError? in
            do throws(WritingError) {
                try add(bytes)
                return nil
            } catch { return error }
        }
        if let wrong { throw wrong }
    }

    private func add(_ bytes: UnsafeRawBufferPointer) throws(WritingError) {
        if fill + bytes.count > buffer.count { try empty() }
        UnsafeMutableRawBufferPointer(rebasing: buffer[fill...]).copyMemory(from: bytes)
        fill += bytes.count
        size += UInt64(bytes.count)
    }

    private func empty() throws(WritingError) {
        try writeAll(file, UnsafeRawBufferPointer(rebasing: buffer[..<fill]))
        fill = 0
    }

    /// Appends all that was written to another file, and gives the space back.
    public func move(to target: Int32) throws(WritingError) {
        try empty()
        var offset: off_t = 0
        while UInt64(offset) < size {
            let count = sendfile(target, file, &offset, min(Int(size - UInt64(offset)), 1 << 30))
            guard count > 0 else { throw WritingError(errno: "joining the CPUs' data") }
        }
        ftruncate(file, 0)
    }
}
