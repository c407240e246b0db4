import Report

/// What is expected of a workload: the metrics of some recordings of it, and what they were made from.
public struct Baseline: Sendable, Equatable {
    /// The version of the file format that this code writes and reads.
    public static let schemaVersion = 1

    public var tool: String
    public var recordings: [Recording]

    public init(tool: String, recordings: [Recording]) {
        self.tool = tool
        self.recordings = recordings
    }

    /// Whether it says anything of the metric, be it that it is not known. Only processes come and go with the recordings.
    func has(_ metric: Metric) -> Bool { MetricCatalogue.known[metric.name] == nil || recordings.contains { $0.values[metric.name] != nil } }
}

// MARK: - Writing

extension Baseline {
    /// The text of a baseline file: JSON with one line a metric, so that a change of it can be reviewed.
    ///
    /// `values` are totals, one a recording. `per_…` are there for the reader, and are not read back: the geometric mean of the rates,
    /// and as `spread` the standard deviation of their logarithms (0.1 is about 10 %).
    public func json() -> String {
        var lines = ["{", "  \"schema_version\": \(Self.schemaVersion),", "  \"kind\": \"lazytlb-baseline\",", "  \"tool\": \(quoted(tool)),"]
        lines.append("  \"recordings\": [")
        for (index, recording) in recordings.enumerated() {
            lines += ["    {"] + Self.header(recording) + ["    }" + (index + 1 < recordings.count ? "," : "")]
        }
        lines += ["  ],", "  \"metrics\": {"]
        let names = Set(recordings.flatMap(\.values.keys)).sorted()
        for (index, name) in names.enumerated() {
            guard let metric = MetricCatalogue.metric(named: name) else { continue }
            lines.append("    \(quoted(name)): \(line(metric))" + (index + 1 < names.count ? "," : ""))
        }
        return (lines + ["  }", "}"]).joined(separator: "\n") + "\n"
    }

    private static func header(_ recording: Recording) -> [String] {
        func text(_ value: String?) -> String { value.map(quoted) ?? "null" }
        let tasks = recording.tasks.map {
            "{\"name\": \(quoted($0.name)), \"kernel_thread\": \($0.isKernelThread), \"share\": \(jsonNumber($0.share, decimals: 4))}"
        }
        return [
            "      \"path\": \(quoted(recording.path)),",
            "      \"kernel\": \(text(recording.kernel)), \"scheme\": \(text(recording.scheme)), \"machine\": \(text(recording.machine)),",
            "      \"clock\": \(quoted(recording.clock)), \"counts_time\": \(recording.countsTime), \"cpus\": \(recording.cpus), \"duration_ns\": \(recording.durationNS),",
            "      \"events\": \(recording.events), \"context_switches\": \(recording.switches), \"lost_gaps\": \(recording.lostGaps), \"lost_events\": \(recording.lostEvents), \"problems\": \(recording.problems),",
            "      \"evidence\": \(quoted(recording.evidence)), \"unknown_switches\": \(recording.unknownSwitches), \"flushes\": \(recording.flushes), \"unknown_flushes\": \(recording.unknownFlushes), \"unknown_time_ns\": \(recording.unknownTimeNS), \"broken_chains\": \(recording.brokenChains),",
            "      \"lists_all_processes\": \(recording.hasAllProcesses),",
            "      \"tasks\": [\(tasks.joined(separator: ", "))]",
        ]
    }

    private func line(_ metric: Metric) -> String {
        let values = recordings.map { $0.value(metric) }
        var text = "{\"unit\": \(quoted(metric.unit.rawValue)), \"values\": [\(values.map { $0.map { jsonNumber($0) } ?? "null" }.joined(separator: ", "))]"
        for rate in Rate.allCases where rate != .total && rate.fits(metric.unit) {
            let key = rate == .shareOfCPUTime ? "share_of_cpu_time" : "per_" + rate.rawValue.replacing(" ", with: "_")
            let rates = zip(recordings, values).compactMap { recording, value in
                value.flatMap { value in recording.exposure(rate).map { value / $0 } }
            }
            guard !rates.isEmpty else { continue }
            let mean = rates.allSatisfy { $0 > 0 } ? exponential(average(rates.map(logarithm))) : average(rates)
            text += ", \"\(key)\": {\"mean\": \(jsonNumber(mean, decimals: 4))"
            if rates.count > 1, rates.allSatisfy({ $0 > 0 }) { text += ", \"spread\": \(jsonNumber(deviation(rates.map(logarithm)), decimals: 4))" }
            text += "}"
        }
        return text + "}"
    }
}

