import Report

/// What two sets of recordings differ in, the most relevant first and what is of trust only last: traces, reports or baselines, one or several on each side.
public struct Diff: Sendable, Equatable, Codable {
    public static let schemaVersion = 1

    public var schemaVersion = Self.schemaVersion
    public var kind = "lazytlb-diff"
    public var left: Side
    public var right: Side
    /// What would keep them from being compared as regressions are.
    public var notComparable: [String]
    /// Whether a recording lacks records, so that neither differences nor their absence are known.
    private var isIncomplete = false
    public var changes: [Change]
    /// Metrics that are the same on both sides.
    public var unchanged: Int

    public struct Side: Sendable, Equatable, Codable {
        public var name: String
        public var recordings: [String]
        public var kernels: [String]
    }

    public struct Change: Sendable, Equatable, Codable {
        public var metric: String
        /// By what the rates are divided; totals are beside them.
        public var per: String
        /// Means over the recordings, geometric ones of the rates; nil where the side does not know the metric.
        @ExplicitNull public var left: Double?
        @ExplicitNull public var right: Double?
        @ExplicitNull public var leftRate: Double?
        @ExplicitNull public var rightRate: Double?
        /// The right rate as a multiple of the left one; nil if one of them is not known, or the left one is zero.
        @ExplicitNull public var ratio: Double?
        /// What a check would take for the ratio, so that zero is a rate like others; nil if one of them is not known.
        @ExplicitNull public var estimatedRatio: Double?
        /// How many standard errors the log rates are apart, by the same measure as in a check; nil like ``estimatedRatio``.
        @ExplicitNull public var distance: Double?

        enum CodingKeys: String, CodingKey {
            case metric, per, left, right, ratio, distance
            case leftRate = "left_rate"
            case rightRate = "right_rate"
            case estimatedRatio = "estimated_ratio"
        }
    }

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
        case kind, left, right, changes, unchanged
        case notComparable = "not_comparable"
    }

    public init(_ leftName: String, _ left: [Recording], _ rightName: String, _ right: [Recording]) {
        self.left = Self.side(leftName, left)
        self.right = Self.side(rightName, right)
        let lacks = (left + right).compactMap { recording in recording.missingRecords.map { "\(recording.path): \($0)" } }
        isIncomplete = !lacks.isEmpty
        // A side beside itself lacks the same twice.
        let sides = Comparability.Sides(here: "in \(printable(rightName))", there: "in \(printable(leftName))")
        notComparable = (Comparability.reasons(right, left, sides) + lacks).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        changes = []
        unchanged = 0
        for name in Set((left + right).flatMap(\.values.keys)).sorted() {
            guard let metric = MetricCatalogue.metric(named: name) else { continue }
            func isAbsent(_ side: [Recording]) -> Bool { side.allSatisfy { $0.value(metric) == nil } }
            if metric.mayBeAbsent, isAbsent(left) || isAbsent(right) { continue }
            if Self.isSame(metric, left, right) {
                unchanged += 1
            } else if let change = Self.change(metric, left, right) {
                changes.append(change)
            } else {
                unchanged += 1
            }
        }
        func rank(_ change: Change) -> (Int, Double) { (Self.metric(change)?.isOfTrust == true ? 1 : 0, -(change.distance ?? .infinity).magnitude) }
        changes.sort { rank($0) < rank($1) }
    }

    /// As many recordings on both sides or not: those of one side have what those of the other have.
    private static func isSame(_ metric: Metric, _ left: [Recording], _ right: [Recording]) -> Bool {
        let rate = Rate.usual(for: metric.unit)
        func rates(_ recordings: [Recording]) -> Set<Double?> {
            Set(recordings.map { recording in recording.value(metric).map { $0 / (recording.exposure(rate) ?? 1) } })
        }
        return rates(left) == rates(right)
    }

    private static func metric(_ change: Change) -> Metric? { MetricCatalogue.metric(named: change.metric) }

    private static func side(_ name: String, _ recordings: [Recording]) -> Side {
        Side(name: name, recordings: recordings.map(\.path), kernels: Set(recordings.map { $0.kernel ?? "not known" }).sorted())
    }

    private static func change(_ metric: Metric, _ left: [Recording], _ right: [Recording]) -> Change? {
        var rate = Rate.usual(for: metric.unit)
        if (left + right).contains(where: { $0.exposure(rate) == nil }) { rate = .total }
        func samples(_ recordings: [Recording]) -> [RateComparison.Sample]? {
            let found = recordings.compactMap { recording in
                recording.value(metric).flatMap { value in recording.exposure(rate).map { RateComparison.Sample(total: value, exposure: $0) } }
            }
            return found.isEmpty ? nil : found
        }
        let (old, new) = (samples(left), samples(right))
        if old == nil && new == nil { return nil }
        var change = Change(metric: metric.name, per: rate.rawValue)
        (change.left, change.right) = (old.map { average($0.map(\.total)) }, new.map { average($0.map(\.total)) })
        (change.leftRate, change.rightRate) = (old.map(RateComparison.mean), new.map(RateComparison.mean))
        guard let old, let new else { return change }
        if change.left == 0, change.right == 0 { return nil }
        let comparison = RateComparison(baseline: old, now: new, unit: metric.unit, priorDeviation: metric.priorDeviation)
        (change.ratio, change.estimatedRatio) = (comparison.ratio, comparison.estimatedRatio)
        change.distance = comparison.difference / comparison.error
        return change
    }

    /// As of diff(1): 0 no differences, 1 some; 3 if neither can be told, since records are missing.
    public var exitStatus: Int32 { isIncomplete ? 3 : changes.isEmpty ? 0 : 1 }

    public func json() throws -> String { try encodedJSON(self) }

    /// A line for each metric that differs.
    public func text() -> String {
        var lines = ["--- \(printable(left.name)): kernel \(list(left.kernels.map(printable), "and"))", "+++ \(printable(right.name)): kernel \(list(right.kernels.map(printable), "and"))"]
        for reason in notComparable { lines.append("not comparable: \(printable(reason))") }
        if changes.isEmpty { return (lines + ["no differences in \(grouped(unchanged)) metrics"]).joined(separator: "\n") + "\n" }
        lines.append("")
        let width = min(56, changes.map { printable($0.metric).count }.max() ?? 0)
        for change in changes {
            let name = printable(change.metric)
            func rate(_ value: Double?) -> String {
                guard let value else { return "unknown" }
                switch Self.metric(change)?.unit {
                case .share: return percentText(value, decimals: 2)
                case .ns: return latencyText(value)
                default: return change.per == Rate.shareOfCPUTime.rawValue ? percentText(value) : numberText(value)
                }
            }
            var line = name + String(repeating: " ", count: max(0, width - name.count)) + "  \(rate(change.leftRate)) → \(rate(change.rightRate))"
            if change.per != Rate.total.rawValue, change.per != Rate.shareOfCPUTime.rawValue { line += " per \(change.per)" }
            // A multiple of nothing says nothing.
            if let ratio = change.ratio { line += " (\(changeText(ratio)))" }
            if let left = change.left, let right = change.right, change.per == Rate.perThousandSwitches.rawValue {
                line += ", \(numberText(left)) → \(numberText(right)) in all"
            }
            lines.append(line)
        }
        lines.append("\(grouped(unchanged)) metrics without a difference")
        return lines.joined(separator: "\n") + "\n"
    }
}
