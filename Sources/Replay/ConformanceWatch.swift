import LazyTLB
import Reconstruction
import TraceData

/// A place where the recorded kernel did something else than its own scheme.
public struct Deviation: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// A CR3 load that should have been, and one that should not.
        case missingCR3Load = "missing-cr3-load"
        case unexpectedCR3Load = "unexpected-cr3-load"
        /// A flush without an IPI though another CPU holds the mm, and an IPI though none does.
        case missingIPI = "missing-ipi"
        case unexpectedIPI = "unexpected-ipi"
        /// A CPU that holds the mm and was not made to flush, and one that does not and was.
        case missingShootdown = "missing-shootdown"
        case unexpectedShootdown = "unexpected-shootdown"
        case missingLocalFlush = "missing-local-flush"
        case unexpectedLocalFlush = "unexpected-local-flush"
        /// mm_cpumask() as a probe read it is not what the scheme has.
        case mask
        /// A WARN or BUG condition is met.
        case warning
        /// A tlb_flush record with a reason that the scheme does not know.
        case unexpectedRecord = "unexpected-record"
    }

    public var kind: Kind
    public var moment: Moment
    /// The mm it is about, ``MM/unknown`` where only the record tells.
    public var mm = MM.unknown
    /// Of a tlb_flush record, recorded or predicted.
    public var pages: Int64?
    /// CPUs: those that an IPI should have gone to.
    public var targets: [Int] = []
    public var detail = ""
}

/// A ``Replay`` that lists where the recorded kernel and the schemes that it may run part, beside counting what they have in common.
///
/// Predicted and recorded tlb_flush records are paired per CPU, reason and pages, the oldest first, if they are no more than ``tolerance`` apart;
/// what finds no partner is a deviation. Slower than a replay, and only used where the list is asked for.
///
/// - Complexity: memory does not grow with the trace: only records without a partner yet are kept, up to a limit, and the first ``limit`` deviations.
public struct ConformanceWatch: StimulusSink, Sendable {
    /// How long a record waits for its partner, ns: the moments of a stimulus and of its record are up to an interrupted handler apart, and an IPI may be handled late (on emulated
    /// machines within 8 ms in 99 % of the shootdowns).
    public static let tolerance: UInt64 = 10_000_000

    public private(set) var replay: Replay
    private var lists: [List]

    /// What one scheme and the kernel do not have in common.
    public struct List: Sendable {
        public let scheme: String
        public fileprivate(set) var deviations: [Deviation] = []
        public fileprivate(set) var counts: [Deviation.Kind: Int] = [:]
        /// By CPU.
        fileprivate var waiting: [WaitingRecords]
        fileprivate let limit: Int
        /// Deviations before this time do not count.
        fileprivate var windowStart: UInt64 = 0
    }

    /// - Parameter candidates: the schemes that the recorded kernel may run.
    public init(_ replay: Replay, candidates: [String], limit: Int) {
        self.replay = replay
        lists = candidates.map { List(scheme: $0, waiting: Array(repeating: WaitingRecords(), count: replay.cpus), limit: limit) }
    }

    /// The lists in order of time, at the end of the trace.
    public func finished() -> [List] {
        var lists = lists
        for index in lists.indices {
            for cpu in lists[index].waiting.indices { lists[index].expire(cpu, before: .max) }
            lists[index].deviations.sort { ($0.moment.time, $0.moment.cpu) < ($1.moment.time, $1.moment.cpu) }
        }
        return lists
    }

