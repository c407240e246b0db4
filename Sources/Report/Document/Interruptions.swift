extension ReportDocument {
    /// A process whose flushes interrupt other CPUs.
    public struct Interrupter: Codable, Equatable, Sendable {
        /// The process's name: the last one that its mm, or a task without an mm, was seen with.
        public var process: String
        /// The leader's pid (the tgid) where it is known, else the first of the process's tasks that was seen; nil if none was.
        @ExplicitNull public var pid: Int?
        /// Flushes that interrupt another CPU under at least one of the schemes.
        public var flushes: Int
        /// CPUs interrupted by them, for each scheme.
        public var ipiTargets: [String: Int]

        public init(process: String, pid: Int?, flushes: Int, ipiTargets: [String: Int]) {
            self.process = process
            self.pid = pid
            self.flushes = flushes
            self.ipiTargets = ipiTargets
        }

        enum CodingKeys: String, CodingKey {
            case process, pid, flushes
            case ipiTargets = "ipi_targets"
        }
    }

    /// How often each CPU interrupts each other one under one scheme.
    ///
    /// Up to ``denseLimit`` CPUs it is a square of ``rows``; beyond that only the ``pairs`` that occur are kept.
    public struct IPIMatrix: Codable, Equatable, Sendable {
        /// More CPUs than this are written as pairs.
        public static let denseLimit = 64

        /// The scheme whose IPIs are counted.
        public var scheme: String
        /// `rows[sender][receiver]`.
        public private(set) var rows: [[Int]]?
        /// The pairs with a count, by sender, then receiver.
        public private(set) var pairs: [Pair]?

        /// IPIs from one CPU to another.
        public struct Pair: Codable, Equatable, Sendable {
            public var from: Int
            public var to: Int
            public var count: Int

            public init(from: Int, to: Int, count: Int) {
                self.from = from
                self.to = to
                self.count = count
            }
        }

        /// A matrix of `cpus` CPUs. Pairs that are given twice add up; those with a CPU out of range make it sparse.
        public init(scheme: String, cpus: Int, pairs given: [Pair]) {
            self.scheme = scheme
            if cpus <= Self.denseLimit, given.allSatisfy({ (0..<cpus).contains($0.from) && (0..<cpus).contains($0.to) }) {
                var square = [[Int]](repeating: [Int](repeating: 0, count: max(cpus, 0)), count: max(cpus, 0))
                for pair in given { square[pair.from][pair.to] += pair.count }
                rows = square
            } else {
                var merged: [Pair] = []
                for pair in given.sorted(by: { ($0.from, $0.to) < ($1.from, $1.to) }) where pair.count != 0 {
                    if let last = merged.last, last.from == pair.from, last.to == pair.to {
                        merged[merged.count - 1].count += pair.count
                    } else {
                        merged.append(pair)
                    }
                }
                pairs = merged
            }
        }

        /// Every pair with a count, by sender, then receiver, in either form.
        public var nonzeroPairs: [Pair] {
            if let pairs { return pairs }
            var found: [Pair] = []
            for (from, row) in (rows ?? []).enumerated() {
                for (to, count) in row.enumerated() where count != 0 {
                    found.append(Pair(from: from, to: to, count: count))
                }
            }
            return found
        }
    }

    /// How long a shootdown takes: from the sender's TLB_REMOTE_SEND_IPI record to the last receiver's record of it.
    ///
    /// The times are nil if there is no sample.
    public struct ShootdownLatency: Codable, Equatable, Sendable {
        /// Shootdowns that a receiver's record answers.
        public var samples = 0
        @ExplicitNull public var minNS: UInt64?
        @ExplicitNull public var p50NS: UInt64?
        @ExplicitNull public var p90NS: UInt64?
        @ExplicitNull public var p99NS: UInt64?
        @ExplicitNull public var maxNS: UInt64?
        /// Of all samples. nil in reports of older versions.
        public var sumNS: UInt64?
        /// Shootdowns that left no record on any receiver: they had nothing to do.
        public var unanswered = 0
        /// Shootdowns of which the trace does not tell all answers: it ends, or records are lost, before the sender goes on.
        public var cut = 0

        public init() {}

        enum CodingKeys: String, CodingKey {
            case samples
            case minNS = "min_ns"
            case p50NS = "p50_ns"
            case p90NS = "p90_ns"
            case p99NS = "p99_ns"
            case maxNS = "max_ns"
            case sumNS = "sum_ns"
            case unanswered, cut
        }
    }
}
