import TraceData

/// How far the clocks of two CPUs are apart at least and at most, from what cannot have happened in another order.
///
/// A task leaves a CPU before it comes in on the next one; a task is made before it first runs; a CPU answers a flush after it was sent, and before its
/// sender goes on. Each such pair, with a record on CPU *a* before one on CPU *b*, tells that *a*'s clock is not ahead of *b*'s by less than the one record
/// is later than the other: a lower bound of the difference, which is above zero where the records' times contradict their order.
///
/// - Complexity: a pass over the records up to ``recordLimit``, O(*n*²) memory in the number of CPUs.
struct ClockBounds {
    /// CPUs that have data, ascending; what follows is by index in it.
    let cpus: [Int]
    /// Row by CPU *a*: by how much it is ahead of *b* at least; `unbounded` where nothing tells.
    private(set) var least: [Int64]
    /// Pairs whose times contradict their order, and the largest contradiction.
    private(set) var inversions = 0
    private(set) var largest: Int64 = 0
    /// Answers to flushes that answer none that is under way (up to v4.13, where they are told apart by the number of pages).
    var unmatched: Int { unmatchedTimes.count }
    /// Each CPU's first time, and its last one, of the records that were looked at.
    private(set) var firsts: [UInt64]
    private(set) var lasts: [UInt64]

    static let unbounded = Int64.min
    /// More CPUs than this are not measured: an answer is compared with the sends of all of them.
    static let cpuLimit = 256
    /// So many records are looked at: clocks that are off by a constant are so from the beginning.
    static let recordLimit = 4_000_000

    private var unmatchedTimes: [UInt64] = []
    private let usesFlushes: Bool
    private var tasks: [Int32: Task] = [:]
    private var flushes: [Flush]
    private var current: [Int32]
    private var breaks = 0

    private struct Task {
        /// Where it runs, -1 if it does not or nobody knows, since when, and ``breaks`` then.
        var cpu = -1
        var since: UInt64 = 0
        var breaks = 0
        /// Where it seems to run meanwhile, and from when to when (0 while it does).
        var other = -1
        var otherSince: UInt64 = 0
        var otherUntil: UInt64 = 0
        /// Where it ran last, or was made, and until when.
        var last = -1
        var lastTime: UInt64 = 0
        /// Where it ran first, if that came before it was made.
        var firstCPU = -1
        var first: UInt64 = 0
    }

    /// A CPU's flush under way, and its answers so far.
    private struct Flush {
        var isOpen = false
        var pages: UInt64 = 0
        var sent: UInt64 = 0
        var answers: [(cpu: Int, time: UInt64)] = []
    }

    /// - Parameter usesFlushes: take the bounds of flushes, too. Which one an answer belongs to is sure only where the clocks nearly agree.
    init(_ file: TraceFile, rules: KernelRules, usesFlushes: Bool = false) throws(TraceError) {
        self.usesFlushes = usesFlushes && rules.hasExactAnswers
        cpus = file.cpusWithData
        let count = cpus.count
        least = [Int64](repeating: Self.unbounded, count: count * count)
        firsts = [UInt64](repeating: .max, count: count)
        flushes = [Flush](repeating: Flush(), count: count)
        current = [Int32](repeating: -1, count: count)
        lasts = [UInt64](repeating: 0, count: count)
        var index = [Int](repeating: -1, count: (cpus.last ?? 0) + 1)
        for (place, cpu) in cpus.enumerated() { index[cpu] = place }
        var merge = RecordMerge(file)
        var record = Record.none
        var left = Self.recordLimit
        while left > 0, try merge.next(&record) {
            left -= 1
            let cpu = index[Int(record.cpu)]
            firsts[cpu] = min(firsts[cpu], record.time)
            lasts[cpu] = max(lasts[cpu], record.time)
            close(cpu, record)
            switch record.kind {
            case .lost:
                breaks += 1
                current[cpu] = -1
                // What was sent in the gap is not known. (Times ascend.)
                while let last = unmatchedTimes.last, last >= record.word1 { unmatchedTimes.removeLast() }
                flushes[cpu] = Flush()
            case .schedSwitch:
                if current[cpu] >= 0, current[cpu] != record.prevPID { breaks += 1 }
                current[cpu] = record.nextPID
                leave(record.prevPID, cpu, record.time, isDead: record.word1 & rules.deadStates != 0)
                enter(record.nextPID, cpu, record.time)
            case .newTask: made(file.formats.newTask(record).pid, cpu, record.time)
            case .fork: made(file.formats.fork(record).childPID, cpu, record.time)
            case .tlbFlush:
                guard rules.hasExactAnswers else { break }
                if record.reason == TLBReason.remoteSendIPI { flushes[cpu] = Flush(isOpen: true, pages: record.word1, sent: record.time) }
                if record.reason == TLBReason.remoteShootdown, record.inHardIRQ { answered(cpu, record) }
            default: break
            }
        }
        // Before a CPU's first record and behind its last one its sends are not known.
        let (first, last) = (firsts.max() ?? 0, lasts.min() ?? 0)
        unmatchedTimes.removeAll { $0 < first || $0 > last }
    }