    // MARK: What drives it

    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        replay.applyInFull(stimulus, at: moment)
        var there = moment
        there.cpu = stimulus.cpu
        observe(stimulus, there)
    }

    public mutating func complete(cpu: Int, at moment: Moment) {
        // One by one, to see what each receiver does; the replay then finds none left.
        for receiver in replay.outstanding(cpu) {
            let (delivery, handled) = (Stimulus.deliver(cpu: receiver, from: cpu), moment.handled(by: receiver))
            replay.applyInFull(delivery, at: handled)
            observe(delivery, handled)
        }
        replay.complete(cpu: cpu, at: moment)
    }

    public mutating func completeUnsent(cpu: Int, at moment: Moment) {
        if replay.isOutstanding(cpu) { complete(cpu: cpu, at: moment) }
    }

    public mutating func recorded(_ record: Held) {
        replay.recorded(record)
        let moment = Moment(time: record.time, cpu: Int(record.cpu), pid: record.pid, cause: .tlbFlush)
        for index in lists.indices { lists[index].meet(record.reason, record.pages, isPredicted: false, moment, .unknown, []) }
    }

    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) {
        replay.observedMask(mm, word, at: moment)
        guard mm.isKnown else { return }
        for index in lists.indices {
            let own = replay.maskWord(lists[index].scheme, mm)
            guard own != word else { continue }
            let detail = "read 0x\(String(word, radix: 16)), the scheme has 0x\(String(own, radix: 16))"
            lists[index].add(Deviation(kind: .mask, moment: moment, mm: mm, detail: detail))
        }
    }

    public mutating func willRun(_ task: IncomingTask, cpu: Int) { replay.willRun(task, cpu: cpu) }
    public mutating func clearLate() { replay.clearLate() }
    public mutating func setBatch(_ batch: Batch, cpu: Int) { replay.setBatch(batch, cpu: cpu) }
    public mutating func mayBeDown(_ cpu: Int, at time: UInt64) { replay.mayBeDown(cpu, at: time) }
    public mutating func marker(_ text: String, at moment: Moment) { replay.marker(text, at: moment) }

    public mutating func beginWindow(at time: UInt64) {
        replay.beginWindow(at: time)
        for index in lists.indices { lists[index].beginWindow(at: time) }
    }

    /// What the schemes made of the stimulus that the replay was just given.
    private mutating func observe(_ stimulus: Stimulus, _ moment: Moment) {
        for index in lists.indices {
            let effects = replay.effects(lists[index].scheme)
            if effects.recordCount == 0, effects.warnings.isEmpty { continue }
            for (warning, name) in Warnings.all where effects.warnings.contains(warning) {
                lists[index].add(Deviation(kind: .warning, moment: moment, mm: effects.booked, detail: name))
            }
            // Tracepoints are silent on a CPU that is marked offline.
            if case .cpuDown = stimulus { continue }
            effects.forEachRecord { record in
                let mm: MM = record.reason == .remoteSendIPI ? stimulus.mm : effects.loaded
                let targets = record.reason == .remoteSendIPI ? replay.targets(lists[index].scheme, moment.cpu) : []
                lists[index].meet(Int32(record.reason.rawValue), record.pages, isPredicted: true, moment, mm, targets)
            }
        }
    }
}

extension ConformanceWatch.List {
    /// Records that wait for their partners go on waiting.
    fileprivate mutating func beginWindow(at time: UInt64) { (deviations, counts, windowStart) = ([], [:], time) }

    fileprivate mutating func add(_ deviation: Deviation) {
        if deviation.moment.time < windowStart { return }
        counts[deviation.kind, default: 0] += 1
        if deviations.count < limit { deviations.append(deviation) }
    }

    /// A record meets the oldest of its kind from the other side, or waits for one.
    fileprivate mutating func meet(_ reason: Int32, _ pages: Int64, isPredicted: Bool, _ moment: Moment, _ mm: MM, _ targets: [Int]) {
        let cpu = moment.cpu
        guard waiting.indices.contains(cpu) else { return }
        expire(cpu, before: moment.time > ConformanceWatch.tolerance ? moment.time - ConformanceWatch.tolerance : 0)
        let key = WaitingRecords.Key(reason: reason, pages: pages)
        if waiting[cpu].meet(key, isPredicted: isPredicted) { return }
        let kind = Self.kind(reason, isMissing: isPredicted)
        let deviation = Deviation(kind: kind, moment: moment, mm: mm, pages: pages, targets: targets)
        if let oldest = waiting[cpu].wait(key, isPredicted: isPredicted, deviation) { add(oldest) }
    }

    fileprivate mutating func expire(_ cpu: Int, before time: UInt64) {
        while let first = waiting[cpu].takeFirst(before: time) { add(first) }
    }

    private static func kind(_ reason: Int32, isMissing: Bool) -> Deviation.Kind {
        switch reason {
        case 0: isMissing ? .missingCR3Load : .unexpectedCR3Load
        case 1: isMissing ? .missingShootdown : .unexpectedShootdown
        case 2, 3: isMissing ? .missingLocalFlush : .unexpectedLocalFlush
        case 4: isMissing ? .missingIPI : .unexpectedIPI
        default: .unexpectedRecord
        }
    }
}
