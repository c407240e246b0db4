import LazyTLB
import Tables

/// Which tasks have an mm, for kernels whose records do not tell when the last of them gives it up.
struct MMUsers {
    /// By mm, nodes that were alive when they were looked at last.
    private var nodes: [MM: [Int32]] = [:]
    /// So many nodes are sorted in.
    private var count = 0

    /// A task other than `node` has the mm as well.
    ///
    /// - Complexity: amortised O(tasks that have it).
    mutating func isUsed(_ mm: MM, beside node: Int32, _ findings: Findings, _ tasks: TaskNodes) -> Bool {
        // What is told early may be of tasks that are not born yet.
        for next in count..<min(findings.nodes.count, tasks.nodes.count) { nodes[findings.nodes[next].mm, default: []].append(Int32(next)) }
        count = max(count, min(findings.nodes.count, tasks.nodes.count))
        // Behind an exec a task is another node.
        nodes[mm]?.removeAll { tasks[$0].isDead || tasks[$0].origin == .usesMM || tasks.existing(tasks[$0].pid) != $0 }
        return nodes[mm]?.contains { $0 != node } ?? false
    }
}
