/// Bounds on metrics, written by hand. docs/ci.md describes the format.
public struct Budget: Sendable, Equatable {
    public static let schemaVersion = 1

    public var evidence = EvidenceLimits()
    public var bounds: [Bound]

    /// What one metric may be.
    public struct Bound: Sendable, Equatable {
        public var metric: Metric
        public var rate: Rate
        /// In the rate's unit; a share of the CPU time from 0 to 1.
        public var minimum: Double?
        public var maximum: Double?
        /// Relative to the baseline: 0.1 is 10 %.
        public var maximumIncrease: Double?
        public var maximumDecrease: Double?
        /// Where it stands in the budget.
        public var line: Int?

        public var needsBaseline: Bool { maximumIncrease != nil || maximumDecrease != nil }
    }

    public init(bounds: [Bound]) { self.bounds = bounds }

    public init(text: String, path: String) throws(DocumentError) {
        let top = try Located(text, path: path)
        let members = try top.members(["schema_version", "evidence", "metrics"])
        let version = try top.required("schema_version")
        guard try version.integer() == Self.schemaVersion else {
            throw version.fail("a budget of schema version \(try version.scalar()); this tool reads version \(Self.schemaVersion)")
        }
        bounds = []
        if let evidence = members.first(where: { $0.name == "evidence" })?.value {
            for (name, value) in try evidence.members(["max_unknown", "max_unknown_time"]) {
                if name == "max_unknown" { self.evidence.unknown = try Self.share(value) } else { self.evidence.unknownTime = try Self.share(value) }
            }
        }
        let metrics = try top.required("metrics")
        for (name, value) in try metrics.members() { bounds.append(try Self.bound(name, value)) }
        guard !bounds.isEmpty else { throw metrics.fail("a budget needs at least one metric") }
    }

    private static func bound(_ name: String, _ node: Located) throws(DocumentError) -> Bound {
        guard let metric = MetricCatalogue.metric(named: name) else {
            let names = Array(MetricCatalogue.known.keys) + ["processes.NAME.flushes", "processes.NAME.ipi_targets.kernel", "processes.NAME.ipi_targets.v4.13"]
            throw node.name.unknown("metric", name, among: names)
        }
        var bound = Bound(metric: metric, rate: .usual(for: metric.unit))
        let members = try node.members(["per", "min", "max", "max_increase", "max_decrease"])
        bound.line = node.name.node.line
        for (key, value) in members {
            switch key {
            case "per":
                let text = try value.text()
                let fitting = Rate.allCases.filter { $0.fits(metric.unit) }
                guard let rate = Rate(rawValue: text) else { throw value.unknown("rate", text, among: fitting.map(\.rawValue)) }
                guard rate.fits(metric.unit) else {
                    throw value.fail("\(name) has the unit \(metric.unit.rawValue): per is \(list(fitting.map(\.rawValue), "or"))")
                }
                bound.rate = rate
            // Read below: what it may be depends on the rate, wherever that stands.
            case "min", "max": continue
            case "max_increase": bound.maximumIncrease = try value.percentage()
            default:
                bound.maximumDecrease = try value.percentage()
                if bound.maximumDecrease! >= 1 { throw value.fail("a metric cannot decrease by 100 % or more below zero: use min") }
            }
        }
        for (key, value) in members where key == "min" || key == "max" {
            let limit = try Self.limit(value, metric, bound.rate)
            if key == "min" { bound.minimum = limit } else { bound.maximum = limit }
        }
        guard bound.minimum != nil || bound.maximum != nil || bound.needsBaseline else {
            throw node.name.fail("no bound: expected min, max, max_increase or max_decrease")
        }
        if let low = bound.minimum, let high = bound.maximum, low > high { throw node.name.fail("min \(numberText(low)) is above max \(numberText(high))") }
        return bound
    }

    /// What `min` and `max` may be: a number that is not negative; of a share at most 1, or a percentage. Anything else would hold always or never.
    private static func limit(_ node: Located, _ metric: Metric, _ rate: Rate) throws(DocumentError) -> Double {
        if metric.unit == .share || rate == .shareOfCPUTime { return try share(node, rate == .shareOfCPUTime ? "a share of the CPU time" : "a share") }
        if try node.scalar().hasSuffix("%") {
            throw node.fail("\(metric.name) per \(rate.rawValue) is no share: expected a number; max_increase and max_decrease are relative to the baseline")
        }
        return try node.nonNegative()
    }

    /// A share: a number from 0 to 1, or a percentage.
    private static func share(_ node: Located, _ what: String = "a share") throws(DocumentError) -> Double {
        let isPercentage = try node.scalar().hasSuffix("%")
        let value = isPercentage ? try node.percentage() : try node.nonNegative()
        guard value <= 1 else {
            throw node.fail(isPercentage ? "a share is at most 100 %" : "\(what): expected a number from 0 to 1, or a percentage, as \"10 %\"")
        }
        return value
    }
}
