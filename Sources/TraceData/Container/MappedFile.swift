import Glibc

/// A regular file, mapped read-only for as long as this object lives, or bytes that stand for one.
///
/// The file must not shrink meanwhile: reading a page that is gone raises SIGBUS, as for every program that maps files.
package final class MappedFile: @unchecked Sendable {
    package let path: String
    package let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    package convenience init(path: String) throws(TraceError) {
        // O_NONBLOCK: opening a FIFO that has no writer must not hang.
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard fd >= 0 else { throw Self.failure(path, "cannot open") }
        defer { close(fd) }
        try self.init(descriptor: fd, path: path)
    }

    /// Maps an open file, which may be closed afterwards.
    package init(descriptor fd: Int32, path: String) throws(TraceError) {
        var status = stat()
        guard fstat(fd, &status) == 0 else { throw Self.failure(path, "cannot stat") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "is a directory" : "is not a regular file"
            throw TraceError(path: path, cause: "\(kind), expected a trace.dat file")
        }
        guard status.st_size > 0 else { throw TraceError(path: path, offset: 0, cause: "the file is empty") }
        guard let size = Int(exactly: status.st_size),
            let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, fd, 0), base != MAP_FAILED
        else { throw Self.failure(path, "cannot map") }
        self.path = path
        self.bytes = UnsafeRawBufferPointer(start: base, count: size)
        isMapped = true
    }

    private static func failure(_ path: String, _ what: String) -> TraceError {
        TraceError(path: path, cause: "\(what): \(String(cString: strerror(errno)))")
    }

    /// A copy of the bytes under a name: memory of just their size, so that tools see a read behind its end.
    package init(path: String, copying bytes: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        copy.copyMemory(from: bytes)
        self.path = path
        self.bytes = UnsafeRawBufferPointer(copy)
        isMapped = false
    }

    /// Gives the memory of a part back that has been read. It is mapped again if somebody looks at it.
    package func release(_ part: UnsafeRawBufferPointer) {
        guard isMapped else { return }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let start = (UInt(bitPattern: part.baseAddress) + page - 1) & ~(page - 1)
        let end = (UInt(bitPattern: part.baseAddress) + UInt(part.count)) & ~(page - 1)
        if start < end { madvise(UnsafeMutableRawPointer(bitPattern: start), Int(end - start), MADV_DONTNEED) }
    }

    deinit {
        guard isMapped else { return bytes.deallocate() }
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
    }
}
