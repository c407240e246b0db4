import Glibc

/// What the text of an event says: the kernel's own print formats (include/trace/events/sched.h, task.h, tlb.h), those of libtraceevent's plugins, and
/// `trace-cmd report -R`. All are read from the right, where nothing but numbers and fixed words stands between the names of tasks.
///
/// A name has at most 15 bytes. Where a name makes a line ambiguous, the reading that fits the task of the line's head is taken, else the first one.
struct NameText {
    var start: UnsafePointer<UInt8>
    var count: Int

    /// TASK_COMM_LEN without its NUL.
    static let limit = 15

    init(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        self.start = start
        count = end - start
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        count = bytes.count
    }
}

/// Finds the words before a name that ends at the cursor, the shortest name first. Each one that `accept` takes ends the search.
@inline(__always)
private func beforeName(_ word: StaticString, _ cursor: BackwardCursor, _ accept: (BackwardCursor, NameText) -> Bool) -> Bool {
    let last = cursor.end
    var candidate = cursor
    while true {
        var before = candidate
        if before.take(word), accept(before, NameText(candidate.end, last)) { return true }
        guard last - candidate.end < NameText.limit, candidate.end > candidate.start else { return false }
        candidate.end -= 1
    }
}

struct SchedSwitchText {
    var prevName, nextName: NameText
    var prevPID, prevPrio, nextPID, nextPrio: Int32
    /// The bits of prev_state, as ``StateLetters`` reads them.
    var state: Int64

    /// Reads the text behind the event's name; nil if it is none of sched_switch.
    @inline(__always)
    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, pid: Int32, _ letters: inout StateLetters) {
        var found: SchedSwitchText?
        let cursor = BackwardCursor(start, end)
        if end > start, end[-1] == UInt8(ascii: "]") {
            Self.plugin(cursor, pid, &letters, &found)
        } else {
            Self.fields(cursor, pid, &letters, &found)
        }
        guard let found else { return nil }
        self = found
    }

    private init(
        _ prevName: NameText, _ prevPID: Int32, _ prevPrio: Int32, _ state: Int64, _ nextName: NameText, _ nextPID: Int32, _ nextPrio: Int32
    ) {
        self.prevName = prevName
        self.nextName = nextName
        (self.prevPID, self.prevPrio, self.nextPID, self.nextPrio) = (prevPID, prevPrio, nextPID, nextPrio)
        self.state = state
    }

    /// prev_comm=… prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=… next_pid=2 next_prio=120; with -R the state is a number, and there is no arrow.
    @inline(__always)
    private static func fields(_ end: BackwardCursor, _ pid: Int32, _ letters: inout StateLetters, _ found: inout SchedSwitchText?) {
        var cursor = end
        guard let nextPrio = cursor.int32(), cursor.take(" next_prio="), let nextPID = cursor.int32(), cursor.take(" next_pid=") else { return }
        _ = beforeName(" next_comm=", cursor) { before, nextName in
            var cursor = before
            let hasArrow = cursor.take(" ==>")
            guard var word = cursor.word(), word.take("prev_state="), cursor.take(UInt8(ascii: " ")) else { return false }
            let state: Int64
            if let byte = word.byte, byte &- 0x30 < 10 {
                guard let number = word.number(), word.isAtEnd else { return false }
                state = Int64(bitPattern: number.value)
            } else {
                guard hasArrow, let bits = letters.kernel(word) else { return false }
                state = bits
            }
            guard let prevPrio = cursor.int32(), cursor.take(" prev_prio="), let prevPID = cursor.int32(), cursor.take(" prev_pid=") else { return false }
            let nameEnd = cursor.end
            var name = TextCursor(cursor.start, nameEnd)
            name.skipSpaces()
            guard name.take("prev_comm="), name.count <= NameText.limit + 1 else { return false }
            let reading = SchedSwitchText(NameText(name.next, nameEnd), prevPID, prevPrio, state, nextName, nextPID, nextPrio)
            if found == nil || prevPID == pid { found = reading }
            return prevPID == pid
        }
    }

    /// …:1 [120] S ==> …:2 [120]
    @inline(__always)
    private static func plugin(_ end: BackwardCursor, _ pid: Int32, _ letters: inout StateLetters, _ found: inout SchedSwitchText?) {
        var cursor = end
        guard cursor.take(UInt8(ascii: "]")), let nextPrio = cursor.int32(), cursor.take(" ["), let nextPID = cursor.int32(), cursor.take(UInt8(ascii: ":"))
        else { return }
        _ = beforeName(" ==> ", cursor) { before, nextName in
            var cursor = before
            guard let word = cursor.word(), let state = letters.plugin(word), cursor.take("] "), let prevPrio = cursor.int32(), cursor.take(" ["),
                let prevPID = cursor.int32(), cursor.take(UInt8(ascii: ":")), cursor.end - cursor.start <= NameText.limit + 1
            else { return false }
            let reading = SchedSwitchText(NameText(cursor.start, cursor.end), prevPID, prevPrio, state, nextName, nextPID, nextPrio)
            if found == nil || prevPID == pid { found = reading }
            return prevPID == pid
        }
    }
}

/// tlb:tlb_flush.
struct TLBFlushText {
    var reason: Int32
    /// -1 for everything.
    var pages: Int64

