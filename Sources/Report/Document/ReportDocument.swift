/// One report on one trace, as plain values: what JSON writes, and what every other format is rendered from.
///
/// The keys of the JSON form are described in docs/report.schema.json and explained in docs/reading-a-report.md. A change of
/// a key, or of what a key means, is a new ``currentSchemaVersion``; a new optional key is not.
///
/// Times are integer nanoseconds of the trace's clock (see ``Trace/timeUnit`` for clocks that do not count time), counts are
/// integers, CPUs are the kernel's numbers.
public struct ReportDocument: Codable, Equatable, Sendable {
    /// The version of the schema that this code writes.
    public static let currentSchemaVersion = 1

    public var schemaVersion: Int
    public var tool: Tool
    public var trace: Trace
    public var evidence: Evidence
    public var recorded: Recorded
    /// Whose tasks ran; nil in reports of older versions.
    public var workload: Workload?
    /// What each scheme would have done with the recorded history, by scheme identifier ("v4.12", "v4.13-parent", "v4.13").
    public var schemes: [String: Scheme]
    /// Pairs of schemes, the old one and the one that replaced it.
    public var comparisons: [Comparison]
    /// The first divergences of each comparison, as many as the user asked for, in time order; nil unless the list was asked for.
    public var divergences: [Divergence]?
    /// The processes whose flushes interrupt most CPUs, most first.
    public var interrupters: [Interrupter]
    /// Processes that are not listed there; nil if all are.
    public var interruptersOmitted: Int?
    /// Who interrupts whom; nil if no scheme was replayed.
    @ExplicitNull public var ipiMatrix: IPIMatrix?
    public var shootdownLatency: ShootdownLatency
    /// How many pages the recorded flushes are of, the smallest first; nil if there are none, and in reports of older versions.
    public var flushSizes: [FlushSize]?
    /// How well the recorded kernel's own scheme predicts the records; nil if that kernel runs none of the schemes.
    @ExplicitNull public var conformance: Conformance?
    /// The recorded kernel's own scheme's counters at the trace_marker lines of the trace; nil if there are none.
    public var marks: [Mark]?
    /// trace_marker lines that are not listed there; nil if all are.
    public var marksOmitted: Int?
    /// What of the trace could not be read (`--keep-going`).
    public var problems: [Problem]

    public init(
        tool: Tool, trace: Trace, evidence: Evidence = Evidence(), recorded: Recorded = Recorded(),
        schemes: [String: Scheme] = [:], comparisons: [Comparison] = [], divergences: [Divergence]? = nil,
        interrupters: [Interrupter] = [], ipiMatrix: IPIMatrix? = nil,
        shootdownLatency: ShootdownLatency = ShootdownLatency(), conformance: Conformance? = nil,
        marks: [Mark]? = nil, problems: [Problem] = []
    ) {
        schemaVersion = Self.currentSchemaVersion
        self.tool = tool
        self.trace = trace
        self.evidence = evidence
        self.recorded = recorded
        self.schemes = schemes
        self.comparisons = comparisons
        self.divergences = divergences
        self.interrupters = interrupters
        self.ipiMatrix = ipiMatrix
        self.shootdownLatency = shootdownLatency
        self.conformance = conformance
        self.marks = marks
        self.problems = problems
    }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case tool, trace, evidence, recorded, workload, schemes, comparisons, divergences, interrupters
        case interruptersOmitted = "interrupters_omitted"
        case ipiMatrix = "ipi_matrix"
        case shootdownLatency = "shootdown_latency"
        case flushSizes = "flush_sizes"
        case conformance, marks
        case marksOmitted = "marks_omitted"
        case problems
    }

    /// The program that made the report.
    public struct Tool: Codable, Equatable, Sendable {
        public var name: String
        public var version: String

        public init(name: String = "lazytlb", version: String) {
            self.name = name
            self.version = version
        }
    }

    /// Something in the trace that could not be read, and was left out of the report.
    public struct Problem: Codable, Equatable, Sendable {
        /// Where in the file, in bytes from its start; nil if it has no single place.
        @ExplicitNull public var offset: UInt64?
        /// Where in the text, by the number of the line; absent for other traces.
        public var line: Int?
        public var cause: String

        public init(offset: UInt64?, line: Int? = nil, cause: String) {
            self.offset = offset
            self.line = line
            self.cause = cause
        }
    }
}
