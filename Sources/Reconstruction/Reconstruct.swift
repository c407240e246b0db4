import Dispatch
import TraceData

/// On what a reconstruction rests, and what stayed unknown.
public struct EvidenceSummary: Sendable {
    /// The best evidence for a task's mm that was used.
    public enum Kind: String, Sendable {
        case probes
        case lifeCycle = "life-cycle"
        case flushes
    }

    public var kind: Kind
    /// Context switches by the strongest evidence for the incoming task's mm.
    public var exact = 0
    public var lifeCycle = 0
    public var snapshot = 0
    public var hardware = 0
    public var convention = 0
    public var unknown = 0
    /// Time during which what a CPU had loaded is unknown, ns, summed over CPUs.
    public var unknownTime: UInt64 = 0
    /// Flushes, and those of them whose mm is unknown.
    public var flushes = 0
    public var unknownFlushes = 0
    /// SEND_IPI records of those.
    public var unknownSends = 0
    /// Gaps of lost events, and the events known to be lost in them.
    public var gaps = 0
    public var lostEvents: UInt64 = 0
    /// sched_switch records whose prev_pid is not the CPU's last next_pid: records were left out.
    public var brokenChains = 0
    /// Evidence that other, stronger evidence forbids: tasks that seem to share an mm and are known not to, and switches that left CR3
    /// alone though the next task's mm was not loaded.
    public var contradictions = 0
    /// Those of them that are switches. The hardware knows none: if no record of a CR3 load is there at all, a filter left them out.
    public var silentChanges = 0
    /// The CPUs' clocks differ: tasks came in on one CPU before they had left another, or flushes were answered before they were sent.
    /// ``ClockSkew`` measures by how much.
    public var clocksDiffer = false
    /// REMOTE_SHOOTDOWN records that answer no flush of a recorded CPU, where those are too many for chance and the clocks do not explain it: records of CPUs that sent them are missing.
    public var unexplainedAnswers = 0
    /// Tasks that snapshots list (``TaskSnapshots``); nil if the trace has none, or they are not used.
    public var listedTasks: Int?
    /// Sentences for the reader.
    public var notes: [String] = []

    public init(kind: Kind) { self.kind = kind }

    /// The counts of before a window.
    mutating func takeAway(_ before: EvidenceSummary) {
        exact -= before.exact
        unknown -= before.unknown
        flushes -= before.flushes
        // That it is unknown may turn out behind the window's beginning, and the flush lie before.
        unknownFlushes = min(unknownFlushes - before.unknownFlushes, flushes)
        gaps -= before.gaps
        lostEvents -= before.lostEvents
        brokenChains -= before.brokenChains
    }

    mutating func note(_ clocks: ClockWatch, _ rules: KernelRules) {
        clocksDiffer = clocks.differ(rules)
        unexplainedAnswers = clocksDiffer ? 0 : clocks.unexplained(rules)
    }

    mutating func noteSnapshots(_ snapshots: TaskSnapshots) {
        if snapshots.tasks > 0 { listedTasks = snapshots.tasks }
        if snapshots.overtaken > 0 {
            notes.append(
                "Of \(snapshots.tasks) tasks that the trace's snapshot lists \(snapshots.overtaken) were born, changed or ended while it was taken: it tells nothing of these.")
        }
        if snapshots.badLines > 0 {
            notes.append(
                "\(snapshots.badLines) lines of trace_marker look like a snapshot of tasks and cannot be read: they are cut off, or of another version.")
        }
    }
}

/// What may be used to find the mm of a task.
public enum EvidenceLevel: String, Sendable, CaseIterable {
    case all
    /// Everything but probe events.
    case noProbes = "no-probes"
    /// The same without the clone flags of births, as if task_newtask had not been recorded, but sched_process_fork had.
    case noCloneFlags = "no-clone-flags"
    /// sched_switch and tlb_flush alone.
    case switchesOnly = "switches-only"
}

extension TraceFile {
    /// The file has the probe events that tell mms exactly: switch_mm() and the flushes.
    public var hasProbes: Bool {
        formats.event(named: "sw_mm") != nil && formats.event(named: "fl_range") != nil
    }

    /// Which others it has.
    var probeCoverage: ProbeCoverage {
        func any(_ names: String...) -> Bool { names.contains { formats.event(named: $0) != nil } }
        return ProbeCoverage(lazy: any("lazy", "ctxsw"), offline: any("idle_exit"), handlers: any("fl_func", "fl_remote"))
    }
}

