/// The clock that a buffer's times come from (Documentation/trace/ftrace.rst, "trace_clock").
public struct Clock: Sendable, Equatable {
    /// The kernel's name: `local`, `global`, `mono`, `x86-tsc`, …
    public var name: String
    /// Times were scaled to ns by the file's TSC2NSEC option.
    public var scaled: Bool

    public init(name: String, scaled: Bool = false) {
        self.name = name
        self.scaled = scaled
    }

    /// What a record's time counts.
    public enum Unit: String, Sendable {
        case nanoseconds = "ns"
        /// Of the time stamp counter.
        case cycles
        /// Of the kernel's timer, of which most kernels have 100 to 1000 a second; a trace does not tell how many.
        case jiffies
        /// Records: the clock is an atomic counter.
        case events
        /// Nobody knows: the trace is a text that has numbers only.
        case unknown
    }

    /// What a text does not name. Its times are in ns.
    public static let unknown = Clock(name: "unknown")
    /// What a text does not name, whose times are numbers of no unit.
    public static let withoutUnit = Clock(name: "unknown, no unit")

    public var unit: Unit {
        switch name {
        case "counter": .events
        case "uptime": .jiffies
        case Self.withoutUnit.name: .unknown
        case _ where scaled: .nanoseconds
        case "x86-tsc", "ppc-tb": .cycles
        default: .nanoseconds
        }
    }

    /// False for `counter`, whose numbers say the order only; true where it is not known.
    public var isTime: Bool { unit != .events }

    /// Times of different CPUs can be compared exactly. `local` (sched_clock) is not synchronised between CPUs unless the TSC is
    /// stable; `perf` is local_clock(), which is alike.
    public var comparableBetweenCPUs: Bool { !["local", "perf", Self.unknown.name, Self.withoutUnit.name].contains(name) }

    /// Reads the content of a `trace_clock` file: `[local] global counter …` names the current one in brackets.
    init(traceClockFile text: String) {
        let name = Self.bracketed(text) ?? text.split { $0 == " " || $0 == "\n" || $0 == "\0" }.first.map(String.init) ?? ""
        // Old versions of trace-cmd wrote rubbish there; the kernel's default is local.
        self.init(name: Self.isPlausible(name) ? name : "local")
    }

    /// Whether a `trace_clock` file tells the current clock, as the kernel's own does.
    package static func isNamed(inTraceClockFile text: String) -> Bool { bracketed(text).map(isPlausible) ?? false }

    private static func bracketed(_ text: String) -> String? {
        text.split(separator: "[", maxSplits: 1, omittingEmptySubsequences: false).dropFirst().first
            .flatMap { $0.split(separator: "]", maxSplits: 1, omittingEmptySubsequences: false).first }.map(String.init)
    }

    private static func isPlausible(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count < 32 && name.utf8.allSatisfy { 0x21...0x7e ~= $0 } || name == withoutUnit.name
    }
}
