import LazyTLB
@testable import Reconstruction
import TraceData

/// A recording written by hand: who runs where, and which tlb_flush records that makes.
///
/// Time goes on by 1 µs with every record.
struct Script {
    /// Reasons of tlb_flush records.
    enum Reason: UInt64 { case taskSwitch = 0, remote, local, localMM, send, wrongCPU }

    static let everything = UInt64.max
    static let vm: UInt64 = 0x100
    static let vfork: UInt64 = 0x4000
    static let thread: UInt64 = 0x1_0000

    let rules: KernelRules
    private var records: [[(held: CompactRecord, details: Details)]]
    private var names: [Int32: Comm] = [2: "kthreadd"]
    /// The current task of each CPU, as the records tell it.
    private var current: [Int32]
    private var previous: Int32 = 0
    private(set) var time: UInt64 = 1000

    init(_ release: String = "4.12.0", cpus: Int = 2) {
        rules = KernelRules(release: release)
        records = Array(repeating: [], count: cpus)
        current = Array(repeating: 0, count: cpus)
    }

    mutating func name(_ pid: Int32, _ comm: Comm) { names[pid] = comm }

    private func comm(_ pid: Int32) -> Comm { names[pid] ?? Comm("task-\(pid)") }

    /// A sched_switch to `next`, and its TASK_SWITCH record if it `loads` CR3.
    ///
    /// - Parameters:
    ///   - state: prev_state; 1 is sleeping.
    ///   - from: prev_pid, where it is not the task that runs.
    mutating func run(_ next: Int32, on cpu: Int = 0, loads: Bool = false, state: UInt64 = 1, from: Int32? = nil) {
        let prev = from ?? current[cpu]
        var details = Details()
        details.comm = next == 0 ? Comm("swapper/\(cpu)") : comm(next)
        let word = UInt64(UInt32(bitPattern: prev)) | UInt64(UInt32(bitPattern: next)) << 32
        add(cpu, prev, .schedSwitch, word, state, details)
        if loads { add(cpu, prev, .tlbFlush, Reason.taskSwitch.rawValue, Script.everything) }
        current[cpu] = next
    }

    /// A sched_switch whose TASK_SWITCH record comes with ``endRun(on:)``: other CPUs' records lie in between.
    mutating func beginRun(_ next: Int32, on cpu: Int) {
        previous = current[cpu]
        run(next, on: cpu)
    }

    mutating func endRun(on cpu: Int) { add(cpu, previous, .tlbFlush, Reason.taskSwitch.rawValue, Script.everything) }

    /// A tlb_flush record of the current task, or of `pid`.
    mutating func flush(_ reason: Reason, _ pages: UInt64 = everything, on cpu: Int = 0, inIRQ: Bool = false, pid: Int32? = nil) {
        add(cpu, pid ?? current[cpu], .tlbFlush, reason.rawValue, pages, flags: inIRQ ? 0x08 : 0)
        if let pid { current[cpu] = pid }
    }

    /// The current task makes another, or one that came to the CPU unseen: its task_newtask record, or sched_process_fork.
    mutating func fork(_ child: Int32, flags: UInt64 = 0, as kind: Record.Kind = .newTask, by unseen: Int32? = nil, on cpu: Int = 0) {
        if let unseen { current[cpu] = unseen }
        if names[child] == nil { names[child] = comm(current[cpu]) }
        var details = Details()
        (details.pid, details.otherPID, details.cloneFlags) = (child, current[cpu], flags)
        details.comm = comm(child)
        add(cpu, current[cpu], kind, 0, 0, details)
    }

    /// What an exec records: its CR3 load (of the task's new pid already), rename, sched_process_exec.
    mutating func exec(_ comm: Comm, as pid: Int32? = nil, on cpu: Int = 0, recordsLoad: Bool = true) {
        let old = current[cpu]
        let pid = pid ?? old
        if recordsLoad { flush(.taskSwitch, on: cpu, pid: pid) }
        current[cpu] = pid
        names[pid] = comm
        var details = Details()
        (details.pid, details.otherPID, details.comm) = (pid, old, comm)
        add(cpu, pid, .rename, 0, 0, details)
        add(cpu, pid, .exec, 0, 0, details)
    }

    /// The sched_process_exec alone, of a task that came to the CPU unseen.
    mutating func execOf(_ pid: Int32, on cpu: Int = 0) {
        var details = Details()
        (details.pid, details.otherPID) = (pid, pid)
        add(cpu, pid, .exec, 0, 0, details)
        current[cpu] = pid
    }

