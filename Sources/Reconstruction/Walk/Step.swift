import TraceData

/// What one record means for the tasks and CPUs, as far as no mm is concerned yet.
///
/// A reference to the one step of a ``TraceWalk``, valid until its next: passing it around copies nothing. (What was written field by field a
/// moment ago is slow to read as a whole.)
struct Step {
    enum Kind {
        /// Nothing to do with mms, or folded into another step.
        case nothing
        /// A sched_switch; ``Step/loads`` tells whether it changed CR3.
        case switched
        /// The TASK_SWITCH record of the CPU's last sched_switch.
        case switchLoaded
        /// A CR3 load in task context outside of a switch: an exec or the end of an mm. ``Step/node`` is what the task is after it.
        case reloaded
        /// A CR3 load that leaves init_mm loaded: of the idle task, of a kernel thread, of a dying task.
        case left
        /// The same in an interrupt: the CPU was lazy.
        case leftInIRQ
        /// The same of the recorded kernel alone: older ones patch text without another mm.
        case leftToPoke
        /// LOCAL_MM_SHOOTDOWN by the current task.
        case flushed
        /// LOCAL_SHOOTDOWN: the local half of a batch.
        case batch
        /// REMOTE_SEND_IPI.
        case sent
        /// REMOTE_SHOOTDOWN in an interrupt.
        case answered
        /// REMOTE_WRONG_CPU: the flushed mm is not loaded here. In an interrupt an answer, else the sender's own half.
        case wrongCPU
        /// The current task was renamed, made a task, exec'd or exited.
        case lifeCycle
        /// A trace_marker line.
        case marker
        /// Records are missing before this one: what the CPU does, and has loaded, is not known.
        case broken
    }

    private let place: UnsafeMutablePointer<Fields>

    init(_ place: UnsafeMutablePointer<Fields>) { self.place = place }

    struct Fields {
        var kind = Kind.nothing
        var cpu = 0
        /// The current task (of a switch: the one that goes).
        var node: Int32 = 0
        /// Of a switch: the one that comes.
        var next: Int32 = 0
        var loads = false
        /// Of a switch: its TASK_SWITCH record, if there was one, is lost.
        var isCut = false
        /// Records are missing before this one.
        var broken = false
        /// Broken because the CPU was offline: it has init_mm loaded.
        var wasOffline = false
        var pages: Int64 = 0
        /// Of an exec by a thread that is not the leader: the dead leader, whose pid it takes; -1 otherwise, or if that is not known.
        var leader: Int32 = -1
    }

    var kind: Kind {
        @inline(__always) get { place.pointee.kind }
        @inline(__always) nonmutating set { place.pointee.kind = newValue }
    }

    var cpu: Int {
        @inline(__always) get { place.pointee.cpu }
        @inline(__always) nonmutating set { place.pointee.cpu = newValue }
    }

    var node: Int32 {
        @inline(__always) get { place.pointee.node }
        @inline(__always) nonmutating set { place.pointee.node = newValue }
    }

    var next: Int32 {
        @inline(__always) get { place.pointee.next }
        @inline(__always) nonmutating set { place.pointee.next = newValue }
    }

    var loads: Bool {
        @inline(__always) get { place.pointee.loads }
        @inline(__always) nonmutating set { place.pointee.loads = newValue }
    }

    var isCut: Bool {
        @inline(__always) get { place.pointee.isCut }
        @inline(__always) nonmutating set { place.pointee.isCut = newValue }
    }

    var broken: Bool {
        @inline(__always) get { place.pointee.broken }
        @inline(__always) nonmutating set { place.pointee.broken = newValue }
    }

    var wasOffline: Bool {
        @inline(__always) get { place.pointee.wasOffline }
        @inline(__always) nonmutating set { place.pointee.wasOffline = newValue }
    }

    var pages: Int64 {
        @inline(__always) get { place.pointee.pages }
        @inline(__always) nonmutating set { place.pointee.pages = newValue }
    }

    var leader: Int32 {
        @inline(__always) get { place.pointee.leader }
        @inline(__always) nonmutating set { place.pointee.leader = newValue }
    }
}
