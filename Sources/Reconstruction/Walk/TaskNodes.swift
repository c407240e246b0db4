import CPrefetch
import Tables
import TraceData

/// A task in one exec epoch: as long as it is this node, it has one mm, or none.
struct TaskNode {
    /// Where the node comes from, which is what the life cycle tells of its mm.
    enum Origin: UInt8 {
        /// Running when the trace began, or born unseen.
        case existing
        /// fork() without CLONE_VM: an mm of its own, if its parent had one.
        case forked
        /// CLONE_VM: the parent's mm.
        case shared
        /// Without clone flags: the parent's mm, or a copy.
        case born
        /// CR3 was loaded in task context: an exec, or the last user of an mm tearing it down.
        case afterLoad
        /// The idle task, kthreadd, and their children.
        case kernel
        /// A kernel thread while it uses a process's mm (kthread_use_mm()); its parent is what it is otherwise.
        case usesMM

        /// Born where it was seen.
        @inline(__always) var isBirth: Bool { 1 &<< rawValue & (1 << Self.kernel.rawValue | 1 << Self.forked.rawValue | 1 << Self.shared.rawValue) != 0 }
    }

    // What nearly every switch looks at comes first, in one cache line: there are more tasks than a near cache holds.

    var pid: Int32
    /// Switches to the task so far.
    var switches: UInt32 = 0
    /// How many of them came before the last record that only a task with an mm makes: whatever comes in later without loading CR3 may be
    /// dying.
    var switchesWithMM: UInt32 = 0
    /// In the second pass: how many of them were with the mm that the first pass has found.
    var asFound: UInt32 = 0
    /// Records that only a task with an mm makes; those that only one without makes are ``kernelEvidence``.
    var userEvidence: UInt32 = 0
    var origin: Origin
    /// sched_process_exit, or a last switch-out in a dead state, was seen.
    var isDead = false { didSet { isUsual = false } }
    /// The second pass knows that it has run exit_mm(), before a record says so.
    var isDying = false
    /// ``Origin/afterLoad``: it was an exec (true), or the end of the mm (false); nil while open.
    var isExec: Bool?
    /// It is alive, has come in before, and has had its name since: see ``TraceWalk/stepUsualSwitch(_:)``.
    var isUsual = false
    /// ``TaskNodes/isSettled(_:)`` was true.
    var isSettled = false
    /// The name is one of the kernel's own (``Comm/isKernelThread``).
    var hasKernelName = false
    /// It is a thread of the kernel's, by its birth, or else by its name as long as nothing says that it has exec'd.
    var isKernel: Bool { origin == .kernel || hasKernelName && (origin == .existing || origin == .afterLoad && isExec == nil) }
    /// CLONE_THREAD: it renames itself, but does not exec (but for what ends its process's other threads).
    var isThread = false
    var comm: Comm { didSet { isUsual = false } }
    /// sched_switch records have just this for ``comm``, with whatever follows its NUL, if ``isUsual``.
    var uncutComm = Comm.empty

    // What is looked at seldom.

    var kernelEvidence: UInt32 = 0
    /// The node that it was forked from, or was before; -1 if none.
    var parent: Int32
    /// The node that a line of births goes back to, all of which were or may have been with CLONE_VM; itself if it was not born so.
    var founder: Int32 = 0
    /// sched_process_exit was seen, where that comes before exit_mm() (``KernelRules/exitsBeforeMM``).
    var isExiting = false { didSet { isUsual = false } }
    /// ``VforkWatch`` looks at it.
    var isVforkParent = false
    var isVforkChild = false
    /// It has exec'd in a gap, as its new name told later (``TraceWalk/execUnseen(_:pid:_:)``).
    var execsUnseen = false
    /// It is what a task became by such an exec: its mm is new.
    var hasExecd = false
    /// ``Origin/born``: what its parent did before is what fork() does. And what the task did itself, since its last birth (known to the first pass).
    var isCopy = false
    var flushedAll = false
    /// A snapshot of the tasks lists it (``TaskSnapshots``), as one with an mm or as a kernel thread.
    var isListed = false
    /// It tells, too, which of the listed tasks have another mm.
    var isApart = false
    /// When it was first seen, a task with a higher pid had been: it is older than that one, as long as pids do not wrap around
    /// (alloc_pid() hands them out in order).
    var isOlder = false
    /// The name with which it came in first.
    var firstComm = Comm.empty
    /// The node on whose mm it last came in silently, and the number of that switch.
    var silentOn: Int32 = -1
    var silentAt: UInt32 = 0
    /// Its number in ``SilentRuns``; negative if it has none.
    var silentRun: Int32 = -1
    /// Switches to it that left CR3 alone while init_mm was loaded: only a task without an mm does that.
    var silentOnInit: UInt32 = 0
    /// Its last flush of all pages had no half of its own, as that of an mm's last user.
    var tearsDown = false
    /// Of a kernel thread: what it is while it uses a process's mm; -1 if it was not seen to.
    var usesMM: Int32 = -1
}

