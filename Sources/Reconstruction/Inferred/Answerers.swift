import LazyTLB
import TraceData

/// An answer of a CPU to a flush under way: a record that is still to come.
struct AnswerClaim {
    var time: UInt64
    var pages: Int64
    var sender: Int
}

/// Which CPUs answer a flush that names none, and whose mms they are: a batch, or one of which no local half tells the mm.
///
/// A CPU answers each flush that reaches it once, with a record in an interrupt. Several flushes may be under way, and from v4.14 on their answers cannot be told apart by
/// their pages. So answers are counted: those that other flushes explain are not this one's.
extension InferredReconstruction {
    /// Adds the CPUs that answer the SEND_IPI record `send` of CPU `cpu`, the sender at the head of `source`, and claims their answers, which then are no other flush's.
    ///
    /// - Complexity: O(``Lookahead/depth`` times CPUs), and the square of the CPUs if they all answer.
    mutating func addAnswers(to mask: inout MaskTable, _ cpu: Int, _ source: Lookahead, from send: Held) {
        let end = endOfWait(source, send)
        // Where answers tell what they answer, all that may be are looked at: by mm (``onlyMM(_:_:_:_:)``).
        if rules.hasExactAnswers, send.pages != Stimulus.flushAll { return addAll(to: &mask, source, until: end, send) }
        var answering = Answering(cpus: cpus)
        var later: [LaterSend]?
        for other in sources where other.state != source.state {
            let receiver = other.cpu
            var distance = 0
            // Flushes that the receiver has to answer besides, and how many of `later` are among them.
            var open = 0
            var counted = 0
            while let record = other.peek(distance), record.time <= end, record.kind != .lost {
                distance += 1
                guard record.time >= send.time, mayAnswer(record, send), !isClaimed(receiver, record.time) else { continue }
                let sends = later ?? laterSends(than: send, besides: source, until: end)
                later = sends
                if answering.times[receiver] == nil { open = openFlushes(of: receiver, besides: cpu, send) }
                while counted < sends.count, sends[counted].time < record.time {
                    if reaches(sends[counted], receiver) { open += 1 }
                    counted += 1
                }
                if answering.times[receiver] == nil || open == 0 { (answering.times[receiver], answering.pages[receiver]) = (record.time, record.pages) }
                if open == 0 {
                    answering.surely.insert(receiver, 0)
                    break
                }
                open -= 1
            }
        }
        if send.pages == Stimulus.flushAll { addWholeMMs(to: &answering, cpu) }
        answering.surely.forEach(0) { receiver in
            mask.insert(receiver, 0)
            claims[receiver].append(AnswerClaim(time: answering.times[receiver]!, pages: answering.pages[receiver], sender: cpu))
            claimCount += 1
        }
    }

    private mutating func addAll(to mask: inout MaskTable, _ source: Lookahead, until end: UInt64, _ send: Held) {
        for other in sources where other.state != source.state {
            var distance = 0
            while let record = other.peek(distance), record.time <= end, record.kind != .lost {
                distance += 1
                if record.time >= send.time, mayAnswer(record, send) { mask.insert(other.cpu, 0) }
            }
        }
    }

    /// Who answers one flush.
    private struct Answering {
        /// By CPU: the record that may be its answer, nil if there is none.
        var times: [UInt64?]
        /// What it flushes.
        var pages: [Int64]
        /// Those that have answers which no other flush explains.
        var surely: MaskTable

        init(cpus: Int) {
            times = Array(repeating: nil, count: cpus)
            pages = Array(repeating: 0, count: cpus)
            surely = MaskTable(cpus: cpus, rows: 1)
        }
    }

    /// A batch is of whole mms: where one CPU answers it, all do that have the same mm loaded. If none does for sure, it is of the mm whose CPUs answer first.
    private mutating func addWholeMMs(to answering: inout Answering, _ sender: Int) {
        // Each mm is looked at once, however many CPUs have it loaded.
        var mayBe: [MM: Bool] = [:]
        var found: Set<MM> = []
        var first: MM?
        var firstTime = UInt64.max
        for cpu in 0..<cpus {
            let mm = observed.loaded[cpu]
            guard let time = answering.times[cpu], mm.isUser else { continue }
            let isWhole = mayBe[mm] ?? mayAllAnswer(mm, answering, sender)
            mayBe[mm] = isWhole
            guard isWhole else { continue }
            if answering.surely.contains(cpu, 0) {
                if found.insert(mm).inserted { add(mm, to: &answering) }
            } else if time < firstTime {
                (first, firstTime) = (mm, time)
            }
        }
        guard found.isEmpty, let first else { return }
        answering.surely.clear(0)
        add(first, to: &answering)
    }

