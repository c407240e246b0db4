/// A line of a snapshot of the tasks that existed at a moment, as it stands in trace_marker (docs/recording.md).
///
/// Whoever may write to trace_marker can write such lines, and a trace may hold anything: a line counts only in its exact form.
enum SnapshotLine: Equatable {
    /// What a line says of the tasks that it lists.
    enum Kind: String {
        /// They have no mm.
        case kernel
        /// The tasks of a group have one mm, those of different groups different ones.
        case mm
        /// The tasks of a group have one mm; other groups may have the same.
        case process
        /// The first pid of a group is that of a process (the tgid), the others are its threads.
        case threads
    }

    case begin
    case end
    /// Groups of pids, none of them empty.
    case tasks(Kind, [[Int32]])
    /// It begins like one, and is cut off or of another version.
    case bad

    private static let head = Array("lazytlb-tasks ".utf8)

    /// What was written to trace_marker at once is a snapshot's, mostly a line: the first word says so.
    static func begins(_ text: String) -> Bool { text.utf8.starts(with: head) }

    /// The lines of what was written at once; none if it is not a snapshot's.
    static func lines(_ text: String) -> [SnapshotLine] { begins(text) ? text.split(separator: "\n").map(SnapshotLine.init) : [] }

    private init(_ line: Substring) {
        self = .bad
        guard line.utf8.starts(with: Self.head) else { return }
        var words = line.split(separator: " ").dropFirst()
        // Other versions may mean something else.
        guard words.popFirst() == "1", let verb = words.popFirst() else { return }
        switch verb {
        case "begin": if words.isEmpty { self = .begin }
        case "end": if words.isEmpty { self = .end }
        default: if let kind = Kind(rawValue: String(verb)), !words.isEmpty, let groups = Self.pids(words) { self = .tasks(kind, groups) }
        }
    }

    /// `812 813; 900;`: groups of pids. nil if anything else is among them, or the last group has no end: trace_marker cuts off what is too long, in the
    /// middle of a number even.
    private static func pids(_ words: ArraySlice<Substring>) -> [[Int32]]? {
        var groups: [[Int32]] = [[]]
        for word in words {
            let ends = word.last == ";"
            // No task has pid 0 but the idle ones, and PID_MAX_LIMIT is 2^22.
            guard let pid = Int32(ends ? word.dropLast() : word), pid > 0, pid <= 1 << 22 else { return nil }
            groups[groups.count - 1].append(pid)
            if ends { groups.append([]) }
        }
        guard groups.removeLast().isEmpty else { return nil }
        return groups
    }
}
