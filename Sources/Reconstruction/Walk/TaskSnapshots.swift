/// Snapshots of the tasks that existed at a moment (``SnapshotLine``): which are kernel threads, and which share an mm. What is no such line is counted.
struct TaskSnapshots {
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

    /// Takes what was written to trace_marker at once, if it is a snapshot's.
    mutating func take(_ text: String, _ nodes: inout TaskNodes) {
        for line in SnapshotLine.lines(text) {
            switch (line, begun) {
            case (.begin, _): begun = Int32(nodes.nodes.count)
            case (.end, .some): begun = nil
            case (.tasks(let kind, let groups), .some(let first)):
                for group in groups {
                    if kind == .threads { lead(group, since: first, nodes) } else { add(group, kind, since: first, &nodes) }
                }
            default: badLines += 1
            }
        }
    }

    /// Born, or another program, or dead since /proc was read: or at least one cannot tell which it was that was listed.
    private static func isOvertaken(_ nodes: TaskNodes, _ node: Int32, since first: Int32) -> Bool {
        // (kthreadd is known by its pid when it is first named.)
        node >= first && nodes[node].origin != .existing && nodes[node].pid != 2 || nodes[node].isDead || nodes[node].hasExecd && node >= first
    }

    /// All of them stand in lines of other kinds before.
    private mutating func lead(_ pids: [Int32], since first: Int32, _ nodes: TaskNodes) {
        for pid in pids.dropFirst() {
            if let node = nodes.existing(pid), !Self.isOvertaken(nodes, node, since: first) { leaders[node] = pids[0] }
        }
    }

    private mutating func add(_ pids: [Int32], _ kind: SnapshotLine.Kind, since first: Int32, _ nodes: inout TaskNodes) {
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
