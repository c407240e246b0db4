/// The clock that records get their times from.
public struct ClockChoice: Sendable {
    public let name: String
    /// What the user should know of it, one sentence each.
    public let warnings: [String]

    /// Sources of time that have too few ticks: all records of a jiffy would have one time.
    private static let coarse: Set<String> = ["jiffies", "refined-jiffies"]
    /// Sources that are read through a bus, which takes a microsecond or so.
    private static let slow: Set<String> = ["hpet", "acpi_pm"]

    /// - Parameters:
    ///   - requested: by the user; nil for the best.
    ///   - known: content of `trace_clock`: `[local] global counter …`.
    ///   - source: the kernel's clocksource, as `tsc`; nil if not known.
    init(_ requested: String?, known: String, source: String?) throws(RecordingError) {
        let names = known.split { $0 == " " || $0 == "\n" }.map { $0.drop { $0 == "[" }.prefix { $0 != "]" } }.map(String.init)
        let source = source.map { String($0.prefix { $0 != "\n" }) }
        if let requested {
            guard names.contains(requested) else {
                throw RecordingError("the kernel has no clock \"\(requested)\"; it has \(names.joined(separator: ", "))")
            }
            name = requested
        } else {
            // CLOCK_MONOTONIC is one clock for all CPUs, whatever it is made of. `global` is sched_clock() behind a lock; it is kept from going back.
            let best = source.map(Self.coarse.contains) ?? false ? ["global", "mono", "local"] : ["mono", "global", "local"]
            guard let first = best.first(where: names.contains) else {
                throw RecordingError("the kernel has none of the clocks \(best.joined(separator: ", ")); choose with --clock: \(names.joined(separator: ", "))")
            }
            name = first
        }
        warnings = Self.warnings(name, source)
    }

    private static func warnings(_ name: String, _ source: String?) -> [String] {
        switch name {
        case "counter": ["clock counter counts records: the trace has an order and no time"]
        case "uptime": ["clock uptime counts jiffies: many records have the same time, and those of different CPUs no order"]
        case "local", "perf":
            source == "tsc" ? [] :
            ["clock \(name) differs between CPUs unless the TSC is reliable, and the clocksource is \(source ?? "not known"): mono is one clock for all"]
        case "x86-tsc": ["clock x86-tsc counts cycles: the report will have no times in seconds"]
        case "mono", "boot", "tai", "mono_raw":
            !(source.map(slow.contains) ?? false) ? [] : ["the clocksource is \(source ?? ""): every record takes a microsecond or so for its time; --clock global is faster, and less exact between CPUs"]
        default: []
        }
    }
}