    /// A task_rename by the current task of itself or another one. From v6.14 to v6.17 the record does not tell of whom.
    mutating func rename(_ pid: Int32, to comm: Comm, tellsPID: Bool = true, on cpu: Int = 0) {
        var details = Details()
        (details.pid, details.otherPID, details.comm, details.oldComm) = (tellsPID ? pid : current[cpu], tellsPID ? pid : -1, comm, self.comm(pid))
        names[pid] = comm
        add(cpu, current[cpu], .rename, 0, 0, details)
    }

    /// The current task's sched_process_exit.
    mutating func exit(on cpu: Int = 0) {
        var details = Details()
        details.pid = current[cpu]
        add(cpu, current[cpu], .exit, 0, 0, details)
    }

    /// A line of trace_marker.
    mutating func mark(_ text: String, on cpu: Int = 0) {
        var details = Details()
        details.text = text
        add(cpu, current[cpu], .marker, 0, 0, details)
    }

    /// A probe event in a function that flushes (or handles what CPU `from` has sent), or that switches to the mm `next` (of `task`, from the mm `prev` where the kernel tells it); `own` and `isLazy` as the CPU's
    /// own state has it, `other` as another one's. On i386 a probe has no end of the range where that is passed on the stack.
    mutating func probe(
        _ kind: Record.Kind, mm: UInt64 = 0, pages: UInt64 = 1, next: UInt64? = nil, mask: UInt64? = nil, task: UInt64 = 0, prev: UInt64? = nil, own: UInt64 = 0, isLazy: Bool? = nil,
        vmFlags: UInt64 = 0, hasEnd: Bool = true, from initiator: Int? = nil, other: (cpu: Int, mm: UInt64, isLazy: Bool)? = nil, on cpu: Int = 0, inIRQ: Bool = false
    ) {
        var details = Details()
        (details.probe.mm, details.probe.start, details.probe.end) = (mm, 0x1000, 0x1000 + pages << 12)
        details.probe.present = hasEnd ? [.mm, .range, .end] : [.mm, .range]
        details.probe.vmFlags = vmFlags
        if let next {
            details.probe.nextMM = next
            details.probe.present.insert(.nextMM)
        }
        if let mask {
            details.probe.mask = mask
            details.probe.present.insert(.mask)
        }
        (details.probe.task, details.probe.pid) = (task, current[cpu])
        if let prev {
            details.probe.prevMM = prev
            details.probe.present.insert(.prevMM)
        }
        if let initiator {
            details.probe.initiator = Int32(initiator)
            details.probe.present.insert(.initiator)
        }
        if let isLazy {
            (details.probe.ownMM, details.probe.ownLazy) = (own, isLazy)
            details.probe.present.formUnion([.ownMM, .ownLazy])
        }
        if let other { (details.probe.otherCPU, details.probe.otherMM, details.probe.otherLazy) = (Int32(other.cpu), other.mm, other.isLazy) }
        add(cpu, current[cpu], kind, 0, 0, details, flags: inIRQ ? 0x08 : 0)
    }

    /// Events of a CPU were lost.
    mutating func lose(_ count: UInt64, on cpu: Int = 0) { add(cpu, -1, .lost, count, time) }

    mutating func wait(_ ns: UInt64) { time += ns }

    private mutating func add(
        _ cpu: Int, _ pid: Int32, _ kind: Record.Kind, _ word0: UInt64, _ word1: UInt64, _ details: Details = Details(), flags: UInt8 = 0
    ) {
        time += 1000
        var held = CompactRecord()
        (held.time, held.word0, held.word1, held.cpu, held.pid, held.kind, held.flags) = (time, word0, word1, Int32(cpu), pid, kind, flags)
        records[cpu].append((held, details))
    }

    /// Runs both passes over it.
    func infer(_ level: EvidenceLevel = .noProbes, savedNames: [Int32: Comm] = [:]) -> Inference {
        let births = BirthRecords.newTasks.births(by: level)
        let pass = firstPass(births)
        let sources = Lookaheads(records)
        let classes = TaskClasses(pass, savedNames: savedNames)
        var replay = InferredReconstruction(
            sink: Notes(cpus: records.count), sources: sources.all, cpus: records.count, rules: rules, findings: Findings(classes, pass.walk.tasks), births: births,
            start: 1000)
        feed(sources) { replay.consume($0) }
        replay.finish(at: time, classes)
        return Inference(notes: replay.sink, mms: classes.mms, evidence: replay.evidence)
    }

