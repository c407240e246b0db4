import Dispatch
import LazyTLB
import Tables
import TraceData

/// Records between the two passes, when the second follows the first at a distance.
final class Stretch: @unchecked Sendable {
    /// Whose turn it is, record by record. ``ahead`` of them can be read beyond the end.
    var turns: FlatList<Turn>
    static let ahead = 32
    /// The batches that the first pass began to read meanwhile.
    var batches: [(source: Int, batch: RecordBatch)] = []
    /// How many nodes there were at its end, and how many gaps had ended.
    var nodes = 0
    var gaps = 0
    /// What the second pass has to know in it.
    var news = Findings.News()

    /// - Parameter turns: room for so many, so that what is no more than this is not moved while it grows.
    fileprivate init(turns: Int, in slab: Slab) { self.turns = FlatList(capacity: turns, in: slab) }

    fileprivate func reset() {
        turns.removeAll()
        batches.removeAll(keepingCapacity: true)
        (nodes, gaps, news) = (0, 0, Findings.News())
    }
}

/// Stretches that were followed, whose memory the next ones take: it is there, and in a near cache.
///
/// Any thread may take one and give one back.
final class StretchPool: @unchecked Sendable {
    /// Whose turn it is to touch what follows (see ``MergeAhead``).
    private let turn = DispatchSemaphore(value: 1)
    private var unused: [Stretch] = []
    private let turns: Int
    private let slab: Slab

    /// - Parameters:
    ///   - turns: how many a stretch has room for.
    ///   - slab: where that is.
    init(turns: Int, in slab: Slab) { (self.turns, self.slab) = (turns, slab) }

    func take() -> Stretch {
        turn.wait()
        defer { turn.signal() }
        return unused.popLast() ?? Stretch(turns: turns, in: slab)
    }

    func give(_ stretch: Stretch) {
        stretch.reset()
        turn.wait()
        unused.append(stretch)
        turn.signal()
    }
}

/// The first pass on its way through the trace, with a second one behind it, perhaps: what it has seen so far it tells that one early, some thousand records ahead of
/// where it asks for it. By then nearly all of it is as it will be in the end: a task has shown what it is, or has died. Whether it was, is looked at in the end.
///
/// All is told once. What would have to be taken back makes the first pass give up on the second, which has to begin anew then.
struct Leader {
    var pass: EvidencePass
    let ahead: Lookaheads
    private let order: MergeAhead
    private let sources: Flat<Lookahead>
    private let trails: [Trail]
    private let pool: BatchPool
    /// Somebody may follow.
    private(set) var isFollowed: Bool
    private(set) var isOver = false
    let stretches: StretchPool
    private var stretch: Stretch
    /// Those that wait until the first pass is far enough ahead, and how many records they have.
    private var waiting: [Stretch] = []
    private var waitingRecords = 0
    /// What follows from all so far, as it was told for the first nodes.
    private var classes: TaskClasses?
    /// The mms that nodes were told to have.
    private var told: [MM] = []
    private var toldGaps = 0
    private var toldEnds = 0
    /// It is what follows from the whole trace.
    private var isConcluded = false
    /// Records since all evidence was last looked at.
    private var recordsSince = 0

    private let pace: Pace

    /// How the first pass leads.
    struct Pace {
        /// Records that a stretch has at least: so many that handing it over costs little.
        var stretch = 4096
        /// Records by which the first pass is ahead: so many that most tasks have shown what they are, and so few that they stay in a near cache.
        var distance = 16384
        /// Records that are read at once of a CPU; nil for as many as suits the threads and the CPUs.
        var batch: Int?
    }

    /// With more CPUs than these what a record needs is no longer in a near cache, and has to be asked for in time.
    static let fewSources = 8

    /// All evidence is looked at again when there were so many records for each node: it costs some tens of records.
    private static let recordsPerNode = 64

    /// - Parameter pace: nil if nobody will follow.
    init(_ file: TraceFile, cpus: Int, rules: KernelRules, births: Births, pace: Pace?, on queues: [DispatchQueue], pool: BatchPool) throws(TraceError) {
        isFollowed = pace != nil
        self.pace = pace ?? Pace()
        // What comes at once may make a stretch longer than it has to be.
        stretches = StretchPool(turns: 2 * self.pace.stretch + Stretch.ahead, in: pool.slab)
        stretch = stretches.take()
        pass = EvidencePass(cpus: cpus, rules: rules, births: births)
        pass.clocks.hasAllCPUs = file.hasAllCPUs
        pass.order = MergeOrder(sources: file.cpusWithData.count)
        trails = file.cpusWithData.map { _ in Trail() }
        ahead = Lookaheads(file, probes: false, on: queues, keeping: pass.order, pool: pool, trails: isFollowed ? trails : nil)
        order = ahead.order!
        sources = Flat(ahead.all)
        self.pool = pool
        isOver = sources.count == 0
        for source in sources { _ = try source.advance() }
        for source in sources { if let first = source.peek(0) { pass.expect(Int(first.cpu)) } }
    }

    /// Reads on, a stretch at least. True as long as there is more.
    mutating func readOn() throws(TraceError) -> Bool {
        var records = 0
        while !isOver, records < pace.stretch {
            let run = order.next()
            isOver = run.isLast
            records += run.indices.count
            var failure: TraceError?
            stretch.turns.append(upTo: run.indices.count) { turns in
                do throws(TraceError) { try consume(run.indices, turns) } catch { failure = error }
                return failure == nil ? run.indices.count : 0
            }
            if let failure { throw failure }
        }
        // Better no report than one of a part.
        if isOver { for source in sources { precondition(source.peek(0) == nil, "the order of records ends before the records do") } }
        if isFollowed {
            endStretch()
        } else {
            stretch.turns.removeAll()
            giveBatchesBack()
        }
        return !isOver
    }

