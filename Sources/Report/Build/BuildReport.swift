import LazyTLB
import Reconstruction
import Replay
import TraceData

/// What a report is made of beside the replay: facts about the trace and the tool, as plain values.
public struct ReportContext {
    public var tool: ReportDocument.Tool
    public var trace: ReportDocument.Trace
    public var kernel: RecordedKernel
    /// How the trace names the events of each kind: probe events have the names that their maker gave them.
    public var eventNames: [Record.Kind: String]
    /// Names of tasks that the trace saved at its end, for those that no record names.
    public var savedNames: [Int32: Comm]
    /// Whether to list the divergences that the replay kept.
    public var listsDivergences: Bool
    /// CPUs of the machine whose buffers hold nothing.
    public var silentCPUs: [Int] = []
    /// Where the recorded kernel parts from the schemes that it may run, if that was asked for.
    public var deviations: [ConformanceWatch.List] = []

    public init(
        tool: ReportDocument.Tool, trace: ReportDocument.Trace, kernel: RecordedKernel, eventNames: [Record.Kind: String] = [:],
        savedNames: [Int32: Comm] = [:], listsDivergences: Bool = false
    ) {
        self.tool = tool
        self.trace = trace
        self.kernel = kernel
        self.eventNames = eventNames
        self.savedNames = savedNames
        self.listsDivergences = listsDivergences
    }
}

extension ReportDocument {
    /// The processes that are listed by name; the others are counted only.
    public static let interrupterLimit = 10

    /// The report on a trace that was reconstructed and replayed to its end.
    public init(_ history: Reconstruction<Replay>, _ context: ReportContext) {
        var replay = history.sink
        replay.finish(at: history.end)
        let builder = ReportBuilder(replay: replay, history: history, context: context)
        let own = builder.ownScheme()
        self.init(
            tool: context.tool, trace: context.trace, evidence: builder.evidence(), recorded: builder.recorded(own?.id),
            schemes: builder.schemes(), comparisons: replay.comparisons.map(Comparison.init),
            divergences: context.listsDivergences ? builder.divergences() : nil, ipiMatrix: builder.matrix(),
            shootdownLatency: ShootdownLatency(replay.latency), conformance: own.map { builder.conformance($0) },
            marks: own.flatMap { builder.marks($0.id) })
        workload = builder.workload()
        let sizes = builder.flushSizes()
        if !sizes.isEmpty { flushSizes = sizes }
        let interrupters = builder.interrupters()
        self.interrupters = Array(interrupters.prefix(Self.interrupterLimit))
        if interrupters.count > Self.interrupterLimit { interruptersOmitted = interrupters.count - Self.interrupterLimit }
        if marks != nil, replay.marksOmitted > 0 { marksOmitted = replay.marksOmitted }
        evidence.notes += builder.kernelNotes()
        if let note = builder.kernelNote(own?.id) { evidence.notes.append(note) }
    }
}

/// The parts of a report.
struct ReportBuilder {
    let replay: Replay
    let history: Reconstruction<Replay>
    let context: ReportContext

    let lanes: [Replay.Summary]
    /// Records and masks that each scheme did not predict, or predicted wrongly, by its id; counted once, since that goes through the counters of all CPUs.
    private let missed: [String: Int]

    init(replay: Replay, history: Reconstruction<Replay>, context: ReportContext) {
        (self.replay, self.history, self.context) = (replay, history, context)
        lanes = replay.summaries
        let records = replay.recorded.total
        missed = Dictionary(
            uniqueKeysWithValues: lanes.map { lane in
                (lane.id, max(records, lane.predicted.total) - lane.predicted.matched(replay.recorded) + replay.masks - lane.masksMatched)
            })
    }

    // MARK: The recorded kernel

    /// The recorded kernel's own scheme: of those that it may run the one that misses least of its records and masks, the first of equals.
    ///
    /// A history that was inferred misses some by itself: there only one that misses half as much is preferred to the first.
    func ownScheme() -> Replay.Summary? {
        var best: Replay.Summary?
        for id in context.kernel.candidates {
            guard let lane = lanes.first(where: { $0.id == id }) else { continue }
            if let found = best, !isClearlyWorse(found, than: lane) { continue }
            best = lane
        }
        return best
    }

    private func isClearlyWorse(_ lane: Replay.Summary, than other: Replay.Summary) -> Bool {
        let (mine, others) = (missed[lane.id]!, missed[other.id]!)
        return replay.masks > 0 ? mine > others : mine > 2 * others && mine - others > 20
    }

    /// The schemes that the recorded kernel may run as well as its own: their records hardly differ, or not at all.
    private func alternatives(to own: String) -> [String] {
        guard let chosen = lanes.first(where: { $0.id == own }) else { return [] }
        return lanes.filter { $0.id != own && context.kernel.candidates.contains($0.id) && !isClearlyWorse($0, than: chosen) }.map(\.id)
    }

