import Dispatch
import TraceData

/// What a trace tells of births. It decides what the other records of the life cycle are worth, from a pass's first record on.
enum Births: Int, Comparable {
    /// Any task may be a child, a thread, or the next bearer of a pid, whatever exec and exit say: none of the life cycle's records are used.
    case untold
    /// Of each task that is born it is known when, and of whom, but not whether it shares its parent's mm.
    case withoutFlags
    /// A task of unknown birth was there before the trace, and whose mm it has is known of every other.
    case withFlags

    static func < (a: Births, b: Births) -> Bool { a.rawValue < b.rawValue }
}

/// Records that tell births, those that tell more behind those that tell less. An event may be declared, as all of the kernel's often are, and not recorded.
enum BirthRecords: Int, Comparable {
    case none
    /// A list of the tasks (``TaskSnapshots``), and nobody has been born.
    case snapshot
    /// sched_process_fork. It has no clone flags, and comes behind task_newtask (copy_process() and kernel_clone(), kernel/fork.c), so where it is the first there are none.
    case forks
    /// task_newtask.
    case newTasks

    static func < (a: BirthRecords, b: BirthRecords) -> Bool { a.rawValue < b.rawValue }

    /// What they tell, as far as it may be used.
    func births(by level: EvidenceLevel) -> Births {
        switch (self, level) {
        case (.none, _), (_, .switchesOnly): .untold
        case (.forks, _), (_, .noCloneFlags): .withoutFlags
        case (.snapshot, _), (.newTasks, _): .withFlags
        }
    }
}

extension TraceFile {
    /// What is among the first records of some CPUs, and so what to begin with. Most traces that tell births begin with them: of the command that is recorded, or with a snapshot.
    func birthRecordsEarly() -> BirthRecords {
        guard ["task_newtask", "sched_process_fork", "print"].contains(where: { formats.event(named: $0) != nil }) else { return .none }
        var found = BirthRecords.none
        for cpu in cpusWithData.prefix(Self.early.cpus) {
            let stream = stream(cpu: cpu)
            var record = Record.none
            // What cannot be read is told by whoever comes to it on his way.
            for _ in 0..<Self.early.records {
                guard (try? stream.next(&record)) == true else { break }
                if record.kind == .newTask { return .newTasks }
                if record.kind == .fork { return .forks }
                if record.kind == .marker, SnapshotLine.begins(formats.marker(record)) { found = .snapshot }
            }
        }
        return found
    }

    private static var early: (cpus: Int, records: Int) { (16, 4096) }
}

extension FirstPass {
    /// Makes it with what the trace tells of births, as far as that may be used. What that is may show late, and then it begins anew.
    ///
    /// - Parameter early: what is known to be there, if that was looked at.
    static func make(
        _ file: TraceFile, cpus: Int, rules: KernelRules, by level: EvidenceLevel, births early: BirthRecords? = nil, on queues: [DispatchQueue]
    ) throws(TraceError) -> FirstPass {
        var known = level == .switchesOnly ? .none : early ?? file.birthRecordsEarly()
        while true {
            let births = known.births(by: level)
            let before = known
            let first = try FirstPass(file, cpus: cpus, rules: rules, births: births, on: queues) { walk in
                known = max(before, walk.birthRecords)
                return known.births(by: level) == births
            }
            if let first { return first }
            file.willBeRead(times: 1)
        }
    }
}
