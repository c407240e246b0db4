import Tables

/// Switches that left CR3 alone: the task has the mm that was loaded, or has none any more. What it shows later tells which, or that it never shows one again.
extension EvidencePass {
    mutating func cameSilently(_ node: Int32, on other: Int32) {
        relations[Self.key(node, other), default: Relation()].silent.addClamped(1)
        if !usesLifeCycle { silentSinceShown[node, default: SilentRun()].add(other, shownAt: walk.tasks[node].switchesWithMM) }
        walk.tasks[node].silentOn = other
        walk.tasks[node].silentAt = walk.tasks[node].switches
    }

    /// The task is dead. If it came in silently for the last time and showed no mm since, it may have run exit_mm() before. That is a
    /// candidate only for a thread of the other's process, which began with that one's name.
    mutating func died(_ node: Int32) {
        let task = walk.tasks[node]
        // Where a CR3 load has set the two apart, all silent switches since the task has last shown an mm are those of one that tears its own down, preempted.
        if let run = silentSinceShown.removeValue(forKey: node), run.shownAt == task.switchesWithMM {
            let isLazy = task.userEvidence > 0 && isAmongStrangers(run)
            for (other, count) in run.counts where isLazy || isApart(node, other) { takeBack(count, node, other) }
            if task.silentOn >= 0, isLazy || isApart(node, task.silentOn) {
                walk.tasks[node].silentOn = -1
                return
            }
        }
        guard task.silentOn >= 0, task.silentAt == task.switches, task.switchesWithMM < task.switches, task.userEvidence > 0 else { return }
        let other = walk.tasks[task.silentOn]
        if task.firstComm == other.firstComm || task.firstComm == other.comm { return }
        walk.tasks[node].silentOn = -1
        takeBack(1, node, task.silentOn)
    }

    /// A CR3 load has set the two apart.
    private func isApart(_ a: Int32, _ b: Int32) -> Bool { relations[Self.key(a, b)]?.different ?? 0 > 0 }

    /// With an mm of its own it could not have come in silently on the mms of all of them, some of which are apart.
    private func isAmongStrangers(_ run: SilentRun) -> Bool { zip(run.others, run.others.dropFirst()).contains { isApart($0, $1) } }

    /// The trace ends before some tasks do that have given up their mm.
    mutating func forgetLazyRuns() {
        for (node, run) in silentSinceShown {
            let task = walk.tasks[node]
            guard run.shownAt == task.switchesWithMM, task.userEvidence > 0, isAmongStrangers(run) else { continue }
            for (other, count) in run.counts { takeBack(count, node, other) }
        }
    }

    /// Takes back what a task that died soon after seemed to show: when it came in silently for the last time, it had given its mm up.
    /// (Of tasks whose births are told this does not matter: their relations are not kept.)
    mutating func forgetLastSwitches() {
        for (number, node) in walk.tasks.nodes.enumerated() where node.isDead && node.silentOn >= 0 && node.silentAt > node.switchesWithMM {
            takeBack(1, Int32(number), node.silentOn)
        }
    }

    /// So many silent switches between the two say nothing of their mms, after all.
    mutating func takeBack(_ count: UInt32, _ a: Int32, _ b: Int32) {
        let key = Self.key(a, b)
        if let relation = relations[key] { relations[key]!.silent -= min(relation.silent, count) }
    }

    /// On whose mms a task has come in silently since it last showed an mm, and how often: of interest where it dies, and no record says that it exits.
    struct SilentRun {
        var shownAt: UInt32 = 0
        var counts: [Int32: UInt32] = [:]
        /// The same tasks, in the order in which it met them.
        var others: [Int32] = []

        mutating func add(_ other: Int32, shownAt: UInt32) {
            if shownAt != self.shownAt { self = SilentRun(shownAt: shownAt) }
            if counts[other] == nil { others.append(other) }
            counts[other, default: 0].addClamped(1)
        }
    }
}