    /// Which scheme was taken for the recorded kernel's, if its release leaves that open.
    func kernelNote(_ own: String?) -> String? {
        guard let own, context.kernel.candidates.count > 1 else { return nil }
        let found = context.kernel.candidates.compactMap { id in lanes.first { $0.id == id } }
        let misses = found.map { "\($0.id) \(grouped(missed[$0.id]!))" }
        return "Kernels that call themselves \(context.kernel.release ?? "so") may run \(context.kernel.candidates.joined(separator: " or ")). "
            + (alternatives(to: own).isEmpty ? "\(own) is taken." : "The records do not tell which; \(own) is taken.")
            + " Mispredicted: \(misses.joined(separator: ", ")). --kernel overrides it."
    }

    func recorded(_ scheme: String?) -> ReportDocument.Recorded {
        var recorded = ReportDocument.Recorded()
        func count(_ reason: FlushReason) -> Int { replay.recorded.count(reason: Int32(reason.rawValue)) }
        recorded.scheme = scheme
        let others = scheme.map(alternatives(to:)) ?? []
        if !others.isEmpty { recorded.otherSchemes = others }
        recorded.contextSwitches = history.switches
        recorded.cr3Loads = count(.taskSwitch)
        recorded.ipiSends = count(.remoteSendIPI)
        recorded.remoteShootdowns = count(.remoteShootdown)
        recorded.localShootdowns = count(.localShootdown)
        recorded.localMMShootdowns = count(.localMMShootdown)
        recorded.wrongCPU = count(.remoteWrongCPU)
        recorded.other = replay.recorded.count(reason: nil)
        return recorded
    }

    func conformance(_ own: Replay.Summary) -> ReportDocument.Conformance {
        var conformance = ReportDocument.Conformance(scheme: own.id)
        conformance.records = replay.recorded.total
        conformance.predicted = own.predicted.total
        conformance.matched = own.predicted.matched(replay.recorded)
        for reason in FlushReason.allCases {
            let number = Int32(reason.rawValue)
            let counts = ReportDocument.Conformance.Counts(
                records: replay.recorded.count(reason: number), predicted: own.predicted.count(reason: number),
                matched: own.predicted.matched(replay.recorded, reason: number))
            if counts.records > 0 || counts.predicted > 0 { conformance.byReason[reason.kernelName] = counts }
        }
        if replay.masks > 0 {
            conformance.masks = replay.masks
            conformance.masksMatched = own.masksMatched
        }
        if let list = context.deviations.first(where: { $0.scheme == own.id }) {
            conformance.deviationCounts = Dictionary(uniqueKeysWithValues: list.counts.map { ($0.key.rawValue, $0.value) })
            conformance.deviations = list.deviations.map(document)
        }
        return conformance
    }

    func marks(_ own: String) -> [ReportDocument.Mark]? {
        guard !replay.marks.isEmpty else { return nil }
        return replay.marks.map { .init(timeNS: $0.time, text: $0.text, vmstat: .init($0.vmstat[own] ?? VMStat())) }
    }

    /// Whose tasks ran, by name.
    func workload() -> ReportDocument.Workload {
        // By name, those of kernel threads in a table of their own.
        var (users, kernel): ([String: Int], [String: Int]) = ([:], [:])
        for (comm, count) in history.switchesByName {
            var text = comm == .empty ? "<...>" : comm.description
            let isKernelThread = comm.isKernelThread
            // Which of the kworkers it was says nothing about the workload.
            if isKernelThread {
                text = String(text.prefix { $0 != "/" })
                while text.last?.isNumber == true { text.removeLast() }
            }
            if isKernelThread { kernel[text, default: 0] += count } else { users[text, default: 0] += count }
        }
        var tasks: [ReportDocument.Workload.Task] = users.map { .init(name: $0.key, isKernelThread: false, switches: $0.value) }
        for (name, count) in kernel { tasks.append(.init(name: name, isKernelThread: true, switches: count)) }
        tasks.sort { ($1.switches, $0.name) < ($0.switches, $1.name) }
        var workload = ReportDocument.Workload()
        workload.switches = tasks.reduce(0) { $0 + $1.switches }
        workload.tasks = Array(tasks.prefix(ReportDocument.Workload.limit))
        workload.otherSwitches = workload.switches - workload.tasks.reduce(0) { $0 + $1.switches }
        return workload
    }

    // MARK: Evidence and schemes