/// The nodes of all tasks, and which of them each pid is now.
///
/// Both passes over a trace feed it the same records, so that numbers agree.
struct TaskNodes {
    private(set) var nodes = FlatList<TaskNode>()
    private var current = PIDMap()
    /// The highest pid so far.
    private var highest: Int32 = 0
    private var former = PIDMap()
    /// Nodes that have ended, in the order in which they did: with their task, or since that has become another node.
    private(set) var ended: [Int32] = []

    init() {
        // Every CPU's idle task has pid 0.
        nodes.append(TaskNode(pid: 0, origin: .kernel, comm: "swapper", parent: -1))
        current[0] = 0
    }

    subscript(_ node: Int32) -> TaskNode {
        @inline(__always) _read { yield nodes[Int(node)] }
        @inline(__always) nonmutating _modify { yield &nodes[Int(node)] }
    }

    /// Where the node lies, for those who look at it more than once. Valid until a node is added.
    @inline(__always) func place(_ node: Int32) -> UnsafeMutablePointer<TaskNode> { nodes.place(Int(node)) }

    /// The node that the pid is now; a new one of unknown birth if it has none.
    @inline(__always) mutating func node(_ pid: Int32) -> Int32 {
        let known = current[pid]
        return known >= 0 ? known : add(pid, pid == 2 ? .kernel : .existing, parent: -1)
    }

    /// Asks for what ``known(_:)`` looks at.
    @inline(__always) func ask(_ pid: Int32) { current.ask(pid) }

    /// The node that the pid is now; negative if it has none.
    @inline(__always) func known(_ pid: Int32) -> Int32 { current.quick(pid) }

    func existing(_ pid: Int32) -> Int32? {
        let known = current[pid]
        return known >= 0 ? known : nil
    }

    mutating func add(_ pid: Int32, _ origin: TaskNode.Origin, parent: Int32) -> Int32 {
        let comm = parent >= 0 ? nodes[Int(parent)].comm : Comm.empty
        let number = Int32(nodes.count)
        let founder = (origin == .shared || origin == .born) && parent >= 0 ? nodes[Int(parent)].founder : number
        nodes.append(TaskNode(pid: pid, origin: origin, comm: comm, parent: parent, founder: founder))
        if pid > highest { highest = pid } else { nodes[Int(number)].isOlder = true }
        current[pid] = number
        if origin == .afterLoad { ended.append(parent) }
        return number
    }

    /// The task is dead.
    mutating func die(_ node: Int32) {
        let place = place(node)
        if place.pointee.origin == .afterLoad, place.pointee.isExec == nil { place.pointee.isExec = false }
        if !place.pointee.isDead { ended.append(node) }
        place.pointee.isDead = true
    }

    /// The task goes on under another pid.
    mutating func rename(_ node: Int32, _ pid: Int32) {
        nodes[Int(node)].pid = pid
        current[pid] = node
    }

    func founder(_ node: Int32) -> Int32 { nodes[Int(node)].founder }

    /// The pid is free again: who bears it next is another task.
    mutating func retire(_ pid: Int32) {
        guard pid > 0 else { return }
        former[pid] = current[pid]
        current[pid] = -1
    }

    /// The dead task that bore the pid last, -1 if there was none.
    func formerly(_ pid: Int32) -> Int32 { former[pid] }
}

extension TaskNodes {
    /// The life cycle tells whose mm the node has: it was born in the trace or has exec'd in it. Or a snapshot does. Once it is told it stays so.
    @inline(__always) func isSettled(_ node: Int32) -> Bool {
        let place = place(node)
        if place.pointee.isSettled { return true }
        let founder = self.place(place.pointee.founder)
        let origin = founder.pointee.origin
        place.pointee.isSettled = origin == .existing ? founder.pointee.isApart : origin.isBirth || origin == .afterLoad && founder.pointee.isExec == true
        return place.pointee.isSettled
    }

    /// A snapshot tells whose mm the node has, not the life cycle.
    @inline(__always) func isByFounderListed(_ node: Int32) -> Bool { self[self[node].founder].isApart && self[self[node].founder].origin == .existing }
}

/// Node by pid: a flat table up to the kernel's largest pid_max, a dictionary for what a damaged trace may hold.
private struct PIDMap {
    private static let limit: Int32 = 1 << 22
    private var table = FlatList<Int32>()
    private var rest: [Int32: Int32] = [:]

    /// Asks for a pid's place.
    @inline(__always) func ask(_ pid: Int32) { prefetch_read(table.base + Int(pid)) }

    /// What the table has; -1 for what it does not reach.
    @inline(__always) func quick(_ pid: Int32) -> Int32 { UInt(UInt32(bitPattern: pid)) < UInt(bitPattern: table.count) ? table.base[Int(pid)] : -1 }

    subscript(_ pid: Int32) -> Int32 {
        get {
            if pid >= 0, pid < Self.limit { return Int(pid) < table.count ? table[Int(pid)] : -1 }
            return rest[pid] ?? -1
        }
        set {
            guard pid >= 0, pid < Self.limit else {
                rest[pid] = newValue
                return
            }
            if Int(pid) >= table.count {
                table.extend(with: -1, to: max(table.count + 1024, Int(pid) + 1))
            }
            table[Int(pid)] = newValue
        }
    }
}
