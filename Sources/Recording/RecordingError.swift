import Glibc
import TraceWriting

/// Why nothing could be recorded, and what to do about it.
public struct RecordingError: Error, Sendable, Equatable, CustomStringConvertible {
    public var description: String

    public init(_ description: String) { self.description = description }

    /// With the text of an errno.
    init(_ what: String, code: Int32) { description = "\(what): \(String(cString: strerror(code)))" }

    init(_ error: WritingError) { description = error.description }
}

/// Passes on what TraceWriting throws as this module's error.
func converting<R>(_ body: () throws(WritingError) -> R) throws(RecordingError) -> R {
    do throws(WritingError) { return try body() } catch { throw RecordingError(error) }
}