    /// All CPUs that have an mm loaded have an answer, the sender and those aside that the recorded kernel spares.
    private mutating func mayAllAnswer(_ mm: MM, _ answering: Answering, _ sender: Int) -> Bool {
        for cpu in 0..<cpus where observed.loaded[cpu] == mm && answering.times[cpu] == nil && cpu != sender {
            if state[cpu].mm.isUser || !rules.sparesLazy { return false }
        }
        return true
    }

    private mutating func add(_ mm: MM, to answering: inout Answering) {
        for cpu in 0..<cpus where observed.loaded[cpu] == mm && answering.times[cpu] != nil { answering.surely.insert(cpu, 0) }
    }

    /// Of the CPUs that answer the batch of CPU `sender` those whose mms it is of, where CPUs stay in masks (v6.14 and later): a CPU with another mm finds nothing to flush, as does
    /// one that another flush has brought up to date. All CPUs of an mm count of which one flushes.
    ///
    /// - Parameter ownPages: what the sender's own half flushes, nil if there is none.
    func outdated(_ mask: MaskTable, by sender: Int, ownPages: Int64? = nil) -> MaskTable {
        guard rules.clearsMaskLate else { return mask }
        var mms: Set<MM> = []
        mask.forEach(0) { cpu in
            let pages = cpu == sender ? ownPages : claims[cpu].last { $0.sender == sender }?.pages
            if pages != 0 { mms.insert(observed.loaded[cpu]) }
        }
        var outdated = MaskTable(cpus: cpus, rows: 1)
        mask.forEach(0) { cpu in if mms.contains(observed.loaded[cpu]) { outdated.insert(cpu, 0) } }
        return outdated
    }

    /// The time up to which the sender at the head of `source` may wait for answers to `send`.
    mutating func endOfWait(_ source: Lookahead, _ send: Held) -> UInt64 {
        var distance = 1
        var halves = rules.sendsFirst ? 1 : 0
        // The head's own half of it comes first, or none does. (By time they cannot be told where the clock is coarse.)
        var isBehind = source.head.kind == .tlbFlush && source.head.reason == TLBReason.remoteSendIPI
        while let next = source.peek(distance) {
            distance += 1
            if next.inHardIRQ { continue }
            guard isBehind else {
                isBehind = true
                continue
            }
            halves -= 1
            if halves >= 0, next.kind == .tlbFlush, next.reason != TLBReason.remoteSendIPI { continue }
            return next.time
        }
        return .max
    }

    /// A record can be the answer to a flush of as many pages as `send`. From v4.14 on it may find all of them flushed, or flush everything.
    private mutating func mayAnswer(_ record: Held, _ send: Held) -> Bool {
        guard record.inHardIRQ, record.kind == .tlbFlush else { return false }
        return record.reason == TLBReason.onTaskSwitch || record.reason == TLBReason.remoteShootdown && (record.pages == send.pages || !rules.hasExactAnswers && record.pages <= 0)
    }

    /// How many flushes besides that of `sender` are under way which a CPU is still to answer, and whose answers may look like those to `send`. Those that it has a claim for
    /// (batches) have theirs already.
    private mutating func openFlushes(of cpu: Int, besides sender: Int, _ send: Held) -> Int {
        if rules.sparesLazy, !state[cpu].mm.isUser { return 0 }
        var count = 0
        for other in senders.others(than: cpu, 0) where other != sender && awaited.contains(cpu, other) && !answers.contains(cpu, other) {
            if !rules.hasExactAnswers || state[other].sentPages == send.pages { count += 1 }
        }
        return count
    }

