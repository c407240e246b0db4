import TraceWriting

/// What the machine of a synthetic recording mostly does.
public enum Mix: String, Sendable, CaseIterable {
    /// Half sched_switch, half tlb_flush records: processes of some threads each.
    case half
    /// Mostly context switches, many of them from and to idle and kernel threads.
    case switches
    /// Mostly flushes, answered by other CPUs.
    case flushes
    /// Processes that fork, vfork, exec and exit.
    case forks
    /// All threads in one mm.
    case threads
    /// Every task has an mm of its own.
    case processes

    /// Of 1024 sched_switch and tlb_flush records, how many are to be sched_switch. As far as it can be had: a switch to another mm has
    /// a tlb_flush record of its own.
    var switchShare: Int {
        switch self {
        case .half, .threads, .processes, .forks: 512
        case .switches: 900
        case .flushes: 100
        }
    }

    /// One of so many actions is a fork, an exec or an exit.
    var lifeCycle: Int {
        switch self {
        case .forks: 6
        case .half, .switches, .flushes: 1000
        case .threads, .processes: 4000
        }
    }

    /// Threads of a process on average; nil for one process that has them all.
    var threads: Int? {
        switch self {
        case .half, .switches, .flushes: 16
        case .forks: 2
        case .threads: nil
        case .processes: 1
        }
    }

    /// Processes stay about as many, and as large, however long the recording is. Where there are many forks they do so by themselves.
    var keepsProcesses: Bool { self != .forks }

    /// One of so many switches goes to a kernel thread, and one of so many to the idle task.
    var lazy: (kernel: Int, idle: Int) {
        switch self {
        case .switches: (8, 3)
        default: (12, 8)
        }
    }

    /// How many tasks a switch looks at for one with the mm that is loaded.
    var loyalty: Int {
        switch self {
        case .switches: 8
        case .half, .flushes: 2
        default: 1
        }
    }

    /// One of so many flushes is a batched one.
    var batch: Int { 50 }
}

/// What a recording is made from. The same options give the same file.
public struct SynthOptions: Sendable {
    public var seed: UInt64 = 1
    public var mix = Mix.half
    /// 2 to 512.
    public var cpus = 4
    /// Records to write; a few more, so that the last action is whole.
    public var events = 100_000
    /// User tasks alive at once, once there has been time to fork them.
    public var tasks = 64
    public var version = TraceFileVersion.v6

    public init() {}
}
