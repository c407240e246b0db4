extension ReportDocument {
    /// What was read: the file, the machine it was recorded on, and how much of the history it holds.
    public struct Trace: Codable, Equatable, Sendable {
        /// The file as the user named it.
        public var path: String
        /// The recorded kernel's release (`uname -r`), from the file or from `--kernel`; nil if neither tells.
        @ExplicitNull public var kernel: String?
        /// The recorded machine's architecture (`uname -m`); nil if the file does not tell.
        @ExplicitNull public var machine: String?
        /// The trace clock's name (`trace_clock`: local, global, mono, x86-tsc, counter, …).
        public var clock: String
        /// What one unit of the times is: nanoseconds, or a count where the clock is not one of time and the file has no scale.
        public var timeUnit: TimeUnit
        /// The name of the buffer (instance) that was read; empty for the top one.
        public var buffer: String
        /// CPUs of the recorded machine.
        public var cpus: Int
        /// Records read, of all events; of a part of a trace those in it that a replay may use.
        public var events: Int
        /// Events known to be lost; more may be, where a gap does not tell its size.
        public var lostEvents: Int
        /// Places where events were lost, of known and unknown size.
        public var lostGaps: Int
        /// Time of the first record, or when the part begins.
        public var startNS: UInt64
        /// From the first record to the last, or to the part's end.
        public var durationNS: UInt64
        /// The trace of which this is on a part (`--from`, `--to`); nil if it is on all of it.
        public var whole: Span?
        /// Where the CPUs' clocks differ; nil if nothing speaks for that.
        public var clockSkew: ClockSkew?
        /// The version of the trace.dat container (6 or 7); nil if the trace is not one.
        @ExplicitNull public var formatVersion: Int?
        /// The compression of the container ("zstd", "zlib", "none").
        public var compression: String
        /// In which form the trace came: "trace.dat", "text", "pages" or "perf.data"; nil in reports of older versions.
        public var form: String?
        /// More of the form, for people; nil for a trace.dat file.
        public var formDetail: String?
        /// What a trace.dat file of the same recording would have told, and what this form does not: a sentence each; nil if nothing.
        public var leftOut: [String]?

        /// From the first record of a trace to the last.
        public struct Span: Codable, Equatable, Sendable {
            public var startNS: UInt64
            public var durationNS: UInt64

            public init(startNS: UInt64, durationNS: UInt64) { (self.startNS, self.durationNS) = (startNS, durationNS) }

            enum CodingKeys: String, CodingKey {
                case startNS = "start_ns"
                case durationNS = "duration_ns"
            }
        }

        /// The duration on all CPUs: what shares of the CPU time are of.
        public var cpuTimeNS: UInt64 {
            let (product, overflow) = durationNS.multipliedReportingOverflow(by: UInt64(max(cpus, 0)))
            return overflow ? .max : product
        }

        public enum TimeUnit: String, Codable, Sendable {
            case ns, count
        }

        public init(
            path: String, kernel: String? = nil, machine: String? = nil, clock: String = "local", timeUnit: TimeUnit = .ns,
            buffer: String = "", cpus: Int, events: Int, lostEvents: Int = 0, lostGaps: Int = 0, startNS: UInt64 = 0,
            durationNS: UInt64 = 0, formatVersion: Int? = nil, compression: String = "none"
        ) {
            self.path = path
            self.kernel = kernel
            self.machine = machine
            self.clock = clock
            self.timeUnit = timeUnit
            self.buffer = buffer
            self.cpus = cpus
            self.events = events
            self.lostEvents = lostEvents
            self.lostGaps = lostGaps
            self.startNS = startNS
            self.durationNS = durationNS
            self.formatVersion = formatVersion
            self.compression = compression
        }

        enum CodingKeys: String, CodingKey {
            case path, kernel, machine, clock
            case timeUnit = "time_unit"
            case buffer, cpus, events
            case lostEvents = "lost_events"
            case lostGaps = "lost_gaps"
            case startNS = "start_ns"
            case durationNS = "duration_ns"
            case whole
            case clockSkew = "clock_skew"
            case formatVersion = "format_version"
            case compression, form
            case formDetail = "form_detail"
            case leftOut = "left_out"
        }
    }

    /// What the trace itself shows, counted from its records and independent of any scheme.
    ///
    /// The tlb_flush events are counted by their reason (enum tlb_flush_reason, include/linux/mm_types.h).
    public struct Recorded: Codable, Equatable, Sendable {
        /// The scheme that the recorded kernel runs; nil if it is none of those that are replayed, or not known.
        @ExplicitNull public var scheme: String?
        /// Others that it may run as well, by all that the trace tells; absent if there are none.
        public var otherSchemes: [String]?
        /// sched_switch records.
        public var contextSwitches = 0
        /// TLB_FLUSH_ON_TASK_SWITCH: CR3 was written.
        public var cr3Loads = 0
        /// TLB_REMOTE_SEND_IPI: a sender asked other CPUs to flush.
        public var ipiSends = 0
        /// TLB_REMOTE_SHOOTDOWN: a CPU flushed for another one.
        public var remoteShootdowns = 0
        /// TLB_LOCAL_SHOOTDOWN: a CPU flushed for its own batch.
        public var localShootdowns = 0
        /// TLB_LOCAL_MM_SHOOTDOWN: a CPU flushed its own mm.
        public var localMMShootdowns = 0
        /// TLB_REMOTE_WRONG_CPU, of later kernels.
        public var wrongCPU = 0
        /// tlb_flush records with a reason that this tool does not know.
        public var other = 0

        public init() {}

        /// The records that they are counts of, kind by kind.
        var counts: [Int] { [contextSwitches, cr3Loads, ipiSends, remoteShootdowns, localShootdowns, localMMShootdowns, wrongCPU, other] }

        enum CodingKeys: String, CodingKey {
            case scheme
            case otherSchemes = "other_schemes"
            case contextSwitches = "context_switches"
            case cr3Loads = "cr3_loads"
            case ipiSends = "ipi_sends"
            case remoteShootdowns = "remote_shootdowns"
            case localShootdowns = "local_shootdowns"
            case localMMShootdowns = "local_mm_shootdowns"
            case wrongCPU = "wrong_cpu"
            case other
        }
    }
}
