/// An event that the replay uses, and what it loses without it.
public struct WantedEvent: Sendable, Equatable {
    public var system: String
    public var name: String
    /// In plain words, as the end of a sentence.
    public var cost: String
    /// Without it there is nothing to replay.
    public var isNecessary = false

    public var description: String { "\(system):\(name)" }
}

/// Which events to record: exactly those that the reconstruction reads (`TraceWalk.step`), as far as the kernel has them.
///
/// sched:sched_process_fork is left out: task:task_newtask is written for the same tasks, and tells more of them.
public struct EventChoice: Sendable {
    public let present: [WantedEvent]
    public let missing: [WantedEvent]

    static let wanted = [
        WantedEvent(system: "sched", name: "sched_switch", cost: "which task runs where is not known", isNecessary: true),
        WantedEvent(system: "tlb", name: "tlb_flush", cost: "neither flushes nor loads of CR3 are known", isNecessary: true),
        WantedEvent(
            system: "task", name: "task_newtask", cost: "whether a new task shares its parent's mm has to be inferred from flushes and CR3 loads"),
        WantedEvent(system: "task", name: "task_rename", cost: "an exec may be taken for the end of an mm, and names are those at a task's last switch"),
        WantedEvent(system: "sched", name: "sched_process_exec", cost: "an exec has to be inferred from its CR3 load"),
        WantedEvent(system: "sched", name: "sched_process_exit", cost: "when a task gives its mm up has to be inferred from its last switch"),
    ]

    /// - Throws: if the kernel has not what the replay cannot do without.
    init(_ tracefs: TraceFS) throws(RecordingError) {
        present = Self.wanted.filter { exists(tracefs.format($0.system, $0.name)) }
        missing = Self.wanted.filter { !exists(tracefs.format($0.system, $0.name)) }
        if !tracefs.isX86 {
            throw RecordingError(
                "this machine is \(tracefs.machine): only x86 has tlb:tlb_flush events and the lazy-TLB schemes that are replayed; record on an x86 machine")
        }
        let lacking = missing.filter(\.isNecessary)
        guard lacking.isEmpty else {
            let lines = lacking.map { "\($0.description) (without it \($0.cost))" }
            throw RecordingError(
                "the kernel \(tracefs.release) has no event \(lines.joined(separator: ", no ")); it needs CONFIG_EVENT_TRACING and CONFIG_SMP, "
                    + "and Linux 3.17 or later for tlb_flush")
        }
    }
}
