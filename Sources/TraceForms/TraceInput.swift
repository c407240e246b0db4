import Glibc
import TraceData

/// A file, a pipe or a folder, open to become a trace, or whatever else its first bytes say that it is.
public final class TraceInput {
    /// As the user named it; "-" for standard input.
    public let path: String
    let descriptor: Int32
    let isFolder: Bool
    /// A regular file with content. Files of tracefs have no size, and are read like a pipe.
    let isFile: Bool
    /// Of a file; 0 of all else.
    let size: Int
    let input: ByteInput

    public init(_ path: String) throws(TraceError) {
        if path.isEmpty { throw TraceError(path: "''", cause: "no file has an empty name") }
        self.path = path
        descriptor = try openInput(path)
        input = ByteInput(path: path, descriptor: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = TraceError(path: path, cause: "cannot stat: \(String(cString: strerror(errno)))")
            close(descriptor)
            throw error
        }
        let kind = status.st_mode & S_IFMT
        isFolder = kind == S_IFDIR
        isFile = kind == S_IFREG && status.st_size > 0
        size = isFile ? Int(clamping: status.st_size) : 0
    }

    deinit { close(descriptor) }

    /// It begins as JSON does, and as no trace does.
    public func beginsLikeJSON() throws(TraceError) -> Bool {
        guard !isFolder else { return false }
        let first = try input.peek(64).first { !" \t\r\n".utf8.contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// Takes all bytes; nil if there are more than so many.
    public func bytes(limit: Int) throws(TraceError) -> [UInt8]? { try input.all(limit: limit) }
}

private func openInput(_ path: String) throws(TraceError) -> Int32 {
    if path == "-" { return dup(STDIN_FILENO) }
    // A pipe may be without a writer yet, and is waited for. Nothing else may make open(2) wait.
    var status = stat()
    let waits = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | (waits ? 0 : O_NONBLOCK))
    guard descriptor >= 0 else { throw TraceError(path: path, cause: "cannot open: \(String(cString: strerror(errno)))") }
    // trace_pipe gives what comes.
    if !waits { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK) }
    return descriptor
}
