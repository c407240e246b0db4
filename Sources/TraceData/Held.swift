/// A record that waits for its turn, without the bytes that it was read from.
public struct Held: Sendable {
    public var time: UInt64 = 0
    /// As in ``Record/word0`` and ``Record/word1``.
    public var word0: UInt64 = 0
    public var word1: UInt64 = 0
    /// sched_switch: next_comm.
    public var comm = Comm.empty
    public var cpu: Int32 = 0
    public var pid: Int32 = 0
    /// Where the record's ``Details`` are in its ``RecordBatch``; 0 if it has none.
    var detail: UInt32 = 0
    public var kind = Record.Kind.other
    public var flags: UInt8 = 0

    public init() {}

    @inlinable public var inHardIRQ: Bool { flags & 0x08 != 0 }
    @inlinable public var prevPID: Int32 { Int32(truncatingIfNeeded: word0) }
    @inlinable public var nextPID: Int32 { Int32(truncatingIfNeeded: word0 >> 32) }
    @inlinable public var reason: Int32 { Int32(truncatingIfNeeded: word0) }
    @inlinable public var pages: Int64 { Int64(bitPattern: word1) }
}

/// What the less frequent records carry beside ``Held``, decoded while their bytes were at hand.
public struct Details: Sendable {
    public var probe = ProbeFields()
    /// The task that the record speaks of, and a second one (parent of a fork, old_pid of an exec).
    public var pid: Int32 = 0
    public var otherPID: Int32 = 0
    public var cloneFlags: UInt64 = 0
    public var comm = Comm.empty
    public var text = ""

    public init() {}

    /// Decodes a record of any kind but sched_switch, tlb_flush and gaps.
    init(_ record: Record, _ formats: EventFormats) {
        switch record.kind {
        case .other, .lost, .schedSwitch, .tlbFlush: break
        case .newTask:
            let task = formats.newTask(record)
            (pid, otherPID, cloneFlags, comm) = (task.pid, record.pid, task.cloneFlags, task.comm)
        case .fork:
            let fork = formats.fork(record)
            (pid, otherPID) = (fork.childPID, fork.parentPID)
        case .exec:
            let exec = formats.exec(record)
            (pid, otherPID) = (exec.pid, exec.oldPID)
        case .exit: pid = formats.exit(record).pid
        case .rename:
            let rename = formats.rename(record)
            (pid, comm) = (rename.pid ?? record.pid, rename.newComm)
        case .marker: text = formats.marker(record)
        default: probe = formats.probe(record)
        }
    }
}