    func evidence() -> ReportDocument.Evidence {
        let found = history.evidence
        var evidence = ReportDocument.Evidence(kind: found.kind.rawValue)
        evidence.switches.exact = found.exact
        evidence.switches.lifeCycle = found.lifeCycle
        evidence.switches.snapshot = found.listedTasks == nil ? nil : found.snapshot
        evidence.switches.hardware = found.hardware
        evidence.switches.convention = found.convention
        evidence.switches.unknown = found.unknown
        evidence.switches.total = found.exact + found.lifeCycle + found.snapshot + found.hardware + found.convention + found.unknown
        evidence.unknownTimeNS = found.unknownTime
        evidence.flushes.total = found.flushes
        evidence.flushes.unknown = found.unknownFlushes
        evidence.flushes.unknownSends = found.unknownSends
        evidence.flushes.attributed = found.flushes - found.unknownFlushes
        evidence.contradictions = found.contradictions
        evidence.brokenChains = found.brokenChains
        evidence.unexplainedAnswers = found.unexplainedAnswers > 0 ? found.unexplainedAnswers : nil
        evidence.notes = found.notes
        if context.trace.timeUnit != .ns {
            evidence.notes.append("The clock \(context.trace.clock) counts something else than time: spans are in its ticks, and shares of them say little about time.")
        }
        if !context.silentCPUs.isEmpty {
            let one = context.silentCPUs.count == 1
            evidence.notes.append(
                "\(one ? "CPU" : "CPUs") \(ranges(context.silentCPUs)) \(one ? "has" : "have") no data: offline, not recorded, or lost with the file. "
                    + "What \(one ? "it" : "they") did is unknown.")
        }
        if found.unexplainedAnswers > 0 {
            evidence.notes.append(
                "\(count(found.unexplainedAnswers, "record")) of TLB_REMOTE_SHOOTDOWN answer flushes of which no SEND_IPI is recorded: those of other CPUs, or left out. All counts are lower bounds.")
        }
        if found.kind != .probes, replay.recorded.count(reason: TLBReason.onTaskSwitch) == 0 {
            evidence.notes.append("No record tells of a CR3 load (tlb_flush, reason TASK_SWITCH). If a filter left them out, what is said of loaded mms is wrong.")
        }
        if found.brokenChains > 0 {
            evidence.notes.append(
                "\(count(found.brokenChains, "sched_switch record")) did not continue where the CPU's last one ended: "
                    + "a filter left records out, the CPU was offline, or a thread other than the leader called exec and got its pid.")
        }
        return evidence
    }

    func schemes() -> [String: ReportDocument.Scheme] {
        Dictionary(
            uniqueKeysWithValues: lanes.map { lane in
                var scheme = ReportDocument.Scheme(lane.counters)
                scheme.cpuTime = .init(lane.times, of: context.trace.cpuTimeNS)
                return (lane.id, scheme)
            })
    }

    // MARK: Names

    /// A task's name, the last one that it was seen with.
    func name(_ pid: Int32) -> String? {
        if let comm = history.names[pid], comm != .empty { return comm.description }
        return context.savedNames[pid]?.description
    }

    /// An mm's name; nil if it is not known, or if there is none.
    func name(_ mm: MM) -> String? {
        guard mm.isKnown else { return nil }
        let name = history.mms.name(mm)
        // An mm that was there before its task was first named.
        guard mm.isUser, let owner = history.mms[mm], owner.name.isEmpty, let task = self.name(owner.pid) else { return name }
        return task + name.dropFirst()
    }
}

extension FlushReason {
    /// The kernel's name (enum tlb_flush_reason, include/linux/mm_types.h).
    var kernelName: String {
        switch self {
        case .taskSwitch: "TLB_FLUSH_ON_TASK_SWITCH"
        case .remoteShootdown: "TLB_REMOTE_SHOOTDOWN"
        case .localShootdown: "TLB_LOCAL_SHOOTDOWN"
        case .localMMShootdown: "TLB_LOCAL_MM_SHOOTDOWN"
        case .remoteSendIPI: "TLB_REMOTE_SEND_IPI"
        case .remoteWrongCPU: "TLB_REMOTE_WRONG_CPU"
        }
    }
}

extension ReportDocument.VMStat {
    init(_ counted: VMStat) {
        self.init(
            remoteFlush: counted.remoteFlush, remoteFlushReceived: counted.remoteFlushReceived,
            localFlushAll: counted.localFlushAll, localFlushOne: counted.localFlushOne)
    }
}

extension ReportDocument.CPUTime {
    /// What is not known is the rest of the time.
    init(_ times: StateTimes, of whole: UInt64) {
        self.init()
        unknownNS = whole
        func take(_ time: UInt64) -> UInt64 {
            // In a damaged trace times may lie before its beginning.
            let taken = min(time, unknownNS)
            unknownNS -= taken
            return taken
        }
        (userNS, lazyNS, initNS) = (take(times.user), take(times.lazy), take(times.initMM))
    }
}

extension ReportDocument.Scheme {
    init(_ counters: Counters) {
        self.init()
        contextSwitches = counters.contextSwitches
        cr3Loads = counters.cr3Loads
        savedLoads = counters.savedLoads
        reloads = counters.reloads
        leaveMM = counters.leaveMM
        ipiSends = counters.ipiSends
        ipiTargets = counters.ipiTargets
        ipiFlushed = counters.ipiFlushed
        ipiLeft = counters.ipiLeft
        ipiIgnored = counters.ipiIgnored
        ipiIdle = counters.ipiIdle
        ipiKernel = counters.ipiKernel
        localFlushes = counters.localFlushes
        unknownSwitches = counters.unknownSwitches
        vmstat = ReportDocument.VMStat(counters.vmstat)
        for (warning, name) in Warnings.all {
            let times = counters.warnings[warning.rawValue.trailingZeroBitCount]
            if times > 0 { warnings[name] = times }
        }
    }
}
