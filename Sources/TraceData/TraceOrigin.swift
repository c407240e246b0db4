/// In which form a trace came, and what that form leaves out.
///
/// Whatever it was, it is read as a trace.dat file; this is what is to be told of it beside.
public struct TraceOrigin: Sendable {
    public enum Form: String, Sendable, CaseIterable {
        case traceDat = "trace.dat"
        /// Lines of ftrace's own text, or of `trace-cmd report`.
        case text
        /// A folder with the raw sub-buffers of each CPU, as they come out of tracefs.
        case pages
        case perfData = "perf.data"
    }

    public var form = Form.traceDat
    /// More of the form, e.g. which program wrote the text; empty for a trace.dat file.
    public var detail = ""
    /// What a trace.dat file of the same recording would have told, and what this form does not: a sentence each.
    public var leftOut: [String] = []
    /// What could not be read of it, with ``TraceFile/Options/keepGoing``, and what it lacks by its own account.
    public var problems: [TraceProblem] = []
    /// Name of the buffer that was read; nil where the file tells by itself.
    public var buffer: String?
    /// Names of other buffers that have records, where only one has been taken over.
    public var otherBuffers: [String] = []
    /// By CPU: the file that its sub-buffers were in from the first byte on.
    public var sources: [Int: String] = [:]

    public init(_ form: Form = .traceDat) { self.form = form }
}

extension TraceFile {
    /// The recorded machine is an x86 one, or the file does not say.
    public var runsOnX86: Bool {
        guard let machine else { return true }
        return ["x86_64", "amd64", "i386", "i486", "i586", "i686"].contains(machine)
    }
}
