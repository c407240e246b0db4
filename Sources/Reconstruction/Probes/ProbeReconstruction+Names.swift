import LazyTLB
import TraceData

/// Who an mm is named after in a recording with probes, where the probes do not tell it.
struct Naming {
    /// How far the name of an mm is settled.
    enum State: UInt8 {
        case done
        /// No task was seen to have it yet.
        case ownerless
        /// Its process had no name when it was.
        case nameless
    }

    /// By mm; the first is init_mm.
    var states: [State] = [.done]
    /// Names of tasks that no record names.
    let savedNames: [Int32: Comm]
    /// Processes of threads, by pid, as snapshots of the tasks tell (``SnapshotLine/Kind/threads``).
    private var leaders: [Int32: Int32] = [:]
    /// Tasks that are others, since the snapshot that is being read was begun, than those that it may list; nil outside of one.
    private var others: Set<Int32>?

    init(savedNames: [Int32: Comm]) { self.savedNames = savedNames }

    /// The process of a task: its leader's pid where known, else its own.
    func process(of pid: Int32) -> Int32 { leaders[pid] ?? pid }

    /// Takes a line of a snapshot.
    mutating func take(_ line: SnapshotLine) {
        switch line {
        case .begin: others = []
        case .end: others = nil
        case .tasks(.threads, let groups):
            guard let others else { return }
            for group in groups {
                for pid in group.dropFirst() where !others.contains(pid) { leaders[pid] = group[0] }
            }
        case .tasks, .bad: break
        }
    }

    /// From here on the pid is that of another task.
    mutating func isAnother(_ pid: Int32) {
        leaders[pid] = nil
        others?.insert(pid)
    }

    /// A thread that execs takes its leader's pid (de_thread() in fs/exec.c).
    mutating func execs(_ details: Details) {
        isAnother(details.otherPID)
        isAnother(details.pid)
    }
}

extension ProbeReconstruction {
    /// The mm behind a pointer. A pointer that is freed and allocated again is another mm (``mmdrop``).
    ///
    /// It is named after the process of the first task that is seen to have it: `pid`, if that is its `owner`. Whoever only borrows it gives it no name.
    mutating func mm(_ pointer: UInt64, pid: Int32, owner: Bool) -> MM {
        if pointer == 0 { return .none }
        if isInit(pointer) { return .initMM }
        if let known = pointers[pointer] {
            if owner, _slowPath(naming.states[Int(known.index)] != .done) { belongs(known, to: pid) }
            return known
        }
        let process = owner ? naming.process(of: pid) : pid
        let new = mms.add(pid: process, name: name(of: process, pid))
        naming.states.append(owner ? state(of: process, pid) : .ownerless)
        pointers[pointer] = new
        return new
    }

    /// The task has the mm.
    @inline(never) private mutating func belongs(_ mm: MM, to pid: Int32) {
        let index = Int(mm.index)
        let process = naming.process(of: pid)
        // A thread's name is better than none, and no better than that of another one.
        let isBetter = naming.states[index] == .ownerless || mms[mm].map { $0.pid == process && (process == pid || $0.name.isEmpty) } ?? false
        guard isBetter else { return }
        mms.give(mm, to: process, name: name(of: process, pid))
        naming.states[index] = state(of: process, pid)
    }

    /// A saved name is the last one. That of a task which has only not been switched in yet may still be seen.
    private func state(of process: Int32, _ thread: Int32) -> Naming.State {
        names[process] != nil || process != thread && naming.savedNames[process] != nil ? .done : .nameless
    }

    /// A process's name, or else that of its thread, as far as they are known.
    private func name(of process: Int32, _ thread: Int32) -> String {
        (names[process] ?? naming.savedNames[process] ?? names[thread] ?? naming.savedNames[thread])?.description ?? ""
    }

    /// The same of an mm that the current task flushes: its own, if it has one, as far as is known.
    mutating func flushedMM(_ pointer: UInt64, _ record: Held) -> MM {
        mm(pointer, pid: machine.mm[Int(record.cpu)] == .none ? -1 : record.pid, owner: false)
    }

    mutating func rename(_ record: Held, _ details: Details) {
        names[details.pid] = details.comm
        let mm = machine.mm[Int(record.cpu)]
        // A thread's name is not its process's.
        if details.pid == record.pid, mms[mm]?.pid == details.pid { mms.rename(mm, details.comm.description) }
    }

    /// What was written to trace_marker: by a user, or by who recorded the trace.
    mutating func mark(_ text: String, _ moment: Moment) {
        guard SnapshotLine.begins(text) else { return sink.marker(text, at: moment) }
        for line in SnapshotLine.lines(text) { naming.take(line) }
    }
}
