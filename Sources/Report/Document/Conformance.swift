extension ReportDocument {
    /// How well the scheme that the recorded kernel runs predicts what that kernel recorded.
    public struct Conformance: Codable, Equatable, Sendable {
        public var scheme: String
        /// tlb_flush records of the trace.
        public var records = 0
        /// tlb_flush events that the scheme would have made.
        public var predicted = 0
        /// Events that are in both: the size of the multiset intersection per CPU and (reason, pages).
        public var matched = 0
        /// The same three by reason, as TLB_REMOTE_SHOOTDOWN.
        public var byReason: [String: Counts] = [:]
        /// mm_cpumask values that probe events show; nil without probe events.
        @ExplicitNull public var masks: Int?
        /// Those of them that the scheme predicted; nil without probe events.
        @ExplicitNull public var masksMatched: Int?
        /// How often the kernel and its scheme part, by kind; nil unless the list was asked for.
        public var deviationCounts: [String: Int]?
        /// The first of these places, in order of time; nil unless the list was asked for.
        public var deviations: [Deviation]?

        public struct Counts: Codable, Equatable, Sendable {
            public var records = 0
            public var predicted = 0
            public var matched = 0

            public init(records: Int = 0, predicted: Int = 0, matched: Int = 0) {
                self.records = records
                self.predicted = predicted
                self.matched = matched
            }
        }

        public init(scheme: String) {
            self.scheme = scheme
        }

        enum CodingKeys: String, CodingKey {
            case scheme, records, predicted, matched
            case byReason = "by_reason"
            case masks
            case masksMatched = "masks_matched"
            case deviationCounts = "deviation_counts"
            case deviations
        }
    }

    /// One place where the recorded kernel did something else than its own scheme.
    public struct Deviation: Codable, Equatable, Sendable {
        /// "missing-cr3-load", "unexpected-ipi", "mask", "warning", … (docs/ci.md).
        public var kind: String
        public var timeNS: UInt64
        public var cpu: Int
        /// The task that was current there; nil if the record that it shows at is another CPU's.
        @ExplicitNull public var pid: Int?
        @ExplicitNull public var comm: String?
        /// The mm that it is about; nil if only the record tells of it.
        @ExplicitNull public var mm: String?
        /// Of a flush: 4 KiB pages, -1 for everything.
        public var pages: Int?
        /// For "missing-ipi": the CPUs that should have been interrupted.
        public var targets: [Int]?
        /// For "mask" and "warning": the values, or the condition.
        public var detail: String?

        public init(
            kind: String, timeNS: UInt64, cpu: Int, pid: Int?, comm: String?, mm: String?, pages: Int? = nil, targets: [Int]? = nil,
            detail: String? = nil
        ) {
            self.kind = kind
            self.timeNS = timeNS
            self.cpu = cpu
            self.pid = pid
            self.comm = comm
            self.mm = mm
            self.pages = pages
            self.targets = targets
            self.detail = detail
        }

        enum CodingKeys: String, CodingKey {
            case kind
            case timeNS = "time_ns"
            case cpu, pid, comm, mm, pages, targets, detail
        }
    }

    /// A trace_marker line, and what the recorded kernel's own scheme had counted when it was written.
    ///
    /// A line that carries counters itself (`nr_tlb_remote_flush=12 …`, as a workload may write them from /proc/vmstat) can be
    /// compared with them: ``recorded`` is what the line says.
    public struct Mark: Codable, Equatable, Sendable {
        public var timeNS: UInt64
        public var text: String
        /// Counted by the scheme since the start of the trace.
        public var vmstat: VMStat
        /// The counters in the text, since the boot of the recorded machine; nil if it has not all four of them.
        @ExplicitNull public var recorded: VMStat?

        public init(timeNS: UInt64, text: String, vmstat: VMStat) {
            self.timeNS = timeNS
            self.text = text
            self.vmstat = vmstat
            recorded = VMStat(parsing: text)
        }

        enum CodingKeys: String, CodingKey {
            case timeNS = "time_ns"
            case text, vmstat, recorded
        }
    }
}

extension ReportDocument.VMStat {
    /// The counters in a text of `name=value` words; nil if one of the four is missing or no number.
    public init?(parsing text: String) {
        var values: [CodingKeys: Int] = [:]
        for word in text.split(whereSeparator: \.isWhitespace) {
            guard let equals = word.firstIndex(of: "="), let key = CodingKeys(rawValue: String(word[..<equals])) else { continue }
            values[key] = Int(word[word.index(after: equals)...])
        }
        guard let remote = values[.remoteFlush], let received = values[.remoteFlushReceived],
            let all = values[.localFlushAll], let one = values[.localFlushOne]
        else { return nil }
        self.init(remoteFlush: remote, remoteFlushReceived: received, localFlushAll: all, localFlushOne: one)
    }
}
