import ArgumentParser
import TraceData

/// A time of the trace's clock as people write it: seconds with a fraction, or a number of the clock's own units where these are not ns.
struct TraceTime {
    let argument: String
    private let ns: UInt64
    /// The argument as a whole number.
    private let whole: UInt64?

    init(_ argument: String) throws {
        self.argument = argument
        let expected = ValidationError("expected seconds of the trace's clock, with up to nine digits behind the point, as 16.855; a whole number where the clock counts no time")
        let parts = argument.split(separator: ".", omittingEmptySubsequences: false)
        // (A number may have a sign.)
        guard parts.count <= 2, !parts[0].isEmpty, parts.joined().utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { throw expected }
        guard let seconds = UInt64(parts[0]) else { throw ValidationError("a time is at most \(UInt64.max)") }
        var fraction: UInt64 = 0
        if parts.count == 2 {
            guard parts[1].count <= 9, let digits = UInt64(parts[1] + String(repeating: "0", count: 9 - parts[1].count)) else { throw expected }
            fraction = digits
        }
        whole = parts.count == 1 ? seconds : nil
        ns = seconds < 18_000_000_000 ? seconds * 1_000_000_000 + fraction : .max
    }

    /// In units of the file's clock.
    func time(_ file: TraceFile) throws(TraceError) -> UInt64 {
        if file.clock.unit == .nanoseconds { return ns }
        guard let whole else { throw TraceError(path: file.path, cause: "the clock \(file.clock.name) does not count seconds: --from and --to are whole numbers") }
        return whole
    }
}
