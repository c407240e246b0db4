import LazyTLB

/// An inferred history measured against the true one.
public struct Accuracy: Sendable {
    /// Switches by the incoming task's mm.
    public private(set) var switches = Share()
    /// CPU time, ns, by the current task's mm and the loaded one together.
    public private(set) var time = Share()
    /// Of the CPU time that is reported unknown what lies before the first evidence of what the CPU has loaded, ns: without probes an idle CPU may show that after seconds only.
    public private(set) var unshownTime: UInt64 = 0
    /// LOCAL_MM_SHOOTDOWN and SEND_IPI records by the mm that they flush.
    public private(set) var flushes = Share()
    /// Consecutive user tasks of a CPU by whether they share an mm: what splitting mms too finely would spoil.
    public private(set) var neighbours = Share()
    /// Tasks that are said to be kernel threads (they never have an mm): how many of them are.
    public private(set) var kernelPrecision = Share()
    /// Tasks that are kernel threads: how many of them are said to be.
    public private(set) var kernelRecall = Share()
    /// Kinds of wrong switches, the most frequent first.
    public private(set) var mistakes: [Mistake] = []
    /// Kinds of wrong flushes, the most frequent first; nobody's `pid`.
    public private(set) var flushMistakes: [Mistake] = []
    /// Kinds of wrong CPU time, the longest first, by what is loaded (or, where that is right, by the task's mm); `count` is in ns.
    public private(set) var timeMistakes: [Mistake] = []

    /// Switches (or whatever else) with mm `real`, which is taken for `guess`.
    public struct Mistake: Sendable {
        public var real: MM
        public var guess: MM
        public var count: Int
        /// The first of them.
        public var time: UInt64
        public var cpu: Int
        public var pid: Int32
    }

    /// Compares the records that both have, and the time from `start` on; where the truth is unknown, nothing is compared.
    public init(true truth: History, inferred: History, from start: UInt64) {
        let cpus = truth.switches.indices
        let switches = cpus.map { aligned(truth.switches[$0], inferred.switches[$0]) }
        let flushes = cpus.map { aligned(truth.flushes[$0], inferred.flushes[$0]) }
        let spans = cpus.map { Accuracy.spans(truth.points[$0], inferred.points[$0], from: start) }
        let map = NameMap(
            switches: switches.joined().map { ($0.mm, $1.mm) }, flushes: flushes.joined().map { ($0.mm, $1.mm) },
            loaded: spans.joined().map { ($0.real.loaded, $0.guess.loaded, $0.length) })
        var (wrongFlushes, wrongTime) = (Mistakes(), Mistakes())
        for cpu in cpus {
            compareNeighbours(switches[cpu])
            for (real, guess) in flushes[cpu] where real.mm != .unknown {
                let verdict = map.judge(guess.mm, real.mm)
                self.flushes.add(verdict)
                if verdict == .wrong { wrongFlushes.add(real.mm, guess.mm, 1, real.time, cpu, -1) }
            }
            var hasShown = false
            for span in spans[cpu] where span.real.loaded != .unknown && span.real.task != .unknown {
                if span.guess.loaded != .unknown { hasShown = true }
                let loaded = map.judge(span.guess.loaded, span.real.loaded)
                let verdict = loaded.and(judgeTask(span, map))
                time.add(verdict, span.length)
                if verdict == .unknown, !hasShown { unshownTime += span.length }
                guard verdict == .wrong else { continue }
                let (real, guess) = loaded == .wrong ? (span.real.loaded, span.guess.loaded) : (span.real.task, span.guess.task)
                wrongTime.add(real, guess, Int(span.length), span.time, cpu, -1)
            }
        }
        flushMistakes = wrongFlushes.sorted
        timeMistakes = wrongTime.sorted
        compareSwitches(switches, map)
        compareKinds(switches.joined())
    }

    /// The part of the CPU time that ``unshownTime`` is.
    public var unshownPart: Double { time.all > 0 ? Double(unshownTime) / Double(time.all) : 0 }

