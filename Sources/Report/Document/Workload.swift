extension ReportDocument {
    /// Whose tasks ran: what tells recordings of one workload from those of another.
    public struct Workload: Codable, Equatable, Sendable {
        /// Context switches to a task other than a CPU's idle task.
        public var switches = 0
        /// By name, those that were switched to most first; at most ``limit``.
        public var tasks: [Task] = []
        /// Switches to tasks of names that are not listed.
        public var otherSwitches = 0

        /// So many names are listed; the others are counted only.
        public static let limit = 30

        /// All tasks of one name.
        public struct Task: Codable, Equatable, Sendable {
            /// Of a kernel thread without what follows the slash, and without a number at its end: `kworker`, `kswapd`.
            public var name: String
            /// The name is one that the kernel gives its own threads.
            public var isKernelThread: Bool
            /// Context switches to such a task.
            public var switches: Int

            public init(name: String, isKernelThread: Bool, switches: Int) {
                self.name = name
                self.isKernelThread = isKernelThread
                self.switches = switches
            }

            enum CodingKeys: String, CodingKey {
                case name
                case isKernelThread = "kernel_thread"
                case switches
            }
        }

        public init() {}

        enum CodingKeys: String, CodingKey {
            case switches, tasks
            case otherSwitches = "other_switches"
        }
    }
}
