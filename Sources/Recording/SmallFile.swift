import Glibc

/// Files of tracefs, procfs and sysfs: short, and of no size that stat(2) knows.
enum SmallFile {
    /// Everything that can be read of a file; nil with errno if it cannot be opened or read.
    ///
    /// - Parameter limit: bytes; what is longer is cut off there.
    static func bytes(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return bytes(file, limit: limit)
    }

    static func bytes(_ file: Int32, limit: Int = 1 << 20) -> [UInt8]? {
        var content: [UInt8] = []
        var capacity = 4096
        while content.count < limit {
            let wanted = min(capacity, limit - content.count)
            var failed = false
            let part = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
                repeat {
                    let count = read(file, buffer.baseAddress!, wanted)
                    failed = count < 0
                    filled = max(count, 0)
                } while failed && errno == EINTR
            }
            if failed { return nil }
            if part.isEmpty { break }
            content += part
            capacity = min(capacity * 2, 1 << 20)
        }
        return content
    }

    static func text(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    /// The names in a folder, "." and ".." left out, sorted; nil with errno if it cannot be read.
    static func names(_ folder: String) -> [String]? {
        guard let directory = opendir(folder) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Where a symbolic link leads; nil with errno if it is none.
    static func target(_ path: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = readlink(path, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Writes a value in one write(2), as tracefs wants it. Returns errno, 0 if all went well.
    static func write(_ path: String, _ text: String, append: Bool = false) -> Int32 {
        let file = open(path, O_WRONLY | O_CLOEXEC | (append ? O_APPEND : 0))
        guard file >= 0 else { return errno }
        defer { close(file) }
        var text = text
        let count = text.withUTF8 { Glibc.write(file, $0.baseAddress, $0.count) }
        return count == text.utf8.count ? 0 : count < 0 ? errno : EIO
    }
}

func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