    func firstPass(_ births: Births = .withFlags) -> EvidencePass {
        var pass = EvidencePass(cpus: records.count, rules: rules, births: births)
        feed(Lookaheads(records)) { pass.consume($0) }
        return pass
    }

    /// Runs the reconstruction by probe events over it.
    func followProbes(_ coverage: ProbeCoverage = ProbeCoverage(), savedNames: [Int32: Comm] = [:], beginsEverywhere: Bool = false) -> Notes {
        let sources = Lookaheads(records)
        var replay = ProbeReconstruction(
            sink: Notes(cpus: records.count), sources: sources.all, cpus: records.count, rules: rules, longSize: 8, coverage: coverage, savedNames: savedNames, start: 1000,
            beginsEverywhere: beginsEverywhere)
        feed(sources) { replay.consume($0) }
        replay.finish(at: time)
        replay.sink.mms = replay.mms
        return replay.sink
    }

    /// As a reader has it.
    var sources: Lookaheads { Lookaheads(records) }

    private func feed(_ sources: Lookaheads, _ body: (Lookahead) -> Void) {
        var merge = TimeMerge(sources.all)
        // Nothing that is written down can fail to be read.
        while (try? merge.next()) == true { body(merge.head) }
        withExtendedLifetime(sources) {}
    }
}

/// What the passes make of a ``Script``.
struct Inference {
    var notes: Notes
    var mms: MMTable
    var evidence: EvidenceSummary

    /// The mm with which the task came in, each time.
    func mms(of pid: Int32) -> [MM] { notes.switches.filter { $0.pid == pid }.map(\.mm) }
    /// The same, the last time.
    func mm(of pid: Int32) -> MM? { mms(of: pid).last }
    /// What the CPU has loaded in the end.
    func loaded(_ cpu: Int = 0) -> MM { notes.loaded[cpu] }
    func isKernelThread(_ pid: Int32) -> Bool { Set(mms(of: pid)) == [.none] }
}

/// Writes down what a reconstruction drives its sink with.
struct Notes: StimulusSink {
    var switches: [(cpu: Int, pid: Int32, mm: MM, basis: Basis)] = []
    var stimuli: [Stimulus] = []
    /// Of the stimuli those that left no record.
    var silent: [Stimulus] = []
    var batches: [Batch] = []
    /// After so many stimuli a CPU had answers to all its IPIs.
    var completed: [(cpu: Int, after: Int)] = []
    /// After so many stimuli a CPU might be down.
    var unsure: [(cpu: Int, after: Int)] = []
    /// The reasons of the records of the recorded kernel.
    var recorded: [Script.Reason?] = []
    var loaded: [MM]
    /// What probe events name.
    var mms = MMTable()
    var coming: IncomingTask?

    init(cpus: Int) { loaded = [MM](repeating: .unknown, count: cpus) }

    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        if case .contextSwitch(let cpu, let mm) = stimulus, let coming { switches.append((cpu, coming.pid, mm, coming.basis)) }
        stimuli.append(stimulus)
        if moment.isSilent { silent.append(stimulus) }
    }
    mutating func recorded(_ record: Held) { recorded.append(Script.Reason(rawValue: UInt64(record.reason))) }
    mutating func complete(cpu: Int, at moment: Moment) { completed.append((cpu, stimuli.count)) }
    mutating func mayBeDown(_ cpu: Int, at time: UInt64) { unsure.append((cpu, stimuli.count)) }
    mutating func willRun(_ task: IncomingTask, cpu: Int) { coming = task }
    mutating func setBatch(_ batch: Batch, cpu: Int) { batches.append(batch) }
    mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) { loaded[cpu] = mm }

    /// Of the flushes of one mm their mm and pages, in order: of the local halves, or of the remote ones.
    var flushes: (local: [(mm: MM, pages: Int64)], remote: [(mm: MM, pages: Int64)]) {
        var flushes: (local: [(mm: MM, pages: Int64)], remote: [(mm: MM, pages: Int64)]) = ([], [])
        for stimulus in stimuli {
            switch stimulus {
            case .flushRange(_, let mm, let pages): flushes.local.append((mm, pages))
            case .flushPage(_, let mm): flushes.local.append((mm, 1))
            case .flushOthers(_, let mm, let pages): flushes.remote.append((mm, pages))
            default: break
            }
        }
        return flushes
    }
    func count(_ isWanted: (Stimulus) -> Bool) -> Int { stimuli.count(where: isWanted) }
}
