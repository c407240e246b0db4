/// A number of a report that a check can judge: what it is called, what it counts, and what it needs to be known.
///
/// Names are the keys of the report's JSON form, joined by dots: `schemes.v4.12.ipi_targets`, `recorded.ipi_sends`,
/// `comparisons.v4.12/v4.13.extra_ipi_targets`, `processes.thr.ipi_targets.v4.13`. Beside them `kernel.…` is what the recorded kernel's own scheme
/// has, whichever it is, so that one baseline or budget serves several kernels. docs/ci.md has the list.
public struct Metric: Sendable, Equatable {
    public var name: String
    public var unit: Unit
    public var direction: Direction
    public var needs: Needs

    public enum Unit: String, Sendable, Codable {
        /// Events of the whole recording: judged as a rate.
        case count
        /// Nanoseconds summed over CPUs: judged as a share of the CPU time.
        case cpuTime = "cpu_time_ns"
        /// Nanoseconds that are no sum: a latency.
        case ns
        /// From 0 to 1.
        case share

        /// It grows with the length of the recording.
        public var isSum: Bool { self == .count || self == .cpuTime }
    }

    /// Which way is worse.
    public enum Direction: String, Sendable {
        case higherIsWorse, lowerIsWorse, neither
    }

    /// What the trace must offer for the number to mean what it says.
    public struct Needs: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// All records: no lost events, no part that could not be read.
        public static let records = Needs(rawValue: 1)
        /// The mms of switches and flushes.
        public static let mms = Needs(rawValue: 2)
        /// What each CPU had loaded at (nearly) all times, and a clock that counts time.
        public static let loadedTime = Needs(rawValue: 4)
        /// A clock that counts time.
        public static let time = Needs(rawValue: 8)
    }
}

extension Metric {
    /// s₀ of ``RateComparison``: by how much the log rates of recordings of one workload vary beyond counting noise.
    ///
    /// Traffic depends on what runs, and varies little. Latencies depend on who was interrupted when. What is done for nothing to lazy CPUs depends on where idle periods fall besides. docs/ci.md has the
    /// measured spreads.
    var priorDeviation: Double {
        if unit == .cpuTime { return 0.25 }
        if unit == .ns { return 0.5 }
        let isOfIdleCPUs = name.hasSuffix(".ipi_ignored") || name.hasSuffix(".extra_ipi_targets") || name.contains(".divergences")
        return isOfIdleCPUs ? 0.5 : RateComparison.priorDeviation
    }
}

extension Metric {
    /// It says how far the others can be trusted, and nothing of the kernel's behaviour itself.
    var isOfTrust: Bool { name.hasPrefix("evidence.") || name.hasPrefix("conformance.") }

    /// A WARN or BUG condition: a fault, and no rate. Kernels that are right meet none.
    var isFault: Bool { name.hasSuffix(".warnings") || name.contains(".warnings.") }

    /// Reports and baselines of older versions do not have it: that it has no value there says nothing of the recording.
    var mayBeAbsent: Bool { name.contains(".cpu_time.") || Self.newer.contains { name.hasSuffix($0) } }

    private static let newer = [".cr3_loads_saved", ".cr3_reloads", ".ipi_idle", ".ipi_kernel", "shootdown_latency.sum_ns"]
}

/// What a metric's total is divided by before two recordings are compared.
public enum Rate: String, Sendable, CaseIterable {
    /// As it is.
    case total
    case perSecond = "second"
    /// Per 1,000 sched_switch records: the only one that hardly depends on how fast the machine was.
    case perThousandSwitches = "1000 switches"
    case perCPUSecond = "cpu second"
    /// Of the duration times the CPUs.
    case shareOfCPUTime = "cpu time"

    /// The one by which a metric is judged where nobody says otherwise.
    public static func usual(for unit: Metric.Unit) -> Rate {
        switch unit {
        case .count: .perThousandSwitches
        case .cpuTime: .shareOfCPUTime
        case .ns, .share: .total
        }
    }

    /// Whether it makes sense for a metric of this unit.
    public func fits(_ unit: Metric.Unit) -> Bool {
        switch self {
        case .total: true
        case .perSecond, .perThousandSwitches, .perCPUSecond: unit == .count
        case .shareOfCPUTime: unit == .cpuTime
        }
    }
}