    /// The only mm that none but spared CPUs have loaded: of which the flush at the head of `source` is, if nobody answers it. nil if there are several, or none. Not one
    /// of which the sender's own half would leave a record; from v5.13 on a lazy sender spares itself, too.
    ///
    /// - Complexity: O(CPUs) times the mms that it looks at, at most O(CPUs squared); from v6.0 on O(``Lookahead/depth`` times CPUs) besides.
    mutating func sparedMM(by source: Lookahead) -> MM? {
        guard rules.sparesLazy, !rules.clearsMaskLate else { return nil }
        let sender = source.cpu
        var only: MM?
        for cpu in 0..<cpus where cpu != sender && observed.loaded[cpu].isUser && !state[cpu].mm.isUser {
            let mm = observed.loaded[cpu]
            if mm == only || mm == state[sender].mm || !rules.sendsFirst && mm == observed.loaded[sender] { continue }
            if (0..<cpus).contains(where: { observed.loaded[$0] == mm && state[$0].mm.isUser }) { continue }
            if only != nil { return nil }
            only = mm
        }
        return only == nil || mayBeDoneByOthers(source) ? nil : only
    }

    /// While the SEND_IPI at the head waits, a CPU answers another flush, or flushes everything: that may have done what this one asks for (v6.0 and later).
    private mutating func mayBeDoneByOthers(_ source: Lookahead) -> Bool {
        guard rules.skipsDoneFlushes else { return false }
        let send = source.head
        let end = endOfWait(source, send)
        for other in sources where other.state != source.state {
            var distance = 0
            while let record = other.peek(distance), record.time <= end {
                distance += 1
                // Another flush may be lost, too.
                if record.kind == .lost { return true }
                guard record.time >= send.time, record.kind == .tlbFlush else { continue }
                if record.inHardIRQ || record.pages < 0 && record.reason != TLBReason.remoteSendIPI { return true }
            }
        }
        return false
    }

    /// The CPUs that have that mm loaded; empty if there is none.
    mutating func sparedByFlush(of source: Lookahead) -> MaskTable {
        var mask = MaskTable(cpus: cpus, rows: 1)
        if let mm = sparedMM(by: source) { for cpu in 0..<cpus where observed.loaded[cpu] == mm { mask.insert(cpu, 0) } }
        return mask
    }

    // MARK: flushes that begin meanwhile

    /// A SEND_IPI that is still to come, and the mm that it is of, if its local half tells.
    private struct LaterSend {
        var time: UInt64
        var cpu: Int
        var mm = MM.unknown
    }

    /// Those of other CPUs behind `send`, up to a time, in order, whose answers may look like those to `send`.
    private mutating func laterSends(than send: Held, besides source: Lookahead, until end: UInt64) -> [LaterSend] {
        var found: [LaterSend] = []
        for other in sources where other.state != source.state {
            var distance = 0
            var before: Held?
            while let record = other.peek(distance), record.time < end, record.kind != .lost {
                distance += 1
                if record.inHardIRQ { continue }
                if record.kind == .tlbFlush, record.reason == TLBReason.remoteSendIPI, record.time > send.time, !rules.hasExactAnswers || record.pages == send.pages {
                    let half = rules.sendsFirst ? other.peek(distance) : before
                    let isOfOwn = half.map { $0.kind == .tlbFlush && rules.isHalf($0, of: record) } ?? false
                    found.append(LaterSend(time: record.time, cpu: other.cpu, mm: isOfOwn ? state[other.cpu].mm : .unknown))
                }
                before = record
            }
        }
        found.sort { $0.time < $1.time }
        return found
    }

    /// Whether a CPU may have to answer it.
    private mutating func reaches(_ send: LaterSend, _ cpu: Int) -> Bool {
        if send.cpu == cpu { return false }
        return !send.mm.isUser || observed.loaded[cpu] == send.mm && (!rules.sparesLazy || state[cpu].mm.isUser)
    }

    // MARK: claims

    private mutating func isClaimed(_ cpu: Int, _ time: UInt64) -> Bool { claimCount > 0 && claims[cpu].contains { $0.time == time } }

    /// The sender that has claimed the answer of a CPU which is at the head now; nil if none has.
    mutating func takeClaim(_ cpu: Int, at time: UInt64) -> Int? {
        if claims[cpu].isEmpty { return nil }
        let claim = claims[cpu].first { $0.time == time }
        let before = claims[cpu].count
        claims[cpu].removeAll { $0.time <= time }
        claimCount -= before - claims[cpu].count
        guard let claim, state[claim.sender].sending, !answers.contains(cpu, claim.sender) else { return nil }
        return claim.sender
    }
}
