/// What a check found: the values that every output format is rendered from, and the keys of its JSON form (docs/check.schema.json).
public struct CheckResult: Sendable, Equatable, Codable {
    public static let schemaVersion = 1

    public enum Outcome: String, Sendable, Codable {
        case passed, failed, inconclusive
        /// Nothing was to be judged: neither the recordings nor the baseline know the metric.
        case skipped
    }

    /// One thing that was judged.
    public struct Finding: Sendable, Equatable, Codable {
        /// `comparable`, `baseline`, `budget`, `conform`, `no-extra-ipis` or `no-stale-active-mm`.
        public var check: String
        /// What was judged: a metric, or a recording's path.
        public var subject: String
        /// Of a budget: the key, as `max_increase`; `min and max` where both are judged.
        public var bound: String?
        public var outcome: Outcome
        /// One sentence: why.
        public var reason: String
        /// More lines, as each deviation.
        public var details: [String] = []
        public var numbers: Numbers?

        public init(check: String, subject: String, bound: String? = nil, outcome: Outcome, reason: String, details: [String] = [], numbers: Numbers? = nil) {
            self.check = check
            self.subject = subject
            self.bound = bound
            self.outcome = outcome
            self.reason = reason
            self.details = details
            self.numbers = numbers
        }

        /// What names it among those of one check: a metric may have several bounds.
        public var title: String { bound.map { "\(subject) \($0)" } ?? subject }
        /// What names it in lists of tests.
        public var name: String { "\(check): \(title)" }
    }

    /// What a decision about a metric rests on.
    public struct Numbers: Sendable, Equatable, Codable {
        /// By what totals are divided, as `1000 switches`.
        public var per: String
        public var rate: Double
        public var baselineRate: Double?
        /// The effect: the rate as a multiple of the baseline's; nil where that is zero.
        public var ratio: Double?
        /// What the test takes for it, so that zero is a rate like others, and the limits of its confidence interval.
        public var estimatedRatio: Double?
        public var ratioLow: Double?
        public var ratioHigh: Double?
        /// Adjusted for the number of metrics judged at once.
        public var pValue: Double?
        /// The ratio that would be seen with a probability of 80 %.
        public var detectableRatio: Double?
        /// The bound that was applied.
        public var minimum: Double?
        public var maximum: Double?

        enum CodingKeys: String, CodingKey {
            case per, rate, ratio, minimum, maximum
            case baselineRate = "baseline_rate"
            case estimatedRatio = "estimated_ratio"
            case ratioLow = "ratio_low"
            case ratioHigh = "ratio_high"
            case pValue = "p_value"
            case detectableRatio = "detectable_ratio"
        }
    }

    public var schemaVersion = Self.schemaVersion
    public var kind = "lazytlb-check"
    public var tool: String
    public var recordings: [String]
    public var baseline: String?
    public var budget: String?
    /// How decisions were made, and what the reader should know.
    public var notes: [String]
    public var findings: [Finding]
    public var verdict: Outcome

    public init(tool: String, recordings: [String], baseline: String? = nil, budget: String? = nil) {
        self.tool = tool
        self.recordings = recordings
        self.baseline = baseline
        self.budget = budget
        notes = []
        findings = []
        verdict = .passed
    }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case kind, tool, recordings, baseline, budget, notes, findings, verdict
    }

    public func count(_ outcome: Outcome) -> Int { findings.reduce(0) { $0 + ($1.outcome == outcome ? 1 : 0) } }

    /// A regression is one, whatever else could not be decided; and what could not be decided is not fine. Nor is a check that judged nothing: that recordings
    /// can be compared is no result.
    public mutating func conclude() {
        let isAnythingFine = findings.contains { $0.outcome == .passed && $0.check != "comparable" }
        verdict = count(.failed) > 0 ? .failed : count(.inconclusive) > 0 || !isAnythingFine ? .inconclusive : .passed
    }

    /// 0 fine, 1 regression, 3 inconclusive. (2 is for input that is bad, of which there is no result.)
    public var exitStatus: Int32 {
        switch verdict {
        case .passed, .skipped: 0
        case .failed: 1
        case .inconclusive: 3
        }
    }

    /// One sentence.
    public var summary: String {
        let counts = "\(count(.failed)) failed, \(count(.inconclusive)) inconclusive, \(count(.passed)) passed"
        switch verdict {
        case .failed:
            let names = findings.filter { $0.outcome == .failed }.map { $0.numbers == nil ? $0.name : $0.title }
            return "Regression: \(names.prefix(6).joined(separator: ", "))\(names.count > 6 ? ", …" : "") (\(counts))"
        case .inconclusive: return "Inconclusive: neither fine nor a regression can be said (\(counts))"
        case .passed, .skipped: return "Fine (\(counts))"
        }
    }
}
