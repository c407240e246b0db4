/// A record without the bytes that it was read from, as a ``RecordBatch`` keeps it.
public struct CompactRecord: Sendable {
    public var time: UInt64 = 0
    /// As in ``Record/word0`` and ``Record/word1``.
    public var word0: UInt64 = 0
    public var word1: UInt64 = 0
    /// sched_switch: next_comm as it stands in the record, with whatever follows its NUL. Nearly always it is that of the last switch to the same task, which needs no
    /// more than to be compared.
    public var uncutComm = Comm.empty
    public var cpu: Int32 = 0
    public var pid: Int32 = 0
    /// Where the record's ``Details`` are in its batch; 0 if it has none.
    var detail: UInt32 = 0
    public var kind = Record.Kind.other
    public var flags: UInt8 = 0
    /// tlb_flush: a CR3 load in task context (reason 0, TASK_SWITCH), as over a quarter of the records of most traces are.
    public var isLoad = false

    public init() {}

    /// ``isLoad`` of a tlb_flush record with these fields.
    @inlinable @inline(__always) static func isLoad(reason: UInt64, flags: UInt8) -> Bool { UInt32(truncatingIfNeeded: reason) | UInt32(flags & 0x08) == 0 }
}

/// A record that waits for its turn in its batch: valid as long as that is.
///
/// A reference, so that nothing is copied of which only a field or two are wanted.
public struct Held {
    public let place: UnsafePointer<CompactRecord>

    @inlinable @inline(__always) public init(_ place: UnsafePointer<CompactRecord>) { self.place = place }

    /// ns of the trace's clock.
    @inlinable public var time: UInt64 { @inline(__always) get { place.pointee.time } }
    @inlinable public var word0: UInt64 { @inline(__always) get { place.pointee.word0 } }
    @inlinable public var word1: UInt64 { @inline(__always) get { place.pointee.word1 } }
    @inlinable public var uncutComm: Comm { @inline(__always) get { place.pointee.uncutComm } }
    public var comm: Comm { uncutComm.cut }
    @inlinable public var cpu: Int32 { @inline(__always) get { place.pointee.cpu } }
    @inlinable public var pid: Int32 { @inline(__always) get { place.pointee.pid } }
    @inlinable public var kind: Record.Kind { @inline(__always) get { place.pointee.kind } }
    @inlinable public var flags: UInt8 { @inline(__always) get { place.pointee.flags } }

    @inlinable public var isLoad: Bool { @inline(__always) get { place.pointee.isLoad } }

    @inlinable public var inHardIRQ: Bool { @inline(__always) get { flags & 0x08 != 0 } }
    @inlinable public var prevPID: Int32 { @inline(__always) get { Int32(truncatingIfNeeded: word0) } }
    @inlinable public var nextPID: Int32 { @inline(__always) get { Int32(truncatingIfNeeded: word0 >> 32) } }
    @inlinable public var reason: Int32 { @inline(__always) get { Int32(truncatingIfNeeded: word0) } }
    @inlinable public var pages: Int64 { @inline(__always) get { Int64(bitPattern: word1) } }
}

/// enum tlb_flush_reason, as a number of tlb_flush records, which knows nothing of schemes (LazyTLB's `FlushReason` is what those write; include/linux/mm_types.h; the last one since v6.14, the one before since v4.3).
public enum TLBReason {
    @inlinable public static var onTaskSwitch: Int32 { @inline(__always) get { 0 } }
    @inlinable public static var remoteShootdown: Int32 { @inline(__always) get { 1 } }
    @inlinable public static var localShootdown: Int32 { @inline(__always) get { 2 } }
    @inlinable public static var localMMShootdown: Int32 { @inline(__always) get { 3 } }
    @inlinable public static var remoteSendIPI: Int32 { @inline(__always) get { 4 } }
    @inlinable public static var remoteWrongCPU: Int32 { @inline(__always) get { 5 } }
}

/// What the less frequent records carry beside their ``CompactRecord``, decoded while their bytes were at hand.
public struct Details: Sendable, Equatable {
    public var probe = ProbeFields()
    /// The task that the record speaks of, and a second one (parent of a fork, old_pid of an exec; of a rename the same one, negative if the record does not tell, which is the writer then).
    public var pid: Int32 = 0
    public var otherPID: Int32 = 0
    public var cloneFlags: UInt64 = 0
    public var comm = Comm.empty
    /// Of a rename: the name before.
    public var oldComm = Comm.empty
    /// The text of a marker, up to ``textLimit``.
    public var text = ""

    /// Bytes of a marker's text that are kept: the kernel's have 4096 (TRACE_MARKER_MAX_SIZE, kernel/trace/trace.c).
    static let textLimit = 8192

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
            (pid, otherPID, comm, oldComm) = (rename.pid ?? record.pid, rename.pid ?? -1, rename.newComm, rename.oldComm)
        case .marker: text = formats.marker(record, limit: Self.textLimit)
        default: formats.probe(record, into: &probe)
        }
    }
}
