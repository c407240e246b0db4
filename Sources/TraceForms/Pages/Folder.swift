import Glibc
import TraceData

/// Names and small files of a folder.
enum Folder {
    /// Names in a folder, sorted, but for those that begin with a point; nil if it is none.
    static func names(_ path: String) -> [String]? {
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Opens a file of a trace for reading; nil if there is none of this name.
    static func open(_ path: String) throws(TraceError) -> (descriptor: Int32, size: Int)? {
        // What is no regular file may make open(2) wait.
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT || errno == ENOTDIR { return nil }
        guard descriptor >= 0 else { throw TraceError(path: path, cause: "cannot open: \(String(cString: strerror(errno)))") }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw TraceError(path: path, cause: "is not a regular file")
        }
        return (descriptor, Int(clamping: status.st_size))
    }

    /// All bytes of a small file; nil if there is none of this name.
    static func bytes(_ path: String, limit: Int) throws(TraceError) -> [UInt8]? {
        guard let (descriptor, size) = try open(path) else { return nil }
        defer { close(descriptor) }
        guard size <= limit else { throw TraceError(path: path, cause: "has \(size) bytes, the limit is \(limit)") }
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + filled, size - filled) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            filled += count
        }
        return Array(bytes[..<filled])
    }

    /// A file states that it is empty, and is not: it is one of tracefs itself.
    static func isKernels(_ path: String) throws(TraceError) -> Bool {
        guard let (descriptor, size) = try open(path) else { return false }
        defer { close(descriptor) }
        var byte: UInt8 = 0
        return size == 0 && read(descriptor, &byte, 1) == 1
    }
}
