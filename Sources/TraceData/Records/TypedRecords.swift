/// Records of the kernel's own events as values, decoded on demand.

/// task:task_newtask: a task was made.
public struct NewTask: Sendable, Equatable {
    public var pid: Int32
    public var comm: Comm
    /// CLONE_* of include/uapi/linux/sched.h.
    public var cloneFlags: UInt64
}

/// sched:sched_process_fork. Names are nil if the format has none.
public struct Fork: Sendable, Equatable {
    public var parentPID: Int32
    public var childPID: Int32
    public var parentComm: Comm?
    public var childComm: Comm?
}

/// sched:sched_process_exec.
public struct Exec: Sendable, Equatable {
    public var pid: Int32
    /// The tid before: it changes if another thread than the leader calls exec.
    public var oldPID: Int32
    public var filename: String
}

/// sched:sched_process_exit.
public struct Exit: Sendable, Equatable {
    public var pid: Int32
    public var comm: Comm
}

/// task:task_rename.
public struct Rename: Sendable, Equatable {
    /// nil in kernels whose format has no pid (the task is then the current one).
    public var pid: Int32?
    public var oldComm: Comm
    public var newComm: Comm
}

/// Where the fields of one of the kernel's own events are. Without references: it is copied for every record that is decoded.
struct TypedLayout: Sendable {
    var a = FieldRef()
    var b = FieldRef()
    var first = TextRef()
    var second = TextRef()
    /// A name or string in a record.
    struct TextRef: Sendable {
        enum Form: Sendable { case absent, fixed, dynamic, relative, toTheEnd }
        var form = Form.absent
        var offset: UInt16 = 0
        var size: UInt16 = 0
    }

    /// Looks the fields up. `missing` gets the name of one that the replay cannot do without, and that is not there.
    init(_ event: EventFormats.Event, missing: inout String?) {
        func number(_ name: String, required: Bool = true) -> FieldRef {
            let found = FieldRef(event, name)
            if found == nil, required, missing == nil { missing = name }
            return found ?? FieldRef()
        }
        func text(_ name: String) -> TextRef {
            guard let field = event.field(name) else { return TextRef() }
            let form: TextRef.Form = field.isDynamic ? (field.isRelative ? .relative : .dynamic) : field.size == 0 ? .toTheEnd : .fixed
            return TextRef(form: form, offset: UInt16(field.offset), size: UInt16(field.size))
        }
        switch event.kind {
        case .schedSwitch:
            _ = number("prev_pid")
            _ = number("next_pid")
            _ = number("prev_state")
            (a, b) = (number("prev_prio", required: false), number("next_prio", required: false))
            (first, second) = (text("prev_comm"), text("next_comm"))
        case .tlbFlush:
            _ = number("reason")
            _ = number("pages")
        case .newTask:
            (a, b) = (number("pid"), number("clone_flags"))
            first = text("comm")
        case .fork:
            (a, b) = (number("parent_pid"), number("child_pid"))
            (first, second) = (text("parent_comm"), text("child_comm"))
        case .exec:
            (a, b) = (number("pid"), number("old_pid", required: false))
            first = text("filename")
        case .exit:
            a = number("pid")
            first = text("comm")
        case .rename:
            a = number("pid", required: false)
            (first, second) = (text("oldcomm"), text("newcomm"))
        case .marker:
            first = text("buf")
        default:
            break
        }
    }
}

extension EventFormats {
    /// Names of the outgoing and incoming task of a sched_switch record.
    @inline(__always)
    public func schedSwitchComms(_ record: Record) -> (prev: Comm, next: Comm) {
        guard let layout = typed(record, .schedSwitch) else { return (.empty, .empty) }
        return (comm(layout.first, record) ?? .empty, comm(layout.second, record) ?? .empty)
    }

    /// Priorities of the outgoing and incoming task of a sched_switch record, 0 if the format has none.
    public func schedSwitchPriorities(_ record: Record) -> (prev: Int32, next: Int32) {
        guard let layout = typed(record, .schedSwitch) else { return (0, 0) }
        return (number(layout.a, record), number(layout.b, record))
    }

    /// Decodes a task_newtask record.
    public func newTask(_ record: Record) -> NewTask {
        let layout = typed(record, .newTask)
        return NewTask(
            pid: number(layout?.a, record), comm: layout.flatMap { comm($0.first, record) } ?? .empty,
            cloneFlags: layout?.b.value(record.data, bigEndian) ?? 0)
    }

