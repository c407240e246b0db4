import LazyTLB
import Reconstruction
import Replay

/// What a reconstruction says, kept so that two of them can be laid side by side: record for record, and over time.
struct History: StimulusSink {
    /// What a CPU does from a moment on.
    struct Point {
        var time: UInt64
        /// The mm with which the current task was switched in.
        var task: MM
        var loaded: MM
    }

    /// A switch: the mm of the incoming task.
    struct Switch {
        var pid: Int32
        var mm: MM
    }

    var switches: [[Switch]]
    var points: [[Point]]
    /// The mm of the flush that each LOCAL_MM_SHOOTDOWN and SEND_IPI record belongs to; none for a batch.
    var flushes: [[MM]]
    private var task: [MM]
    private var loadedMM: [MM]
    private var lastLocal: [MM]
    private var lastSent: [MM]
    var replay: Replay

    /// The time of every sched_switch record: a switch counts from there, whatever the CPU (an emulated one may stall for ms) takes to
    /// get to the probes behind it.
    private let switchTimes: [[UInt64]]
    private var lastSwitch: [(moment: UInt64, record: UInt64)]

    init(cpus: Int, switchTimes: [[UInt64]]) {
        self.switchTimes = switchTimes
        lastSwitch = [(moment: UInt64, record: UInt64)](repeating: (0, 0), count: cpus)
        switches = [[Switch]](repeating: [], count: cpus)
        points = [[Point]](repeating: [], count: cpus)
        flushes = [[MM]](repeating: [], count: cpus)
        task = [MM](repeating: .unknown, count: cpus)
        loadedMM = task
        lastLocal = task
        lastSent = task
        replay = Replay(cpus: cpus)
    }

    mutating func clearLate() { replay.clearLate() }
    mutating func setBatch(_ batch: Batch, cpu: Int) { replay.setBatch(batch, cpu: cpu) }
    mutating func complete(cpu: Int, at moment: Moment) { replay.complete(cpu: cpu, at: moment) }
    mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) { replay.observedMask(mm, word, at: moment) }

    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        let cpu = stimulus.cpu
        switch stimulus {
        case .contextSwitch(_, let mm):
            lastSwitch[cpu] = (moment.time, switchTimes[cpu][switches[cpu].count])
            switches[cpu].append(Switch(pid: moment.pid, mm: mm))
            setTask(cpu, mm, lastSwitch[cpu].record)
        // A CPU that is offline runs nothing: no CPU time.
        case .offline, .forget: setTask(cpu, .unknown, moment.time)
        case .flushRange(_, let mm, _), .flushPage(_, let mm): lastLocal[cpu] = mm
        case .flushOthers(_, let mm, _): lastSent[cpu] = mm
        case .batchOthers: lastSent[cpu] = .none
        default: break
        }
        replay.apply(stimulus, at: moment)
    }

    mutating func recorded(_ record: Held) {
        let cpu = Int(record.cpu)
        if record.reason == 3 { flushes[cpu].append(lastLocal[cpu]) }
        if record.reason == 4 { flushes[cpu].append(lastSent[cpu]) }
        replay.recorded(record)
    }

    mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) {
        loadedMM[cpu] = mm
        let isSwitch = time == lastSwitch[cpu].moment
        points[cpu].append(Point(time: isSwitch ? lastSwitch[cpu].record : time, task: task[cpu], loaded: mm))
    }

    private mutating func setTask(_ cpu: Int, _ mm: MM, _ time: UInt64) {
        task[cpu] = mm
        points[cpu].append(Point(time: time, task: mm, loaded: loadedMM[cpu]))
    }
}
