/// The sub-buffers of one CPU, one after another, unpacked chunk by chunk if they are compressed.
///
/// - Complexity: memory for one chunk, whatever the length of the data.
struct SubbufferSource {
    private let file: MappedFile
    /// The CPU's part of the file.
    private let bytes: UnsafeRawBufferPointer
    /// Where they are, to name it in errors.
    private let path: String
    private let offset: UInt64
    let shape: SubbufferShape
    /// nil if the data is not compressed.
    private let compression: Compression?
    /// Bytes that an unpacked chunk may have.
    private let chunkLimit: Int
    /// Next unread byte of `bytes`.
    private var position = 0
    private var chunksLeft: UInt32?
    private let unpacked = UnpackBuffer()
    private var chunk = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Next unread byte of `chunk`.
    private var chunkPosition = 0
    private var chunkOffset: UInt64 = 0
    private var pagePosition = 0
    private let progress: ReadingProgress?
    /// Bytes whose memory was given back.
    private var released = 0

    /// So much is read before the memory of what came before is given back.
    private static let window = 4 << 20

    init(
        file: MappedFile, bytes: UnsafeRawBufferPointer, path: String? = nil, offset: UInt64, shape: SubbufferShape, compression: Compression?,
        chunkLimit: Int = Compression.chunkLimit, progress: ReadingProgress? = nil
    ) {
        self.chunkLimit = chunkLimit
        self.progress = progress
        self.file = file
        self.bytes = bytes
        self.path = path ?? file.path
        self.offset = offset
        self.shape = shape
        self.compression = compression
    }

    /// The sub-buffer that was given last is the last one.
    var isAtEnd: Bool { compression == nil ? position >= bytes.count : chunkPosition >= chunk.count && chunksLeft == 0 }

    /// The next sub-buffer; nil at the end. Earlier ones are invalid after it.
    ///
    /// The last one may be shorter than the others if the data ends in it; its header says whether anything is missing.
    mutating func next() throws(TraceError) -> UnsafeRawBufferPointer? {
        if compression != nil {
            if chunkPosition >= chunk.count, try !nextChunk() { return finish() }
            pagePosition = chunkPosition
            let end = min(chunkPosition + shape.size, chunk.count)
            chunkPosition = end
            return UnsafeRawBufferPointer(rebasing: chunk[pagePosition..<end])
        }
        guard position < bytes.count else { return finish() }
        // The sub-buffer before may still be looked at.
        if position - released > Self.window + shape.size { release(upTo: position - shape.size) }
        pagePosition = position
        position = min(position + shape.size, bytes.count)
        progress?.read(bytes: position - pagePosition)
        return UnsafeRawBufferPointer(rebasing: bytes[pagePosition..<position])
    }

    /// No more sub-buffers. What is left to give back is given back here, not when the file is unmapped: with two threads, while the other one still has records to take.
    private mutating func finish() -> UnsafeRawBufferPointer? {
        release(upTo: bytes.count)
        return nil
    }

    private mutating func release(upTo end: Int) {
        file.release(UnsafeRawBufferPointer(rebasing: bytes[released..<end]))
        released = end
    }

    /// An error at a byte of the current sub-buffer.
    func error(_ cause: String, at inPage: Int) -> TraceError {
        if compression != nil {
            return TraceError(
                path: path, offset: chunkOffset, cause: "\(cause) (byte \(pagePosition + inPage) of the unpacked chunk)")
        }
        return TraceError(path: path, offset: offset + UInt64(pagePosition + inPage), cause: cause)
    }

    /// All chunks that are stated were given. False, as there is none.
    private func endOfChunks(_ cursor: ByteCursor) throws(TraceError) -> Bool {
        // Whether the stated size of a CPU's data counts the number of its chunks is not the same in all versions of trace-cmd.
        let rest = bytes.count - position
        guard rest > 4 else { return false }
        throw cursor.error("the data of the CPU goes on for \(rest) bytes behind its last chunk", at: position)
    }

    private mutating func nextChunk() throws(TraceError) -> Bool {
        var cursor = ByteCursor(
            bytes, bigEndian: shape.bigEndian, place: ByteCursor.Place(path: file.path, base: offset), position: position)
        if chunksLeft == nil {
            if bytes.isEmpty { return false }
            chunksLeft = try cursor.u32("the number of compressed chunks")
            position = cursor.position
        }
        guard let left = chunksLeft, left > 0, let compression else { return try endOfChunks(cursor) }
        // Whatever fails below, the next try must not begin in the middle of a chunk.
        chunksLeft = 0
        chunkOffset = offset + UInt64(cursor.position)
        let start = cursor.position
        let packedSize = try cursor.u32("the compressed size of a chunk")
        let size = Int(try cursor.u32("the unpacked size of a chunk"))
        guard size > 0, size <= chunkLimit, size % shape.size == 0 else {
            throw cursor.error(
                "chunk states \(size) bytes unpacked, expected a multiple of \(shape.size) up to \(chunkLimit)", at: start + 4)
        }
        let packed = try cursor.take(UInt64(packedSize), "a compressed chunk")
        if let wrong = compression.implausible(packed, size: size) { throw cursor.error("chunk: \(wrong)", at: start + 8) }
        let output = unpacked.prepare(size)
        if let wrong = compression.unpack(packed, into: output) { throw cursor.error("chunk: \(wrong)", at: start + 8) }
        chunk = UnsafeRawBufferPointer(output)
        chunkPosition = 0
        progress?.read(bytes: cursor.position - position)
        if position - released > Self.window { release(upTo: position) }
        position = cursor.position
        chunksLeft = left - 1
        return true
    }
}
