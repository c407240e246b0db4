/// Names of tasks while a trace is read: what sched_switch, task_rename and task_newtask said last, else the names that the file
/// saved at its end.
public struct CommTable {
    private var names: [Int32: Comm] = [0: "<idle>"]
    private let formats: EventFormats

    public init(_ file: TraceFile) {
        formats = file.formats
        for (pid, name) in file.commands { names[pid] = Comm(name) }
        names[0] = "<idle>"
    }

    /// The name of a task; nil if nothing has told it.
    public func name(_ pid: Int32) -> Comm? { names[pid] }

    /// Takes over what a record says. To be called after the record itself was shown.
    public mutating func update(_ record: Record) {
        switch record.kind {
        case .schedSwitch:
            let comms = formats.schedSwitchComms(record)
            set(record.prevPID, comms.prev)
            set(record.nextPID, comms.next)
        case .newTask:
            let task = formats.newTask(record)
            set(task.pid, task.comm)
        case .rename:
            let rename = formats.rename(record)
            set(rename.pid ?? record.pid, rename.newComm)
        default:
            break
        }
    }

    private mutating func set(_ pid: Int32, _ name: Comm) {
        // Every CPU's idle task has pid 0.
        if pid != 0, name != .empty { names[pid] = name }
    }
}
