extension ReportDocument {
    /// The clocks of the CPUs differ: records are in an order in which they cannot have been written. Times are in the unit of the trace's.
    public struct ClockSkew: Codable, Equatable, Sendable {
        /// Pairs of records whose times contradict their order, as recorded: a task that comes in on one CPU before it has left another,
        /// or runs before it is made.
        public var inversions: Int
        /// The same with the CPUs' clocks corrected.
        public var inversionsLeft: Int
        /// By how much the worst of them is off.
        public var largestNS: Int
        /// The CPUs whose times were corrected; the others are as recorded.
        public var corrected: [CPU]

        public struct CPU: Codable, Equatable, Sendable {
            public var cpu: Int
            /// Taken off the CPU's times; below zero for a clock that is behind.
            public var aheadNS: Int
            /// Between these two it is ahead of the others; nil where nothing tells.
            @ExplicitNull public var atLeastNS: Int?
            @ExplicitNull public var atMostNS: Int?

            public init(cpu: Int, aheadNS: Int, atLeastNS: Int?, atMostNS: Int?) {
                self.cpu = cpu
                self.aheadNS = aheadNS
                self.atLeastNS = atLeastNS
                self.atMostNS = atMostNS
            }

            enum CodingKeys: String, CodingKey {
                case cpu
                case aheadNS = "ahead_ns"
                case atLeastNS = "at_least_ns"
                case atMostNS = "at_most_ns"
            }
        }

        public init(inversions: Int, inversionsLeft: Int, largestNS: Int, corrected: [CPU]) {
            self.inversions = inversions
            self.inversionsLeft = inversionsLeft
            self.largestNS = largestNS
            self.corrected = corrected
        }

        enum CodingKeys: String, CodingKey {
            case inversions
            case inversionsLeft = "inversions_left"
            case largestNS = "largest_ns"
            case corrected
        }
    }
}