    /// By how much `a` is ahead of `b` at least.
    subscript(_ a: Int, _ b: Int) -> Int64 { least[a * cpus.count + b] }

    /// With so much taken off, the CPU's times are still some that a trace may have: one below zero would be a very late one, one beyond 64 bits a very early one.
    func leavesTimes(of place: Int, by offset: Int64) -> Bool {
        if offset > 0 { return offset.magnitude <= firsts[place] }
        return lasts[place] <= TraceFile.latestTime && offset > .min && offset.magnitude <= TraceFile.latestTime - lasts[place]
    }

    /// A record of `a` at `before` was written before one of `b` at `after`.
    private mutating func add(_ a: Int, _ before: UInt64, _ b: Int, _ after: UInt64) {
        guard a != b else { return }
        let ahead = Int64(truncatingIfNeeded: before &- after)
        if ahead > 0 {
            inversions += 1
            largest = max(largest, ahead)
        }
        let place = a * cpus.count + b
        least[place] = max(least[place], ahead)
    }

    // MARK: tasks

    private mutating func leave(_ pid: Int32, _ cpu: Int, _ time: UInt64, isDead: Bool) {
        guard pid > 0, var task = tasks[pid] else { return }
        if task.cpu == cpu {
            (task.last, task.lastTime) = (cpu, time)
            if task.other >= 0, task.breaks == breaks {
                // It was here before it was there, or, if it has left that too, after: what the times contradict less.
                let before = time &- task.otherSince
                let after = task.otherUntil > 0 ? Int64(truncatingIfNeeded: task.otherUntil &- task.since) : .max
                if Int64(clamping: before) <= after {
                    add(cpu, time, task.other, task.otherSince)
                    if task.otherUntil > 0 { (task.last, task.lastTime) = (task.other, task.otherUntil) }
                } else {
                    add(task.other, task.otherUntil, cpu, task.since)
                }
            }
            task.cpu = task.other >= 0 && task.otherUntil == 0 ? task.other : -1
            task.since = task.otherSince
            task.other = -1
        } else if task.other == cpu {
            task.otherUntil = time
        } else {
            (task.cpu, task.other) = (-1, -1)
            (task.last, task.lastTime) = (cpu, time)
        }
        tasks[pid] = isDead && task.cpu < 0 ? nil : task
    }

    private mutating func enter(_ pid: Int32, _ cpu: Int, _ time: UInt64) {
        guard pid > 0 else { return }
        var task = tasks[pid] ?? Task(firstCPU: cpu, first: time)
        if task.cpu < 0 {
            if task.last >= 0 { add(task.last, task.lastTime, cpu, time) }
            (task.cpu, task.since, task.breaks, task.other) = (cpu, time, breaks, -1)
        } else if task.cpu == cpu {
            (task.since, task.breaks, task.other) = (time, breaks, -1)
        } else if task.other < 0 {
            (task.other, task.otherSince, task.otherUntil) = (cpu, time, 0)
        }
        tasks[pid] = task
    }

    private mutating func made(_ pid: Int32, _ cpu: Int, _ time: UInt64) {
        guard pid > 0 else { return }
        if var task = tasks[pid], task.firstCPU >= 0 {
            add(cpu, time, task.firstCPU, task.first)
            task.firstCPU = -1
            tasks[pid] = task
        } else {
            tasks[pid] = Task(last: cpu, lastTime: time)
        }
    }

    // MARK: flushes

    /// A CPU answers: if only one flush of so many pages is under way, that one.
    private mutating func answered(_ cpu: Int, _ record: Record) {
        var found: Int?
        for sender in cpus.indices where sender != cpu && flushes[sender].isOpen && flushes[sender].pages == record.word1 {
            if found != nil { return }
            found = sender
        }
        guard let sender = found else { return unmatchedTimes.append(record.time) }
        guard usesFlushes else { return }
        add(sender, flushes[sender].sent, cpu, record.time)
        flushes[sender].answers.append((cpu, record.time))
    }

    /// The sender's next record in task context: all have answered.
    private mutating func close(_ cpu: Int, _ record: Record) {
        guard flushes[cpu].isOpen, !record.inHardIRQ, record.kind != .lost else { return }
        flushes[cpu].isOpen = false
        for answer in flushes[cpu].answers { add(answer.cpu, answer.time, cpu, record.time) }
        flushes[cpu].answers.removeAll(keepingCapacity: true)
    }
}