/// Reads a trace from its start to its end and drives `sink` with what happened.
///
/// The one place where the stages of this module are put together.
public struct Reconstruction<Sink: StimulusSink> {
    public let sink: Sink
    public let mms: MMTable
    public let evidence: EvidenceSummary
    /// Task names by pid, the latest of each.
    public let names: [Int32: Comm]
    /// How often a task of each name was switched in, idle tasks left out. Names that end in a number are names of their own here.
    public let switchesByName: [Comm: Int]
    /// All records read, and the times of the first and the last, ns.
    public let records: Int
    /// sched_switch records read.
    public let switches: Int
    public let start: UInt64
    public let end: UInt64
    /// Where only a window was counted: what is known of all the trace. All else is of the window then, but for names, mms, contradictions and ``EvidenceSummary/clocksDiffer``.
    public let whole: WholeTrace?

    /// - Parameters:
    ///   - window: counts this part of the trace. For a sink that knows ``StimulusSink/beginWindow(at:)``.
    ///   - kernel: the recorded kernel's release where the file does not tell, or tells wrong.
    ///   - workers: threads that may work beside the caller's. The result does not depend on them. A sink that works on one of its own takes the last.
    ///   - first: the first pass over the same file, if that was made.
    /// - Throws: ``TraceError`` where the trace cannot be read (with `keepGoing` such places are left out and listed by the file).
    public init(
        _ file: TraceFile, sink: Sink, evidence level: EvidenceLevel = .all, kernel: String? = nil, workers: Workers = Workers(jobs: 1), window: Window? = nil,
        after first: FirstPass? = nil
    ) throws(TraceError) {
        let cpus = Reconstruction.cpuCount(file)
        let probes = level == .all && file.hasProbes
        let rules = KernelRules(file, kernel: kernel)
        if probes {
            file.willBeRead(times: 1)
            let ahead = Lookaheads(file, probes: true, on: workers.besideLast, ordered: true)
            var merge = OrderedMerge(ahead.all, order: ahead.order!)
            let any = try merge.next()
            var replay = ProbeReconstruction(
                sink: sink, sources: ahead.all, cpus: cpus, rules: rules, longSize: file.longSize, coverage: file.probeCoverage, savedNames: file.commands, start: ahead.firstTime,
                beginsEverywhere: !file.cpuStats.isEmpty && file.cpuStats.allSatisfy { $0.overrun == 0 && $0.commitOverrun == 0 })
            replay.clocks.hasAllCPUs = file.hasAllCPUs
            var part = window.map { WindowReading($0, start: ahead.firstTime) }
            if any, part == nil { repeat { replay.consume(merge.head) } while try merge.next() }
            if any, part != nil { repeat { part!.take(merge.head, &replay) } while try merge.next() }
            let counted = Counted(ahead, &part, &replay)
            replay.finish(at: counted.end)
            replay.evidence.note(replay.clocks, rules)
            self.init(sink: replay.sink, mms: replay.mms, evidence: replay.evidence, names: replay.names, replay.switchesByName, ahead, counted)
        } else {
            file.willBeRead(times: first.map { $0.expectsSecond ? 0 : 1 } ?? 2)
            let first = if let first { first } else { try FirstPass.make(file, cpus: cpus, rules: rules, by: level, on: workers.queues) }
            let ahead = Lookaheads(file, probes: false, on: workers.besideLast, pool: first.pool)
            var merge = RepeatedMerge(ahead.all, order: first.pass.order)
            let any = try merge.next()
            var sink = sink
            sink.willReplay(first.classes.mms)
            var replay = InferredReconstruction(
                sink: sink, sources: ahead.all, cpus: cpus, rules: rules, findings: Findings(first.classes, first.pass.walk.tasks), births: first.pass.walk.births,
                start: ahead.firstTime)
            var part = window.map { WindowReading($0, start: ahead.firstTime) }
            if any, part == nil { repeat { replay.consume(merge.head) } while try merge.next() }
            if any, part != nil { repeat { part!.take(merge.head, &replay) } while try merge.next() }
            let counted = Counted(ahead, &part, &replay)
            replay.finish(at: counted.end, first.classes)
            self.init(replay, first, ahead, counted)
        }
    }

    init(_ replay: InferredReconstruction<Sink>, _ first: FirstPass, _ ahead: Lookaheads) { self.init(replay, first, ahead, Counted(ahead)) }

