extension ReportDocument {
    /// An older scheme beside the one it is measured against, on the same history.
    public struct Comparison: Codable, Equatable, Sendable {
        /// The identifiers of the two schemes.
        public var old: String
        public var new: String
        /// IPI targets of the old scheme that the new one would not have interrupted.
        public var extraIPITargets = 0
        /// IPI targets of the new scheme that the old one would not have interrupted.
        public var missingIPITargets = 0
        /// How often the two diverge, by kind of divergence; kinds that do not occur are left out.
        public var divergences: [String: Int] = [:]
        /// Time in which the old scheme's active_mm named a user mm while CR3 was init_mm, summed over CPUs.
        public var staleActiveMMNS: UInt64 = 0
        /// CR3 writes of the old scheme with what CR3 already held.
        public var redundantCR3Loads = 0

        public init(old: String, new: String) {
            self.old = old
            self.new = new
        }

        enum CodingKeys: String, CodingKey {
            case old, new
            case extraIPITargets = "extra_ipi_targets"
            case missingIPITargets = "missing_ipi_targets"
            case divergences
            case staleActiveMMNS = "stale_active_mm_ns"
            case redundantCR3Loads = "redundant_cr3_loads"
        }
    }

    /// One place where two schemes do different things on the same input.
    public struct Divergence: Codable, Equatable, Sendable {
        /// "stale-active-mm", "noop-ipi", "noop-local-flush", "redundant-cr3-load", "extra-ipi", "missing-ipi",
        /// "extra-flush" or "warning".
        public var kind: String
        public var timeNS: UInt64
        /// When it ended, for the kinds that last.
        public var endNS: UInt64?
        /// The CPU it happened on; for "extra-ipi" and "missing-ipi" the sender.
        public var cpu: Int
        /// The task that was current there; nil if the record that it shows at is another CPU's.
        @ExplicitNull public var pid: Int?
        /// The name that the task had last; nil if ``pid`` is.
        @ExplicitNull public var comm: String?
        /// The mm that it is about, by the name that the reconstruction gave it: for the targets of a batched flush, which has none
        /// of its own, the one that the first target holds. Nil if unknown.
        @ExplicitNull public var mm: String?
        /// The identifiers of the two schemes.
        public var old: String
        public var new: String
        /// For "extra-ipi" and "missing-ipi": the CPUs that only one of the schemes interrupts.
        public var targets: [Int]?
        /// For "noop-ipi": the CPU that the IPI came from.
        public var sender: Int?
        /// What the kind leaves open: the warning, or the scheme that flushes where the other does not.
        public var detail: String?
        /// The records that it follows from.
        public var records: [RecordReference]

        public init(
            kind: String, timeNS: UInt64, endNS: UInt64? = nil, cpu: Int, pid: Int?, comm: String?, mm: String?, old: String,
            new: String, targets: [Int]? = nil, sender: Int? = nil, detail: String? = nil, records: [RecordReference] = []
        ) {
            self.kind = kind
            self.timeNS = timeNS
            self.endNS = endNS
            self.cpu = cpu
            self.pid = pid
            self.comm = comm
            self.mm = mm
            self.old = old
            self.new = new
            self.targets = targets
            self.sender = sender
            self.detail = detail
            self.records = records
        }

        enum CodingKeys: String, CodingKey {
            case kind
            case timeNS = "time_ns"
            case endNS = "end_ns"
            case cpu, pid, comm, mm, old, new, targets, sender, detail, records
        }
    }

    /// A record of the trace, named so that it can be found there.
    public struct RecordReference: Codable, Equatable, Sendable {
        public var timeNS: UInt64
        public var cpu: Int
        /// The event's name, as "sched_switch".
        public var event: String

        public init(timeNS: UInt64, cpu: Int, event: String) {
            self.timeNS = timeNS
            self.cpu = cpu
            self.event = event
        }

        enum CodingKeys: String, CodingKey {
            case timeNS = "time_ns"
            case cpu, event
        }
    }
}
