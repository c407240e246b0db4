extension ReportDocument {
    /// What one scheme would have done with the recorded history.
    ///
    /// ``ipiTargets`` = ``ipiFlushed`` + ``ipiLeft`` + ``ipiIgnored``.
    public struct Scheme: Codable, Equatable, Sendable {
        /// Context switches that were replayed.
        public var contextSwitches = 0
        /// Writes of CR3 (load_cr3, write_cr3), whatever caused them.
        public var cr3Loads = 0
        /// Switches from a task that borrowed an mm back to one that has it, while it was still loaded: without a write of CR3. nil in reports of older versions.
        public var savedLoads: Int?
        /// The same after leave_mm(), with one. nil in reports of older versions.
        public var reloads: Int?
        /// Calls of leave_mm that had an effect.
        public var leaveMM = 0
        /// Calls of flush_tlb_others that interrupt another CPU.
        public var ipiSends = 0
        /// CPUs interrupted, summed over ``ipiSends``.
        public var ipiTargets = 0
        /// Targets that flushed.
        public var ipiFlushed = 0
        /// Targets that were lazy and ran leave_mm with effect.
        public var ipiLeft = 0
        /// Targets that had nothing to do.
        public var ipiIgnored = 0
        /// Targets that ran the idle task when the IPI was sent. nil in reports of older versions.
        public var ipiIdle: Int?
        /// Those that ran another task without an mm: a kernel thread, or an exiting task. nil in reports of older versions.
        public var ipiKernel: Int?
        /// Flushes of the CPU's own TLB for its own flush call.
        public var localFlushes = 0
        /// Context switches of which the scheme's outcome is unknown, since the mm of a task, or the CPU's state, is.
        public var unknownSwitches = 0
        /// How far the scheme would have moved the counters of /proc/vmstat.
        public var vmstat = VMStat()
        /// WARNs and BUGs that would have fired: how often, by what they say.
        public var warnings: [String: Int] = [:]
        /// nil in reports of older versions.
        public var cpuTime: CPUTime?

        public init() {}

        enum CodingKeys: String, CodingKey {
            case contextSwitches = "context_switches"
            case cr3Loads = "cr3_loads"
            case savedLoads = "cr3_loads_saved"
            case reloads = "cr3_reloads"
            case leaveMM = "leave_mm"
            case ipiSends = "ipi_sends"
            case ipiTargets = "ipi_targets"
            case ipiFlushed = "ipi_flushed"
            case ipiLeft = "ipi_left"
            case ipiIgnored = "ipi_ignored"
            case ipiIdle = "ipi_idle"
            case ipiKernel = "ipi_kernel"
            case localFlushes = "local_flushes"
            case unknownSwitches = "unknown_switches"
            case vmstat, warnings
            case cpuTime = "cpu_time"
        }
    }

    /// How long the CPUs would have been in which state, ns, summed over them: all of the trace's duration times its CPUs.
    public struct CPUTime: Codable, Equatable, Sendable {
        /// A task with an mm ran, and an mm was loaded.
        public var userNS: UInt64 = 0
        /// A task without an mm ran, on a borrowed one.
        public var lazyNS: UInt64 = 0
        /// init_mm was loaded; or the CPU was offline.
        public var initNS: UInt64 = 0
        /// The mm of the task, or the one that was loaded, is unknown.
        public var unknownNS: UInt64 = 0

        public init() {}

        enum CodingKeys: String, CodingKey {
            case userNS = "user_ns"
            case lazyNS = "lazy_ns"
            case initNS = "init_ns"
            case unknownNS = "unknown_ns"
        }
    }

    /// The counters that CONFIG_DEBUG_TLBFLUSH adds to /proc/vmstat (include/linux/vm_event_item.h).
    public struct VMStat: Codable, Equatable, Sendable {
        /// nr_tlb_remote_flush: flushes that had to ask other CPUs.
        public var remoteFlush = 0
        /// nr_tlb_remote_flush_received: such requests that a CPU took for its own.
        public var remoteFlushReceived = 0
        /// nr_tlb_local_flush_all: local flushes of everything.
        public var localFlushAll = 0
        /// nr_tlb_local_flush_one: single pages flushed locally.
        public var localFlushOne = 0

        public init() {}

        public init(remoteFlush: Int, remoteFlushReceived: Int, localFlushAll: Int, localFlushOne: Int) {
            self.remoteFlush = remoteFlush
            self.remoteFlushReceived = remoteFlushReceived
            self.localFlushAll = localFlushAll
            self.localFlushOne = localFlushOne
        }

        enum CodingKeys: String, CodingKey, CaseIterable {
            case remoteFlush = "nr_tlb_remote_flush"
            case remoteFlushReceived = "nr_tlb_remote_flush_received"
            case localFlushAll = "nr_tlb_local_flush_all"
            case localFlushOne = "nr_tlb_local_flush_one"
        }
    }
}