    private init(_ replay: InferredReconstruction<Sink>, _ first: FirstPass, _ ahead: Lookaheads, _ counted: Counted) {
        var evidence = replay.evidence
        evidence.note(first.pass.clocks, first.pass.walk.rules)
        let walk = first.pass.walk
        switch walk.births {
        case .untold where walk.tellsChanges && walk.birthRecords == .none:
            evidence.notes.append(
                "No task_newtask or sched_process_fork record tells of a birth, and no snapshot of the tasks: records of exec, exit and new names are not used, since any task may be another's child.")
        case .withoutFlags:
            evidence.notes.append(
                "Births are told without clone flags (sched_process_fork): which children share their parent's mm is inferred, from the flush that fork() makes and from what they show. task:task_newtask tells it.")
        case .untold, .withFlags: break
        }
        self.init(sink: replay.sink, mms: first.classes.mms, evidence: evidence, names: replay.names, replay.switchesByName, ahead, counted)
    }

    /// The same history, of a sink that has become another thing at its end.
    public func map<Result: StimulusSink>(_ transform: (Sink) -> Result) -> Reconstruction<Result> {
        Reconstruction<Result>(
            sink: transform(sink), mms: mms, evidence: evidence, names: names, switchesByName: switchesByName,
            Counted(records: records, switches: switches, start: start, end: end, whole: whole))
    }

    private init(
        sink: Sink, mms: MMTable, evidence: EvidenceSummary, names: [Int32: Comm], _ switchesByName: [Comm: Int], _ ahead: Lookaheads, _ counted: Counted
    ) {
        var evidence = evidence
        let undeclared = ahead.all.reduce(0) { $0 + $1.undeclared }
        if undeclared > 0 {
            evidence.notes.append(
                "\(undeclared) records are of events that the file does not declare, and could not be read: the file is damaged, or its events were made while it was recorded.")
        }
        self.init(sink: sink, mms: mms, evidence: evidence, names: names, switchesByName: switchesByName, counted)
    }

    fileprivate init(sink: Sink, mms: MMTable, evidence: EvidenceSummary, names: [Int32: Comm], switchesByName: [Comm: Int], _ counted: Counted) {
        self.sink = sink
        self.mms = mms
        self.evidence = evidence
        self.names = names
        self.switchesByName = switchesByName
        (records, switches) = (counted.records, counted.switches)
        (start, end, whole) = (counted.start, counted.end, counted.whole)
    }

    /// The time of the first record of any CPU, ns; 0 without records.
    public static func firstTime(_ file: TraceFile) throws(TraceError) -> UInt64 {
        var first: UInt64?
        for stream in file.streams() {
            var record = Record.none
            if try stream.next(&record) { first = min(first ?? record.time, record.time) }
        }
        return first ?? 0
    }

    /// CPUs by number: the highest that occurs, and one more.
    public static func cpuCount(_ file: TraceFile) -> Int {
        max(file.cpuCount, (file.cpusWithData.last ?? 0) + 1)
    }
}

/// What a first pass over the whole trace has found.
public struct FirstPass {
    let pass: EvidencePass
    let classes: TaskClasses
    let pool: BatchPool
    /// Times of the first record and of the last, ns.
    let start: UInt64
    let end: UInt64
    /// Whoever made it has said of the second pass, too, that the file will be read.
    var expectsSecond = false

    var clocksDiffer: Bool { pass.clocks.differ(pass.walk.rules) }

    /// Makes it. nil as soon as what the walk has seen shows that it should be made otherwise.
    init?(
        _ file: TraceFile, cpus: Int, rules: KernelRules, births: Births, on queues: [DispatchQueue], asLongAs isRight: (TraceWalk) -> Bool
    ) throws(TraceError) {
        let pool = Lookaheads.pool(file, isConcurrent: !queues.isEmpty)
        var leader = try Leader(file, cpus: cpus, rules: rules, births: births, pace: nil, on: queues, pool: pool)
        var goesOn = true
        while goesOn {
            goesOn = try leader.readOn()
            if !isRight(leader.pass.walk) { return nil }
        }
        self.init(leader, leader.conclusion(savedNames: file.commands), pool)
    }

    init(_ leader: Leader, _ classes: TaskClasses, _ pool: BatchPool) {
        (pass, self.classes, self.pool) = (leader.pass, classes, pool)
        (start, end) = (leader.ahead.firstTime, leader.ahead.lastTime)
        leader.ahead.stayAlive()
    }
}