    /// Decodes a sched_process_fork record.
    public func fork(_ record: Record) -> Fork {
        let layout = typed(record, .fork)
        return Fork(
            parentPID: number(layout?.a, record), childPID: number(layout?.b, record),
            parentComm: layout.flatMap { comm($0.first, record) }, childComm: layout.flatMap { comm($0.second, record) })
    }

    /// Decodes a sched_process_exec record.
    public func exec(_ record: Record) -> Exec {
        let layout = typed(record, .exec)
        let pid = number(layout?.a, record)
        let old = layout.map { $0.b.exists ? number($0.b, record) : pid } ?? pid
        return Exec(pid: pid, oldPID: old, filename: layout.flatMap { string($0.first, record) } ?? "")
    }

    /// Decodes a sched_process_exit record.
    public func exit(_ record: Record) -> Exit {
        let layout = typed(record, .exit)
        return Exit(pid: number(layout?.a, record), comm: layout.flatMap { comm($0.first, record) } ?? .empty)
    }

    /// Decodes a task_rename record.
    public func rename(_ record: Record) -> Rename {
        let layout = typed(record, .rename)
        return Rename(
            pid: layout.flatMap { $0.a.exists ? number($0.a, record) : nil },
            oldComm: layout.flatMap { comm($0.first, record) } ?? .empty,
            newComm: layout.flatMap { comm($0.second, record) } ?? .empty)
    }

    /// The text of a trace_marker record, without the newline at its end. Of one with more bytes than `limit` so many, and an ellipsis.
    public func marker(_ record: Record, limit: Int = .max) -> String {
        guard let layout = typed(record, .marker), let bytes = text(layout.first, record) else { return "" }
        let text = ByteCursor.text(bytes.part(0, min(limit, bytes.count)))
        if bytes.count > limit, !bytes.prefix(limit).contains(0) { return text + "…" }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    @inline(__always)
    private func typed(_ record: Record, _ kind: Record.Kind) -> TypedLayout? {
        let entry = layout.entries[Int(record.eventID)]
        guard entry.kind == kind else { return nil }
        return layout.typed[Int(entry.detail)]
    }

    @inline(__always)
    private func number(_ ref: FieldRef?, _ record: Record) -> Int32 {
        Int32(truncatingIfNeeded: ref?.value(record.data, bigEndian) ?? 0)
    }

    @inline(__always)
    private func comm(_ ref: TypedLayout.TextRef, _ record: Record) -> Comm? {
        if ref.form == .fixed, ref.size == 16, Int(ref.offset) + 16 <= record.data.count, let base = record.data.baseAddress {
            return Comm(sixteen: base + Int(ref.offset))
        }
        return text(ref, record).map { Comm($0) }
    }

    private func string(_ ref: TypedLayout.TextRef, _ record: Record) -> String? {
        text(ref, record).map { ByteCursor.text($0) }
    }

    /// The bytes of a string field, whatever is there of them in the record.
    private func text(_ ref: TypedLayout.TextRef, _ record: Record) -> UnsafeRawBufferPointer? {
        let offset = Int(ref.offset)
        switch ref.form {
        case .absent: return nil
        case .fixed: return record.data.part(offset, Int(ref.size))
        case .toTheEnd: return record.data.part(offset, record.data.count)
        case .dynamic, .relative:
            return record.data.dynamicPart(offset, Int(ref.size), relative: ref.form == .relative, bigEndian)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// As much of `count` bytes from `offset` on as there is.
    func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        let start = Swift.min(Swift.max(offset, 0), self.count)
        return UnsafeRawBufferPointer(rebasing: self[start..<Swift.min(start + count, self.count)])
    }

    /// The bytes that a __data_loc or __rel_loc field points to, as much as there is.
    func dynamicPart(_ offset: Int, _ size: Int, relative: Bool, _ bigEndian: Bool) -> UnsafeRawBufferPointer {
        guard offset + 4 <= self.count, let base = baseAddress else { return part(0, 0) }
        let word = TraceData.load(UInt32.self, base + offset, bigEndian)
        let start = Int(word & 0xffff) + (relative ? offset + size : 0)
        return part(start, Int(word >> 16))
    }
}
