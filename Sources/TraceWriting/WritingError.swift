import Glibc

/// What a file could not be written for.
public struct WritingError: Error, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }

    /// With the text of errno.
    public init(errno what: String) { description = "\(what): \(String(cString: strerror(Glibc.errno)))" }
}

/// Writes all bytes at the place where a file stands.
public func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer) throws(WritingError) {
    var rest = bytes
    while !rest.isEmpty {
        let count = Glibc.write(file, rest.baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw WritingError(errno: "writing") }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}

/// The same.
public func writeAll(_ file: Int32, _ bytes: [UInt8]) throws(WritingError) {
    let wrong = bytes.withUnsafeBytes { raw -> WritingError? in
        do throws(WritingError) {
            try writeAll(file, raw)
            return nil
        } catch { return error }
    }
    if let wrong { throw wrong }
}
