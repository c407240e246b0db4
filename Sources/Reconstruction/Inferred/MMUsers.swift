import LazyTLB
import Tables

/// Which tasks have an mm, for kernels whose records do not tell when the last of them gives it up.
struct MMUsers {
    /// By mm, nodes of which some may be dead by now, or another node.
    private var nodes: [MM: [Int32]] = [:]
    /// So many nodes are sorted in.
    private var count = 0

    /// A task other than `node` has the mm as well.
    ///
    /// - Complexity: amortised O(1) a task: each that has gone is found to be gone once.
    mutating func isUsed(_ mm: MM, beside node: Int32, _ findings: Findings, _ tasks: TaskNodes) -> Bool {
        // What is told early may be of tasks that are not born yet.
        for next in count..<min(findings.nodes.count, tasks.nodes.count) { nodes[findings.nodes[next].mm, default: []].append(Int32(next)) }
        count = max(count, min(findings.nodes.count, tasks.nodes.count))
        guard var users = nodes.removeValue(forKey: mm) else { return false }
        var isUser = false
        while let last = users.last {
            // Behind an exec a task is another node.
            let isGone = tasks[last].isDead || tasks[last].origin == .usesMM || tasks.existing(tasks[last].pid) != last
            if !isGone, last != node { break }
            if !isGone { isUser = true }
            users.removeLast()
        }
        defer {
            if isUser { users.append(node) }
            nodes[mm] = users
        }
        return !users.isEmpty
    }
}
