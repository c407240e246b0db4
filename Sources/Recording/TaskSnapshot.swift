import CTraceFS
import Glibc

/// The tasks that exist at one moment: which are kernel threads, and which share an mm.
///
/// What exists when a recording starts has no birth in it, so whose mm it has would have to be inferred. The snapshot is written as lines of trace_marker:
/// so it has the trace's own time, and every reader and converter of traces keeps it. docs/recording.md has the form of the lines.
public struct TaskSnapshot: Sendable {
    public private(set) var kernelThreads: [Int32] = []
    /// All tasks that share an mm, in each of them: different groups have different mms, as kcmp(2) has told.
    public private(set) var mms: [[Int32]] = []
    /// Processes of which kcmp(2) told nothing: the tasks of each share an mm, and other processes may share it as well.
    public private(set) var processes: [[Int32]] = []
    /// Of each process with several tasks, or whose leader has gone before the others: its pid (the tgid), and its other tasks.
    public private(set) var threads: [[Int32]] = []
    /// Names by pid.
    public private(set) var names: [Int32: String] = [:]

    /// Why a snapshot taken here would be wrong; nil where it would be right.
    ///
    /// Traces have the pids of the initial pid namespace. procfs and kcmp(2) have those of other namespaces: procfs of the one it was mounted in, kcmp(2) of its caller's.
    public static func hindrance(proc: String = "/proc", pid: Int32 = getpid()) -> String? {
        guard let itself = SmallFile.target("\(proc)/self") else { return "\(proc) is not mounted, or is that of another pid namespace" }
        // PROC_PID_INIT_INO, include/linux/proc_ns.h. Without CONFIG_PID_NS there is no such file, and one namespace.
        if let namespace = SmallFile.target("\(proc)/self/ns/pid"), namespace != "pid:[4026531836]" || itself != String(pid) {
            return "this is a pid namespace of its own (a container), whose pids are not those of the trace; lazytlb tasks outside of it prints them"
        }
        return nil
    }

    /// Reads /proc. Tasks come and go meanwhile: what the lines say of a task counts only if no record tells of its birth, exec or end between the first
    /// line and that one.
    ///
    /// - Parameters:
    ///   - proc: where procfs is.
    ///   - compare: kcmp(2) with KCMP_VM: 0 if two tasks have the same mm, 1 or 2 for an order of mms, anything else if there is none.
    /// - Complexity: O(n log n) in the number of processes for kcmp(2), and some ten microseconds for each task.
    init(proc: String = "/proc", compare: (Int32, Int32) -> Int32 = lazytlb_kcmp_vm) {
        var found: [[Int32]] = []
        for process in (SmallFile.names(proc) ?? []).compactMap({ Int32($0) }).sorted() {
            var tasks: [Int32] = []
            for task in (SmallFile.names("\(proc)/\(process)/task") ?? []).compactMap({ Int32($0) }).sorted() {
                guard let stat = ProcStat("\(proc)/\(process)/task/\(task)/stat"), stat.pid == task else { continue }
                names[task] = stat.comm
                if stat.isKernelThread { kernelThreads.append(task) } else if !stat.isExiting { tasks.append(task) }
            }
            if !tasks.isEmpty { found.append(tasks) }
            let others = tasks.filter { $0 != process }
            if !others.isEmpty { threads.append([process] + others) }
        }
        kernelThreads.sort()
        group(found, compare)
    }

    /// Any task of a process stands for it: its first one that is not exiting.
    private mutating func group(_ found: [[Int32]], _ compare: (Int32, Int32) -> Int32) {
        // kcmp(2) needs the rights of ptrace(2) on both tasks, and a kernel that has it.
        var comparable = found.filter { compare($0[0], $0[0]) == 0 }
        var isOrdered = true
        comparable.sort { a, b in
            let order = compare(a[0], b[0])
            if !(0...2).contains(order) { isOrdered = false }
            return order == 1
        }
        // One that ended meanwhile spoils the order: then nothing is told.
        guard isOrdered else {
            processes = found
            return
        }
        processes = found.filter { compare($0[0], $0[0]) != 0 }
        let known = Set(processes.map { $0[0] })
        var last: Int32?
        for tasks in comparable where !known.contains(tasks[0]) {
            if let last, compare(last, tasks[0]) == 0 { mms[mms.count - 1] += tasks } else { mms.append(tasks) }
            last = tasks[0]
        }
        for index in mms.indices { mms[index].sort() }
        mms.sort { $0[0] < $1[0] }
    }

    // MARK: lines

    /// Takes it and hands its lines out, the first one before /proc is read: what a trace records between them is what may have changed meanwhile.
    ///
    /// - Parameter put: takes a line.
    @discardableResult public static func write<E>(
        proc: String = "/proc", compare: (Int32, Int32) -> Int32 = lazytlb_kcmp_vm, _ put: (String) throws(E) -> Void
    ) throws(E) -> TaskSnapshot {
        try put(begin)
        let snapshot = TaskSnapshot(proc: proc, compare: compare)
        for line in snapshot.lines { try put(line) }
        return snapshot
    }

    private static let head = "lazytlb-tasks 1"
    /// Bytes of a line at most: trace_marker cuts off behind 1024 (TRACE_BUF_SIZE, kernel/trace/trace.h).
    static let lineLimit = 900

    private static let begin = "\(head) begin"

    /// The lines behind the first.
    var lines: [String] { rows("kernel", kernelThreads.isEmpty ? [] : [kernelThreads]) + rows("mm", mms) + rows("process", processes) + rows("threads", threads) + ["\(Self.head) end"] }

    private func rows(_ kind: String, _ groups: [[Int32]]) -> [String] {
        var rows: [String] = []
        var row = ""
        for group in groups {
            for (index, pid) in group.enumerated() {
                if row.isEmpty || row.utf8.count + 13 > Self.lineLimit {
                    if !row.isEmpty { rows.append(index > 0 ? row + ";" : row) }
                    // The rest of a group goes on with its first member.
                    row = "\(Self.head) \(kind)" + (index > 0 ? " \(group[0])" : "")
                }
                row += " \(pid)"
            }
            row += ";"
        }
        return row.isEmpty ? rows : rows + [row]
    }
}
