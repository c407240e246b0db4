import LazyTLB

/// A task of the synthetic machine.
struct SynthTask {
    enum Kind: UInt8 { case idle, kernel, user }

    var pid: Int32
    var name: TaskName
    var kind: Kind
    var mm = MM.none
    /// Index of its process.
    var process = -1
    /// The CPU whose run queue it is in, and its place there; -1 if in none.
    var cpu = -1
    var slot = -1
    /// Past exit_mm(), waiting for its last switch.
    var isDead = false
    /// The parent that waits for its exec or exit (vfork()); -1 if none does.
    var waitingParent = -1
}

/// Threads with one tgid.
struct SynthProcess {
    var leader: Int
    /// Alive.
    var threads = 1
    /// So many will be made.
    var wanted = 1
}

/// The tasks that are alive, their processes and mms. Numbers of the dead are given anew, so memory does not grow with the recording.
struct TaskTable {
    private(set) var tasks: [SynthTask] = []
    private(set) var processes: [SynthProcess] = []
    private var freeTasks: [Int] = []
    private var freeProcesses: [Int] = []
    /// User tasks that are not dead.
    private(set) var alive = 0
    private var pids = PIDs()
    /// By number of the mm: tasks that have it.
    private var users: [Int32] = [0]
    /// Numbers of mms that have ended, the oldest first.
    private var ended: [Int32] = []
    private var endedStart = 0

    subscript(_ task: Int) -> SynthTask {
        _read { yield tasks[task] }
        _modify { yield &tasks[task] }
    }


    func process(of task: Int) -> SynthProcess { processes[tasks[task].process] }

    /// Processes with a living thread.
    var processCount: Int { processes.count - freeProcesses.count }

    func users(of mm: MM) -> Int { Int(users[Int(mm.index)]) }

    /// An idle task or kernel thread.
    mutating func addKernel(_ name: String, isIdle: Bool = false) -> Int {
        tasks.append(SynthTask(pid: isIdle ? 0 : pids.take(), name: TaskName(name), kind: isIdle ? .idle : .kernel))
        return tasks.count - 1
    }

    /// A user task.
    ///
    /// - Parameter process: the one that it is a thread of; nil for a new one that wants `wanted` threads.
    mutating func add(_ name: TaskName, mm: MM, process: Int?, wanted: Int = 1) -> Int {
        var task = SynthTask(pid: pids.take(), name: name, kind: .user, mm: mm)
        users[Int(mm.index)] += 1
        alive += 1
        let number = freeTasks.popLast() ?? tasks.count
        if let process {
            task.process = process
            processes[process].threads += 1
        } else {
            let fresh = SynthProcess(leader: number, wanted: wanted)
            if let free = freeProcesses.popLast() {
                processes[free] = fresh
                task.process = free
            } else {
                processes.append(fresh)
                task.process = processes.count - 1
            }
        }
        if number == tasks.count { tasks.append(task) } else { tasks[number] = task }
        return number
    }

    /// The task gives its mm up for another, or for none. Returns how many still have the old one.
    mutating func change(_ task: Int, to mm: MM) -> Int {
        let old = Int(tasks[task].mm.index)
        users[old] -= 1
        if mm != .none { users[Int(mm.index)] += 1 }
        tasks[task].mm = mm
        return Int(users[old])
    }

    /// The task has run exit_mm().
    mutating func die(_ task: Int) {
        tasks[task].isDead = true
        alive -= 1
        let process = tasks[task].process
        processes[process].threads -= 1
        if processes[process].threads == 0 { freeProcesses.append(process) }
    }

    /// Its number and its pid may be used again.
    mutating func free(_ task: Int) {
        pids.give(tasks[task].pid)
        freeTasks.append(task)
    }

    /// A number for a new mm: one that has ended, if nobody remembers it, else a new one.
    mutating func newMM(isRemembered: (MM) -> Bool) -> MM {
        var tries = 0
        while ended.count - endedStart > 64, tries < 4 {
            let mm = MM(ended[endedStart])
            endedStart += 1
            if endedStart > 4096 {
                ended.removeFirst(endedStart)
                endedStart = 0
            }
            if !isRemembered(mm) { return mm }
            ended.append(mm.index)
            tries += 1
        }
        users.append(0)
        return MM(Int32(users.count - 1))
    }

    mutating func end(_ mm: MM) { ended.append(mm.index) }
}

/// Process numbers: upwards, then again from below with those that are free (alloc_pid(), kernel/pid.c).
private struct PIDs {
    private static let limit: Int32 = 1 << 22
    private static let reserved: Int32 = 300
    private var next: Int32 = 1
    private var used = [UInt64](repeating: 0, count: 1 << 16)

    mutating func take() -> Int32 {
        while used[Int(next >> 6)] & 1 << UInt64(next & 63) != 0 { step() }
        let pid = next
        used[Int(pid >> 6)] |= 1 << UInt64(pid & 63)
        step()
        return pid
    }

    mutating func give(_ pid: Int32) { used[Int(pid >> 6)] &= ~(1 << UInt64(pid & 63)) }

    private mutating func step() {
        next += 1
        if next == Self.limit { next = Self.reserved }
    }
}
