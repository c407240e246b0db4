import Report

/// What a check knows of one recording: what it was made from, and its metrics. A baseline keeps this and nothing else.
public struct Recording: Sendable, Equatable {
    public var path: String
    public var kernel: String?
    /// The scheme that the recorded kernel runs; nil if it is none of those that are replayed.
    public var scheme: String?
    public var machine: String?
    public var clock: String
    /// The clock counts nanoseconds.
    public var countsTime: Bool
    public var cpus: Int
    public var durationNS: UInt64
    public var events: Int
    public var switches: Int
    public var lostGaps: Int
    public var lostEvents: Int
    /// Parts of a damaged file that could not be read, and parts of which the file says that they are missing.
    public var problems: Int
    /// `probes`, `life-cycle` or `flushes`.
    public var evidence: String
    public var unknownSwitches: Int
    public var flushes: Int
    public var unknownFlushes: Int
    public var unknownTimeNS: UInt64
    /// sched_switch records that do not continue where their CPU's last one ended.
    public var brokenChains: Int
    /// Remote flushes that answer CPUs which are not recorded. A baseline is of no recordings that have some, unless it is asked to be.
    public var unexplainedAnswers = 0
    /// Shares of the switches to other than idle tasks, by name.
    public var tasks: [Task]
    /// By name; nil where the report does not know.
    public var values: [String: Double?]
    /// All processes that interrupt others are among the values.
    public var hasAllProcesses: Bool

    public struct Task: Sendable, Equatable {
        public var name: String
        public var isKernelThread: Bool
        public var share: Double

        public init(name: String, isKernelThread: Bool, share: Double) {
            self.name = name
            self.isKernelThread = isKernelThread
            self.share = share
        }
    }

    public init(_ document: ReportDocument) {
        let trace = document.trace
        path = trace.path
        kernel = trace.kernel
        scheme = document.recorded.scheme
        machine = trace.machine
        clock = trace.clock
        countsTime = trace.timeUnit == .ns
        cpus = trace.cpus
        durationNS = trace.durationNS
        events = trace.events
        switches = document.recorded.contextSwitches
        lostGaps = trace.lostGaps
        lostEvents = trace.lostEvents
        problems = document.problems.count
        evidence = document.evidence.kind
        unknownSwitches = document.evidence.switches.unknown
        flushes = document.evidence.flushes.total
        unknownFlushes = document.evidence.flushes.unknown
        unknownTimeNS = document.evidence.unknownTimeNS
        brokenChains = document.evidence.brokenChains ?? 0
        unexplainedAnswers = document.evidence.unexplainedAnswers ?? 0
        let all = Double(max(document.workload?.switches ?? 0, 1))
        tasks = (document.workload?.tasks ?? []).map {
            Task(name: $0.name, isKernelThread: $0.isKernelThread, share: Double($0.switches) / all)
        }
        values = MetricCatalogue(document).values.mapValues(\.value)
        hasAllProcesses = document.interruptersOmitted == nil
    }

    init(path: String) {
        self.path = path
        clock = ""
        countsTime = true
        (cpus, durationNS, events, switches, lostGaps, lostEvents, problems) = (0, 0, 0, 0, 0, 0, 0)
        evidence = ""
        (unknownSwitches, flushes, unknownFlushes, unknownTimeNS, brokenChains) = (0, 0, 0, 0, 0)
        tasks = []
        values = [:]
        hasAllProcesses = true
    }

    /// Whether it is the same recording, whatever its file is called and however that was read: no two agree in their length to the nanosecond and in all
    /// counts of records.
    public func isSameRecording(as other: Recording) -> Bool {
        func records(_ recording: Recording) -> [String: Double?] { recording.values.filter { $0.key.hasPrefix("recorded.") } }
        return (cpus, durationNS, events, switches) == (other.cpus, other.durationNS, other.events, other.switches) && records(self) == records(other)
    }

    public var seconds: Double { Double(durationNS) / 1e9 }
    /// Duration times CPUs, ns.
    public var cpuTimeNS: Double { Double(durationNS) * Double(cpus) }

    /// What a metric's total is divided by; nil where the recording has none of it.
    public func exposure(_ rate: Rate) -> Double? {
        let exposure: Double =
            switch rate {
            case .total: 1
            case .perSecond: countsTime ? seconds : 0
            case .perThousandSwitches: Double(switches) / 1000
            case .perCPUSecond: countsTime ? seconds * Double(cpus) : 0
            case .shareOfCPUTime: cpuTimeNS
            }
        return exposure > 0 ? exposure : nil
    }

    /// The metric's total; nil if the recording does not tell. A process that is not listed interrupts nobody, if all are listed.
    public func value(_ metric: Metric) -> Double? {
        if let value = values[metric.name] { return value }
        if scheme == nil, metric.name.hasSuffix(".ipi_targets.kernel") { return nil }
        return metric.name.hasPrefix("processes.") && hasAllProcesses ? 0 : nil
    }
}
