import TraceData

/// Snapshots of the tasks that existed at a moment, as lines of trace_marker (docs/recording.md): which are kernel threads, and which share an mm.
///
/// Whoever may write to trace_marker can write such lines, and a trace may hold anything: a line counts only in its exact form, and the rest is counted.
struct TaskSnapshots {
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

    /// How many nodes there were when the snapshot began; nil outside of one.
    private var begun: Int32?
    /// Nodes that share an mm.
    private(set) var groups: [[Int32]] = []
    /// By node of a thread: the pid of its process.
    private(set) var leaders: [Int32: Int32] = [:]
    /// Tasks that were listed, those among them of which something else was recorded meanwhile, and lines that are no lines of a snapshot.
    private(set) var tasks = 0
    private(set) var overtaken = 0
    private(set) var badLines = 0

    private static let head = Array("lazytlb-tasks ".utf8)

    /// The line is a snapshot's: the first word says so.
    static func isLine(_ text: String) -> Bool { text.utf8.starts(with: head) }

    /// Takes what was written to trace_marker at once, if it is a snapshot's: mostly a line.
    mutating func take(_ text: String, _ nodes: inout TaskNodes) {
        guard Self.isLine(text) else { return }
        for line in text.split(separator: "\n") { take(line: line, &nodes) }
    }

    private mutating func take(line: Substring, _ nodes: inout TaskNodes) {
        guard line.utf8.starts(with: Self.head) else { return badLines += 1 }
        var words = line.split(separator: " ").dropFirst()
        // Other versions may mean something else.
        guard words.popFirst() == "1", let verb = words.popFirst() else { return badLines += 1 }
        switch (verb, begun, words.isEmpty) {
        case ("begin", _, true): begun = Int32(nodes.nodes.count)
        case ("end", .some, true): begun = nil
        case (_, .some(let first), false):
            guard let kind = Kind(rawValue: String(verb)), let listed = Self.pids(words) else { return badLines += 1 }
            for group in listed {
                if kind == .threads { lead(group, since: first, nodes) } else { add(group, kind, since: first, &nodes) }
            }
        default: badLines += 1
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

    /// Born, or another program, or dead since /proc was read: or at least one cannot tell which it was that was listed.
    private static func isOvertaken(_ nodes: TaskNodes, _ node: Int32, since first: Int32) -> Bool {
        node >= first && nodes[node].origin != .existing || nodes[node].isDead || nodes[node].hasExecd && node >= first
    }

    /// All of them stand in lines of other kinds before.
    private mutating func lead(_ pids: [Int32], since first: Int32, _ nodes: TaskNodes) {
        for pid in pids.dropFirst() {
            if let node = nodes.existing(pid), !Self.isOvertaken(nodes, node, since: first) { leaders[node] = pids[0] }
        }
    }

    private mutating func add(_ pids: [Int32], _ kind: Kind, since first: Int32, _ nodes: inout TaskNodes) {
        var group: [Int32] = []
        for pid in pids {
            tasks += 1
            let node = nodes.node(pid)
            if Self.isOvertaken(nodes, node, since: first) {
                overtaken += 1
                continue
            }
            if kind == .kernel {
                if nodes[node].origin == .existing {
                    nodes[node].origin = .kernel
                    nodes[node].isListed = true
                }
            } else if nodes[node].origin != .kernel {
                nodes[node].isListed = true
                nodes[node].userEvidence.addClamped(1)
                if kind == .mm { nodes[node].isApart = true }
                group.append(node)
            }
        }
        if group.count > 1 { groups.append(group) }
    }
}