    @inline(__always)
    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = TextCursor(start, end)
        if cursor.take("pages") {
            guard cursor.take(UInt8(ascii: ":")) || cursor.take(UInt8(ascii: "=")), let pages = Self.pages(&cursor) else { return nil }
            guard cursor.take(" reason"), cursor.take(UInt8(ascii: ":")) || cursor.take(UInt8(ascii: "=")) else { return nil }
            var tail = BackwardCursor(cursor.next, end)
            guard tail.take(UInt8(ascii: ")")), let reason = tail.int32(), tail.take(UInt8(ascii: "(")) else { return nil }
            (self.pages, self.reason) = (pages, reason)
        } else {
            guard cursor.take("reason="), let value = cursor.signed(), let reason = Int32(exactly: value), cursor.take(" pages="),
                let pages = Self.pages(&cursor), cursor.isAtEnd
            else { return nil }
            (self.pages, self.reason) = (pages, reason)
        }
    }

    /// libtraceevent shows the -1 of a 32-bit kernel as what it is without a sign.
    @inline(__always)
    private static func pages(_ cursor: inout TextCursor) -> Int64? {
        guard let number = cursor.number() else { return nil }
        return number.value == 0xffff_ffff ? -1 : Int64(bitPattern: number.value)
    }
}

/// task:task_newtask.
struct NewTaskText {
    var pid: Int32
    var name: NameText
    var cloneFlags: UInt64
    var oomScoreAdj: Int16

    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = BackwardCursor(start, end)
        guard let score = cursor.signed().flatMap({ Int16(exactly: $0) }), cursor.take(" oom_score_adj="), let flags = cursor.hex(), cursor.take(" clone_flags=")
        else { return nil }
        var head = TextCursor(start, cursor.end)
        guard head.take("pid="), let pid = head.signed().flatMap({ Int32(exactly: $0) }), head.take(" comm="), head.count <= NameText.limit + 1 else { return nil }
        (self.pid, name, cloneFlags, oomScoreAdj) = (pid, NameText(head.next, cursor.end), flags, score)
    }
}

/// task:task_rename.
struct RenameText {
    /// nil in kernels whose format has none: the task is then the current one.
    var pid: Int32?
    var oldName: NameText
    var newName: NameText
    var oomScoreAdj: Int16

    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = BackwardCursor(start, end)
        guard let score = cursor.signed().flatMap({ Int16(exactly: $0) }), cursor.take(" oom_score_adj=") else { return nil }
        var found: (pid: Int32?, old: NameText, new: NameText)?
        guard
            beforeName(" newcomm=", cursor, { before, newName in
                var head = TextCursor(start, before.end)
                var pid: Int32?
                if head.take("pid=") {
                    guard let value = head.signed().flatMap({ Int32(exactly: $0) }), head.take(UInt8(ascii: " ")) else { return false }
                    pid = value
                }
                guard head.take("oldcomm="), head.count <= NameText.limit + 1 else { return false }
                found = (pid, NameText(head.next, before.end), newName)
                return true
            }), let found
        else { return nil }
        (pid, oldName, newName, oomScoreAdj) = (found.pid, found.old, found.new, score)
    }
}

/// sched:sched_process_fork.
struct ForkText {
    var parent: Int32
    var parentName: NameText
    var child: Int32
    var childName: NameText

    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = BackwardCursor(start, end)
        guard let child = cursor.int32(), cursor.take(" child_pid=") else { return nil }
        var found: (parent: Int32, name: NameText, childName: NameText)?
        guard
            beforeName(" child_comm=", cursor, { before, childName in
                var cursor = before
                guard let parent = cursor.int32(), cursor.take(" pid=") || cursor.take(" parent_pid=") else { return false }
                var head = TextCursor(start, cursor.end)
                guard head.take("comm=") || head.take("parent_comm="), head.count <= NameText.limit + 1 else { return false }
                found = (parent, NameText(head.next, cursor.end), childName)
                return true
            }), let found
        else { return nil }
        (parent, parentName, self.child, childName) = (found.parent, found.name, child, found.childName)
    }
}

/// sched:sched_process_exec.
struct ExecText {
    var filename: UnsafeRawBufferPointer
    var pid: Int32
    var oldPID: Int32

    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = BackwardCursor(start, end)
        guard let oldPID = cursor.int32(), cursor.take(" old_pid="), let pid = cursor.int32(), cursor.take(" pid=") else { return nil }
        var head = TextCursor(start, cursor.end)
        guard head.take("filename=") else { return nil }
        filename = UnsafeRawBufferPointer(start: head.next, count: head.count)
        (self.pid, self.oldPID) = (pid, oldPID)
    }
}

/// sched:sched_process_exit.
struct ExitText {
    var name: NameText
    var pid: Int32
    var prio: Int32

    init?(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        var cursor = BackwardCursor(start, end)
        // The last task of a process, since v6.16.
        var tail = cursor
        if tail.word() != nil {
            var dead = TextCursor(tail.end, end)
            if dead.take("group_dead="), tail.take(UInt8(ascii: " ")) { cursor = tail }
        }
        guard let prio = cursor.int32(), cursor.take(" prio="), let pid = cursor.int32(), cursor.take(" pid=") else { return nil }
        var head = TextCursor(start, cursor.end)
        guard head.take("comm="), head.count <= NameText.limit + 1 else { return nil }
        (name, self.pid, self.prio) = (NameText(head.next, cursor.end), pid, prio)
    }
}