    /// Without probes the moment of exit_mm() mostly shows later, if at all: until then the mm that the task had is right. That it has run exit_mm() must not be said too early.
    private func judgeTask(_ span: Span, _ map: NameMap) -> Verdict {
        guard span.guess.hasExited else { return map.judge(span.guess.task, span.real.task) }
        return span.real.hasExited || !span.real.task.isUser ? .right : .wrong
    }

    private mutating func compareSwitches(_ pairs: [[(History.Switch, History.Switch)]], _ map: NameMap) {
        var wrong = Mistakes()
        for (cpu, pairs) in pairs.enumerated() {
            for (real, guess) in pairs where real.mm != .unknown {
                let verdict = map.judge(guess.mm, real.mm)
                switches.add(verdict)
                if verdict == .wrong { wrong.add(real.mm, guess.mm, 1, real.time, cpu, real.nextPID) }
            }
        }
        mistakes = wrong.sorted
    }

    private mutating func compareNeighbours(_ pairs: [(History.Switch, History.Switch)]) {
        var last: (History.Switch, History.Switch)?
        for (real, guess) in pairs where real.mm.isUser {
            if let (lastReal, lastGuess) = last, lastReal.nextPID != real.nextPID {
                if guess.mm == .unknown || lastGuess.mm == .unknown {
                    neighbours.add(.unknown)
                } else {
                    let isSame = guess.mm.isUser && lastGuess.mm.isUser && (lastReal.mm == real.mm) == (lastGuess.mm == guess.mm)
                    neighbours.add(isSame ? .right : .wrong)
                }
            }
            last = (real, guess)
        }
    }

    private mutating func compareKinds(_ pairs: some Sequence<(History.Switch, History.Switch)>) {
        var seen: Set<Int32> = [], users: Set<Int32> = [], saidUsers: Set<Int32> = [], open: Set<Int32> = []
        for (real, guess) in pairs where real.nextPID > 0 && real.mm != .unknown {
            seen.insert(real.nextPID)
            if real.mm.isUser { users.insert(real.nextPID) }
            if guess.mm.isUser { saidUsers.insert(real.nextPID) }
            if guess.mm == .unknown { open.insert(real.nextPID) }
        }
        for pid in seen {
            let isKernel = !users.contains(pid)
            let saysKernel = !saidUsers.contains(pid) && !open.contains(pid)
            if saysKernel { kernelPrecision.add(isKernel ? .right : .wrong) }
            if isKernel { kernelRecall.add(saysKernel ? .right : open.contains(pid) && !saidUsers.contains(pid) ? .unknown : .wrong) }
        }
    }

    /// A time in which neither history changes.
    struct Span {
        var time: UInt64
        var real: History.Point
        var guess: History.Point
        var length: UInt64
    }

    static func spans(_ truth: [History.Point], _ inferred: [History.Point], from start: UInt64) -> [Span] {
        guard let first = truth.first?.time, let end = truth.last?.time else { return [] }
        var spans: [Span] = []
        var at = max(first, start)
        var guess = History.Point(time: at, task: .unknown, loaded: .unknown)
        var (i, j) = (0, 0)
        while at < end {
            while i + 1 < truth.count, truth[i + 1].time <= at { i += 1 }
            while j < inferred.count, inferred[j].time <= at {
                guess = inferred[j]
                j += 1
            }
            var next = i + 1 < truth.count ? truth[i + 1].time : end
            if j < inferred.count { next = min(next, inferred[j].time) }
            if next <= at { break }
            spans.append(Span(time: at, real: truth[i], guess: guess, length: next - at))
            at = next
        }
        return spans
    }
}

/// Mistakes by what was taken for what.
private struct Mistakes {
    private var kinds: [UInt64: Accuracy.Mistake] = [:]

    mutating func add(_ real: MM, _ guess: MM, _ amount: Int, _ time: UInt64, _ cpu: Int, _ pid: Int32) {
        let key = UInt64(UInt32(bitPattern: real.index)) << 32 | UInt64(UInt32(bitPattern: guess.index))
        let first = Accuracy.Mistake(real: real, guess: guess, count: 0, time: time, cpu: cpu, pid: pid)
        kinds[key, default: first].count += amount
    }

    /// The most first.
    var sorted: [Accuracy.Mistake] { kinds.values.sorted { ($0.count, $1.time) > ($1.count, $0.time) } }
}
