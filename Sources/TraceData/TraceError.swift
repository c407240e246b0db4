/// Why a trace could not be read, and where in the file.
///
/// The description is `PATH: at byte OFFSET: CAUSE`, or `PATH: line NUMBER: CAUSE` of a text; the command line puts the program's name before it and exits with status 2.
public struct TraceError: Error, Sendable, Hashable, CustomStringConvertible {
    public var path: String
    /// Byte offset in the file; nil when the cause has no place in it (it can't be opened, it is a directory).
    public var offset: UInt64?
    /// Number of the line, from 1 on, in a trace that is a text; nil in others.
    public var line: Int?
    /// What was found, and what was expected.
    public var cause: String

    public init(path: String, offset: UInt64? = nil, line: Int? = nil, cause: String) {
        self.path = path
        self.offset = offset
        self.line = line
        self.cause = cause
    }

    public var description: String {
        if let line { return "\(path): line \(line): \(cause)" }
        guard let offset else { return "\(path): \(cause)" }
        return "\(path): at byte \(offset): \(cause)"
    }
}

/// Something in a trace that could not be read, kept aside because the user asked to keep going.
public struct TraceProblem: Sendable, Hashable, CustomStringConvertible {
    public var error: TraceError
    /// The CPU whose data ended early, if it is about one.
    public var cpu: Int?

    public init(_ error: TraceError, cpu: Int? = nil) {
        self.error = error
        self.cpu = cpu
    }

    public var description: String {
        guard let cpu else { return error.description }
        return "\(error.description) (CPU \(cpu))"
    }
}