// MARK: - Reading

extension Baseline {
    /// Reads what ``json()`` wrote.
    public init(text: String, path: String) throws(DocumentError) {
        let top = try Located(text, path: path)
        let members = try top.members()
        guard members.contains(where: { $0.name == "kind" }), try top.required("kind").text() == "lazytlb-baseline" else {
            throw top.fail("not a baseline: expected \"kind\": \"lazytlb-baseline\"; lazytlb baseline TRACE… -o FILE writes one")
        }
        let version = try top.required("schema_version")
        guard try version.integer() == Self.schemaVersion else {
            throw version.fail("a baseline of schema version \(try version.scalar()); this tool reads version \(Self.schemaVersion): write it anew with lazytlb baseline")
        }
        _ = try top.members(["schema_version", "kind", "tool", "recordings", "metrics"])
        tool = try top.required("tool").text()
        recordings = []
        let list = try top.required("recordings")
        for element in try list.elements() { recordings.append(try Self.recording(element)) }
        guard !recordings.isEmpty else { throw list.fail("a baseline needs at least one recording") }
        for (name, value) in try top.required("metrics").members() { try readMetric(name, value) }
    }

    private static func recording(_ node: Located) throws(DocumentError) -> Recording {
        var recording = Recording(path: try node.required("path").text())
        _ = try node.members([
            "path", "kernel", "scheme", "machine", "clock", "counts_time", "cpus", "duration_ns", "events", "context_switches", "lost_gaps",
            "lost_events", "problems", "evidence", "unknown_switches", "flushes", "unknown_flushes", "unknown_time_ns", "broken_chains", "lists_all_processes", "tasks",
        ])
        recording.kernel = try node.required("kernel").optionalText()
        recording.scheme = try node.required("scheme").optionalText()
        recording.machine = try node.required("machine").optionalText()
        recording.clock = try node.required("clock").text()
        recording.countsTime = try node.required("counts_time").bool()
        recording.cpus = try node.required("cpus").count()
        recording.durationNS = UInt64(try node.required("duration_ns").count())
        recording.events = try node.required("events").count()
        recording.switches = try node.required("context_switches").count()
        recording.lostGaps = try node.required("lost_gaps").count()
        recording.lostEvents = try node.required("lost_events").count()
        recording.problems = try node.required("problems").count()
        recording.evidence = try node.required("evidence").text()
        recording.unknownSwitches = try node.required("unknown_switches").count()
        recording.flushes = try node.required("flushes").count()
        recording.unknownFlushes = try node.required("unknown_flushes").count()
        recording.unknownTimeNS = UInt64(try node.required("unknown_time_ns").count())
        recording.brokenChains = try node.required("broken_chains").count()
        recording.hasAllProcesses = try node.required("lists_all_processes").bool()
        for task in try node.required("tasks").elements() {
            _ = try task.members(["name", "kernel_thread", "share"])
            recording.tasks.append(
                .init(
                    name: try task.required("name").text(), isKernelThread: try task.required("kernel_thread").bool(),
                    share: try task.required("share").share()))
        }
        return recording
    }

    private mutating func readMetric(_ name: String, _ node: Located) throws(DocumentError) {
        guard let metric = MetricCatalogue.metric(named: name) else {
            throw node.name.unknown("metric", name, among: Array(MetricCatalogue.known.keys) + ["processes.NAME.flushes"])
        }
        _ = try node.members(["unit", "values", "per_second", "per_1000_switches", "per_cpu_second", "share_of_cpu_time"])
        let unit = try node.required("unit")
        guard try unit.text() == metric.unit.rawValue else { throw unit.fail("the unit of \(name) is \(metric.unit.rawValue)") }
        let values = try node.required("values")
        let elements = try values.elements()
        guard elements.count == recordings.count else {
            throw values.fail("expected a value for each of the \(recordings.count) recordings, found \(elements.count)")
        }
        for (index, element) in elements.enumerated() {
            guard !element.isNull else {
                recordings[index].values[name] = .some(nil)
                continue
            }
            let value = metric.unit == .share ? try element.share() : try element.nonNegative()
            // Times and counts have 64 bits where they are counted.
            guard value <= Double(UInt64.max) else { throw element.fail("expected a number that a report can hold, found \(value)") }
            recordings[index].values[name] = .some(value)
        }
    }
}
