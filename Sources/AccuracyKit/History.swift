import LazyTLB
import Reconstruction
import Replay
import TraceData

/// What a reconstruction says, kept so that two of them can be laid side by side: record for record, and over time.
public struct History: StimulusSink, Sendable {
    /// What a CPU does from a moment on.
    struct Point {
        var time: UInt64
        /// The mm that the current task came in with, or got since.
        var task: MM
        var loaded: MM
        /// The task has run exit_mm() since.
        var hasExited = false
    }

    /// A sched_switch record.
    struct Switch: Timed {
        var time: UInt64
        var nextPID: Int32
        /// The mm of the incoming task.
        var mm: MM
    }

    /// A LOCAL_MM_SHOOTDOWN or SEND_IPI record.
    struct Flush: Timed {
        var time: UInt64
        /// The mm that is flushed; none for a batch.
        var mm: MM
    }

    /// By CPU, as all below.
    private(set) var switches: [[Switch]]
    private(set) var points: [[Point]]
    private(set) var flushes: [[Flush]]
    /// The schemes, run on the same stimuli.
    public private(set) var replay: Replay
    private var task: [MM]
    private var loadedMM: [MM]
    private var hasExited: [Bool]
    private var lastLocal: [MM]
    private var lastSent: [MM]
    /// A switch counts from its sched_switch record on, whatever the CPU (an emulated one may stall for ms) takes to get to its CR3 load.
    private var lastSwitch: [(done: UInt64, begun: UInt64)]
    private var coming: [IncomingTask?]

    public init(cpus: Int) {
        lastSwitch = [(done: UInt64, begun: UInt64)](repeating: (0, 0), count: cpus)
        coming = [IncomingTask?](repeating: nil, count: cpus)
        switches = [[Switch]](repeating: [], count: cpus)
        points = [[Point]](repeating: [], count: cpus)
        flushes = [[Flush]](repeating: [], count: cpus)
        task = [MM](repeating: .unknown, count: cpus)
        loadedMM = task
        hasExited = [Bool](repeating: false, count: cpus)
        lastLocal = task
        lastSent = task
        replay = Replay(cpus: cpus)
    }

    public mutating func clearLate() { replay.clearLate() }
    public mutating func willRun(_ task: IncomingTask, cpu: Int) { coming[cpu] = task }
    public mutating func setBatch(_ batch: Batch, cpu: Int) { replay.setBatch(batch, cpu: cpu) }
    public mutating func complete(cpu: Int, at moment: Moment) { replay.complete(cpu: cpu, at: moment) }
    public mutating func completeUnsent(cpu: Int, at moment: Moment) { replay.completeUnsent(cpu: cpu, at: moment) }
    public mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) { replay.observedMask(mm, word, at: moment) }

    public mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        let cpu = stimulus.cpu
        switch stimulus {
        case .contextSwitch(_, let mm):
            guard let task = coming[cpu] else { preconditionFailure("a context switch to no task") }
            lastSwitch[cpu] = (moment.time, task.begun)
            switches[cpu].append(Switch(time: task.begun, nextPID: task.pid, mm: mm))
            setTask(cpu, mm, task.begun)
        // A CPU that is offline runs nothing: no CPU time.
        case .offline, .forget: setTask(cpu, .unknown, moment.time)
        case .flushRange(_, let mm, _), .flushPage(_, let mm): lastLocal[cpu] = mm
        case .flushOthers(_, let mm, _): lastSent[cpu] = mm
        case .batchOthers: lastSent[cpu] = .none
        default: break
        }
        replay.apply(stimulus, at: moment)
        switch stimulus {
        // Behind a gap: who runs, without a switch.
        case .observe, .exec: setTask(cpu, replay.machine.mm[cpu], moment.time)
        case .exitMM, .unuseMM:
            hasExited[cpu] = true
            points[cpu].append(Point(time: moment.time, task: task[cpu], loaded: loadedMM[cpu], hasExited: true))
        default: break
        }
    }

    public mutating func recorded(_ record: Held) {
        let cpu = Int(record.cpu)
        if record.reason == TLBReason.localMMShootdown { flushes[cpu].append(Flush(time: record.time, mm: lastLocal[cpu])) }
        if record.reason == TLBReason.remoteSendIPI { flushes[cpu].append(Flush(time: record.time, mm: lastSent[cpu])) }
        replay.recorded(record)
    }

    public mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) {
        loadedMM[cpu] = mm
        let isSwitch = time == lastSwitch[cpu].done
        points[cpu].append(Point(time: isSwitch ? lastSwitch[cpu].begun : time, task: task[cpu], loaded: mm, hasExited: hasExited[cpu]))
    }

    private mutating func setTask(_ cpu: Int, _ mm: MM, _ time: UInt64) {
        task[cpu] = mm
        hasExited[cpu] = false
        points[cpu].append(Point(time: time, task: mm, loaded: loadedMM[cpu]))
    }

    /// The trace ends.
    mutating func finish() { replay.finish() }
}

/// Something with a place in a CPU's records.
protocol Timed {
    var time: UInt64 { get }
}

/// Pairs what two histories say of the same record of a CPU: a damaged copy of a trace lacks some, so the order alone does not tell.
func aligned<Element: Timed>(_ left: [Element], _ right: [Element]) -> [(Element, Element)] {
    var pairs: [(Element, Element)] = []
    pairs.reserveCapacity(min(left.count, right.count))
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
        if left[i].time == right[j].time {
            pairs.append((left[i], right[j]))
            i += 1
            j += 1
        } else if left[i].time < right[j].time {
            i += 1
        } else {
            j += 1
        }
    }
    return pairs
}
