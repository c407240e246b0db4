extension ReportDocument {
    /// On what the report rests: which mm a task had is not in sched_switch or tlb_flush, so it is known from something else.
    public struct Evidence: Codable, Equatable, Sendable {
        /// The best that the trace offers: "probes" (events with mm pointers), "life-cycle" (fork, exec, exit, …) or
        /// "flushes" (sched_switch and tlb_flush alone).
        public var kind: String
        public var switches = Switches()
        /// Time during which the mm that a CPU had loaded is unknown, summed over CPUs.
        public var unknownTimeNS: UInt64 = 0
        public var flushes = Flushes()
        /// Pieces of evidence that stronger evidence forbids, and which were not followed.
        public var contradictions = 0
        /// sched_switch records that do not continue where their CPU's last one ended: a filter left records out, mostly. Nil in reports of older versions.
        public var brokenChains: Int?
        /// REMOTE_SHOOTDOWN records that answer no flush of a recorded CPU, where there are too many of them for chance; nil where not. What their senders did is missing from all counts.
        public var unexplainedAnswers: Int?
        /// One sentence each: what the reader should know about this trace's evidence.
        public var notes: [String] = []

        public init(kind: String = "flushes") {
            self.kind = kind
        }

        enum CodingKeys: String, CodingKey {
            case kind, switches
            case unknownTimeNS = "unknown_time_ns"
            case flushes, contradictions
            case brokenChains = "broken_chains"
            case unexplainedAnswers = "unexplained_answers"
            case notes
        }

        /// Context switches by the evidence for the incoming task's mm, the strongest that there is.
        public struct Switches: Codable, Equatable, Sendable {
            /// All context switches: the sum of the others.
            public var total = 0
            /// A probe event names the mm.
            public var exact = 0
            /// Fork, exec, exit, rename, saved tgids, pid 0.
            public var lifeCycle = 0
            /// A snapshot of the tasks among the trace's markers. Nil if the trace has none.
            public var snapshot: Int?
            /// A CR3 load, or its absence.
            public var hardware = 0
            /// A kernel thread's name.
            public var convention = 0
            /// Nothing tells.
            public var unknown = 0

            public init() {}

            enum CodingKeys: String, CodingKey {
                case total, exact
                case lifeCycle = "life_cycle"
                case snapshot, hardware, convention, unknown
            }
        }

        /// Flushes (calls of flush_tlb_mm_range and its kin) by whether their mm is known.
        public struct Flushes: Codable, Equatable, Sendable {
            public var total = 0
            /// The mm is known, or the flush has none (a batch).
            public var attributed = 0
            public var unknown = 0
            /// SEND_IPI records of the unknown ones: the schemes have none of these sends. Nil in reports of older versions.
            public var unknownSends: Int?

            public init() {}

            enum CodingKeys: String, CodingKey {
                case total, attributed, unknown
                case unknownSends = "unknown_sends"
            }
        }
    }
}
