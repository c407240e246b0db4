import Tables

/// Names of tasks while a trace is read: what sched_switch, task_rename and task_newtask said last, else the names that the file
/// saved at its end.
public struct CommTable {
    /// PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h).
    private static let pidLimit = 4 << 20
    private static let pageSize = 1024

    /// The names of pids below the limit, by pages of 16 KiB, which are made when they are needed. An empty name is none.
    private let pages = Flat<Flat<Comm>?>(repeating: nil, count: pidLimit / pageSize)
    /// Those of all others, and empty ones that the file has saved.
    private var others: [Int32: Comm] = [:]
    private let formats: EventFormats

    public init(_ file: TraceFile) { self.init(file.formats, saved: file.commands) }

    init(_ formats: EventFormats, saved: [Int32: Comm]) {
        self.formats = formats
        for (pid, name) in saved { keep(pid, name) }
        keep(0, "<idle>")
    }

    /// The name of a task; nil if nothing has told it.
    public func name(_ pid: Int32) -> Comm? {
        if let place = place(pid), place.pointee != .empty { return place.pointee }
        return others.isEmpty ? nil : others[pid]
    }

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
        if pid != 0, name != .empty { keep(pid, name) }
    }

    private mutating func keep(_ pid: Int32, _ name: Comm) {
        let (page, _) = Self.split(pid)
        if page < pages.count, name != .empty, pages[page] == nil { pages[page] = Flat(repeating: .empty, count: Self.pageSize) }
        place(pid)?.pointee = name
        if page >= pages.count || name == .empty { others[pid] = name }
    }

    /// Where the name of a pid is, if its page is there.
    @inline(__always)
    private func place(_ pid: Int32) -> UnsafeMutablePointer<Comm>? {
        let (page, place) = Self.split(pid)
        return page < pages.count ? pages[page]?.place(place) : nil
    }

    /// The page of a pid and its place there; a page beyond all if it has none.
    @inline(__always)
    private static func split(_ pid: Int32) -> (page: Int, place: Int) {
        let number = Int(UInt32(bitPattern: pid))
        return (number / pageSize, number % pageSize)
    }
}