    /// Batches that nobody follows through go back, but for those that are being read.
    private func giveBatchesBack() {
        for trail in trails where trail.batches.count > 1 {
            for batch in trail.batches.dropLast() { pool.give(batch) }
            trail.batches.removeFirst(trail.batches.count - 1)
        }
    }

    /// Takes a run of records, and writes down how. What a record needs first is looked up before the branches of the one in front of it: where one was not foreseen, it is there
    /// nevertheless.
    private mutating func consume(_ indices: FlatList<UInt16>, _ turns: UnsafeMutablePointer<Turn>) throws(TraceError) {
        guard indices.count > 0 else { return }
        if sources.count <= Self.fewSources { try consumeOfFew(indices, turns) } else { try consumeOfMany(indices, turns) }
    }

    @inline(never) private mutating func consumeOfFew(_ indices: FlatList<UInt16>, _ turns: UnsafeMutablePointer<Turn>) throws(TraceError) {
        let (sources, count, indices) = (sources.base, indices.count, indices.base)
        var next = sources[Int(indices[0])]
        for place in 0..<count {
            let source = next
            next = sources[Int(indices[place &+ 1])]
            let time = source.headTime
            (turns + place).initialize(to: Turn(time: time, way: pass.consume(source), source: indices[place]))
            _ = try source.advance()
        }
    }

    /// Of many CPUs nothing lies in a near cache: it is asked for step by step.
    @inline(never) private mutating func consumeOfMany(_ indices: FlatList<UInt16>, _ turns: UnsafeMutablePointer<Turn>) throws(TraceError) {
        let (sources, count, indices) = (sources.base, indices.count, indices.base)
        for place in 0..<count {
            sources[Int(indices[place &+ MergeAhead.ahead])].ask()
            sources[Int(indices[place &+ 24])].askForHead()
            pass.willConsume(sources[Int(indices[place &+ 16])].head)
            pass.willConsumeSoon(sources[Int(indices[place &+ 8])].head)
            let source = sources[Int(indices[place])]
            let time = source.headTime
            (turns + place).initialize(to: Turn(time: time, way: pass.consume(source), source: indices[place]))
            _ = try source.advance(asking: false)
        }
    }

    private mutating func endStretch() {
        for (source, trail) in trails.enumerated() {
            for batch in trail.batches { stretch.batches.append((source, batch)) }
            trail.batches.removeAll(keepingCapacity: true)
        }
        if stretch.turns.count > 0 { stretch.turns.pad(Stretch.ahead) }
        stretch.nodes = pass.walk.tasks.nodes.count
        stretch.gaps = pass.settlements.ended.count
        waiting.append(stretch)
        waitingRecords += stretch.turns.count
        recordsSince += stretch.turns.count
        stretch = stretches.take()
        if !pass.canBeAskedEarly { giveUp() }
    }

    /// The next stretch to follow, if the first pass is far enough ahead of it.
    mutating func next() -> Stretch? {
        guard isFollowed, let next = waiting.first, isOver || waitingRecords - next.turns.count >= pace.distance else { return nil }
        waiting.removeFirst()
        waitingRecords -= next.turns.count
        tell(next)
        return isFollowed ? next : nil
    }

    /// Nobody follows from here on: what was read is kept no longer.
    mutating func giveUp() {
        isFollowed = false
        (waiting, classes) = ([], nil)
    }

    /// What the whole trace has told.
    func conclusion(savedNames: [Int32: Comm]) -> TaskClasses {
        guard isConcluded, var classes else { return TaskClasses(pass, savedNames: savedNames) }
        classes.name(pass.walk.tasks, leaders: pass.walk.snapshots.leaders, savedNames)
        return classes
    }

    private mutating func tell(_ stretch: Stretch) {
        let tasks = pass.walk.tasks
        think(tasks, until: stretch.nodes)
        guard let classes else { return giveUp() }
        for node in told.count..<stretch.nodes {
            let task = tasks[Int32(node)]
            told.append(classes.mm[node])
            stretch.news.nodes.append(Findings.Node(mm: told[node], basis: classes.basis[node]))
            // One that lives will be seen more often.
            if let isVague = classes.isVague(first: node) { stretch.news.isVague.append(isVague && (isOver || task.isDead)) }
        }
        for index in toldGaps..<stretch.gaps {
            let gap = pass.settlements.ended[index]
            let settlement = pass.settlements.gaps[gap]
            stretch.news.gaps.append((gap, Findings.Settled(mm: classes.settled(settlement, tasks), execs: classes.execs(in: settlement, tasks))))
        }
        for node in tasks.ended[toldEnds...] { stretch.news.ends.append((node, tasks[node].switchesWithMM)) }
        (toldGaps, toldEnds) = (stretch.gaps, tasks.ended.count)
    }

    /// Concludes what is to be told of the nodes in front of `end`. Nothing comes of it if what was told of others is wrong.
    private mutating func think(_ tasks: TaskNodes, until end: Int) {
        if isConcluded { return }
        let isNews = (told.count..<end).contains { tasks[Int32($0)].origin == .existing && !tasks[Int32($0)].hasKernelName }
        if classes != nil, !isOver, !isNews || recordsSince < Self.recordsPerNode * tasks.nodes.count {
            classes!.reconsider(from: told.count, pass)
        } else {
            (recordsSince, isConcluded) = (0, isOver)
            let all = TaskClasses(soFar: pass)
            classes = told.elementsEqual(all.mm.prefix(told.count)) ? all : nil
        }
    }
}
