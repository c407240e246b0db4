/// What a trace tells of births. It decides what the other records of the life cycle are worth, from a pass's first record on.
enum Births {
    /// Any task may be a child, a thread, or the next bearer of a pid, whatever exec and exit say: none of the life cycle's records are used.
    case untold
    /// Of each task that is born it is known when, and of whom, but not whether it shares its parent's mm.
    case withoutFlags
    /// A task of unknown birth was there before the trace, and whose mm it has is known of every other.
    case withFlags
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
