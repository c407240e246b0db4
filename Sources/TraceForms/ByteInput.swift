import Glibc
import TraceData
import TraceWriting

/// Bytes of a file, a pipe or standard input, read once from the start to the end: as they are, or as lines.
///
/// Memory: one block, whatever comes.
final class ByteInput {
    /// No line may be longer than this.
    static let lineLimit = 1 << 20

    let path: String
    private let descriptor: Int32
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ByteInput.lineLimit + 64, alignment: 16)
    /// Bytes in ``buffer`` that were read.
    private var fill = 0
    private var atEnd = false
    private var progress: ReadingProgress?
    /// Bytes read.
    private(set) var size = 0

    /// The line at hand, without its newline. Valid until the next one is wanted.
    private(set) var line = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Number of the line at hand, from 1 on; of the first one where several were joined.
    private(set) var lineNumber = 0
    private var joined = 1
    /// The line has a newline at its end.
    private(set) var isWhole = true
    /// The line is longer than ``lineLimit``, and was left out.
    private(set) var isTooLong = false
    private var lineStart = 0
    private var nextStart = 0

    /// - Parameter descriptor: stays the caller's.
    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { buffer.deallocate() }

    /// Tells how far reading has come from here on, and what was read so far.
    func tell(_ progress: ReadingProgress?) {
        self.progress = progress
        progress?.read(bytes: size)
    }

    /// The first bytes, as many as there are up to a number; nothing is taken.
    func peek(_ count: Int) throws(TraceError) -> UnsafeRawBufferPointer {
        // No more than that: of a trace.dat file it is all that is read here.
        while fill < count, !atEnd { try read(upTo: count) }
        return UnsafeRawBufferPointer(rebasing: buffer[..<min(count, fill)])
    }

    /// Copies everything into a file without a name. Nothing must have been taken.
    func spool() throws(TraceError) -> Int32 {
        let file = try converting(path) { () throws(WritingError) in try unnamedFile(in: ConvertedTrace.folder) }
        do throws(TraceError) {
            while true {
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<fill])
                try converting(path) { () throws(WritingError) in try writeAll(file, bytes) }
                fill = 0
                if atEnd { return file }
                try read()
            }
        } catch {
            close(file)
            throw error
        }
    }

    /// All bytes; nil if there are more than so many. Nothing must have been taken.
    func all(limit: Int) throws(TraceError) -> [UInt8]? {
        var bytes: [UInt8] = []
        while true {
            bytes += buffer[..<fill]
            fill = 0
            if bytes.count > limit { return nil }
            if atEnd { return bytes }
            try read()
        }
    }

    /// Steps to the next line; false at the end.
    func nextLine() throws(TraceError) -> Bool {
        lineNumber += lineNumber == 0 ? 1 : joined
        joined = 1
        lineStart = nextStart
        isTooLong = false
        guard let end = try newline(from: lineStart) else { return false }
        setLine(end)
        return true
    }

    /// Joins the line that follows to the one at hand. False if there is none, if both are too long for one, or if it `standsAlone`.
    func joinNextLine(unless standsAlone: (UnsafeRawBufferPointer) -> Bool) throws(TraceError) -> Bool {
        guard isWhole, !isTooLong else { return false }
        let count = line.count
        // Looking for its end may move what is there.
        let end = try newline(from: nextStart)
        guard let end, !isTooLong, !standsAlone(UnsafeRawBufferPointer(rebasing: buffer[nextStart..<end])) else {
            (isTooLong, isWhole) = (false, true)
            line = UnsafeRawBufferPointer(rebasing: buffer[lineStart..<min(fill, lineStart + count)])
            return false
        }
        joined += 1
        setLine(end)
        return true
    }

    /// Takes the lines that were joined apart again: the first one is at hand, whose size is given, and the next one is the one behind it.
    func separate(first count: Int) {
        guard joined > 1 else { return }
        joined = 1
        isWhole = true
        line = UnsafeRawBufferPointer(rebasing: buffer[lineStart..<lineStart + count])
        nextStart = lineStart + count + 1
    }

    private func setLine(_ end: Int) {
        line = UnsafeRawBufferPointer(rebasing: buffer[lineStart..<(isTooLong ? lineStart : end)])
        nextStart = min(end + 1, fill)
    }

    /// Where the line that begins at a place ends; nil if nothing is left.
    private func newline(from place: Int) throws(TraceError) -> Int? {
        var place = place
        var scanned = place
        while true {
            if scanned < fill, let found = memchr(buffer.baseAddress! + scanned, 10, fill - scanned) {
                isWhole = true
                return found - UnsafeMutableRawPointer(buffer.baseAddress!)
            }
            scanned = fill
            if atEnd {
                isWhole = false
                return place < fill || isTooLong ? fill : nil
            }
            if lineStart > 0 {
                let kept = fill - lineStart
                memmove(buffer.baseAddress!, buffer.baseAddress! + lineStart, kept)
                (place, scanned, nextStart) = (place - lineStart, scanned - lineStart, nextStart - lineStart)
                (lineStart, fill) = (0, kept)
            } else if fill == Self.lineLimit {
                // Of such a line nothing is kept.
                isTooLong = true
                (place, scanned, fill) = (0, 0, 0)
            }
            try read()
        }
    }

    private func read(upTo limit: Int = ByteInput.lineLimit) throws(TraceError) {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress! + fill, limit - fill)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TraceError(path: path, offset: UInt64(size), cause: "cannot read: \(String(cString: strerror(errno)))") }
            if count == 0 { atEnd = true }
            size += count
            fill += count
            progress?.read(bytes: count)
            return
        }
    }
}

/// Runs what writes the trace.dat file that stands for a trace; what goes wrong there is told of the trace.
func converting<R>(_ path: String, _ body: () throws(WritingError) -> R) throws(TraceError) -> R {
    do { return try body() } catch { throw conversionError(path, error) }
}

func conversionError(_ path: String, _ error: WritingError) -> TraceError {
    TraceError(path: path, cause: "it cannot be converted in \(ConvertedTrace.folder), which TMPDIR names: \(error.description)")
}
