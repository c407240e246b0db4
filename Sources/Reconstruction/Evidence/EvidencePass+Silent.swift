import Tables
import TraceData

/// Switches that left CR3 alone: the task has the mm that was loaded, or has none any more. What it shows later tells which, or that it never shows one again.
extension EvidencePass {
    mutating func cameSilently(_ node: Int32, on other: Int32) {
        relations[node, other].silent.addClamped(1)
        if !usesLifeCycle { silentSinceShown[node, default: SilentRun()].add(other, shownAt: walk.tasks[node].switchesWithMM) }
        walk.tasks[node].silentOn = other
        walk.tasks[node].silentAt = walk.tasks[node].switches
    }

    /// The task is dead. If it came in silently for the last time and showed no mm since, it may have run exit_mm() before. That is a
    /// candidate only for a thread of the other's process, which began with that one's name.
    mutating func died(_ node: Int32) {
        let task = walk.tasks[node]
        // Where a CR3 load has set the two apart, all silent switches since the task has last shown an mm are those of one that tears its own down, preempted.
        if let run = silentSinceShown[node], run.shownAt == task.switchesWithMM {
            let isLazy = task.userEvidence > 0 && isAmongStrangers(run)
            for (other, count) in run.counts where isLazy || isApart(node, other) || isLate(count, node, other) {
                takeBack(count, node, other)
                silentSinceShown[node]!.counts[other] = nil
                if task.silentOn == other { walk.tasks[node].silentOn = -1 }
            }
            if silentSinceShown[node]!.counts.isEmpty { silentSinceShown[node] = nil }
            if walk.tasks[node].silentOn < 0 { return }
        }
        guard task.silentOn >= 0, task.silentAt == task.switches, task.switchesWithMM < task.switches, task.userEvidence > 0 else { return }
        if hasNameOf(task.silentOn, node) { return }
        walk.tasks[node].silentOn = -1
        if let count = silentSinceShown[node]?.counts[task.silentOn] { silentSinceShown[node]!.counts[task.silentOn] = count > 1 ? count - 1 : nil }
        takeBack(1, node, task.silentOn)
    }

    /// It began with the name of the other, as its threads and its children do.
    private func hasNameOf(_ other: Int32, _ node: Int32) -> Bool {
        let (name, other) = (walk.tasks[node].firstComm, walk.tasks[other])
        return name == other.firstComm || name == other.comm
    }

    /// It has been loaded so often, and come in silently on this other task's mm only in the end, that this is not the chance of one that shares it.
    private func isLate(_ silent: UInt32, _ node: Int32, _ other: Int32) -> Bool {
        // (Flushes are evidence, too, of which there may be many while it runs once.)
        let loads = min(walk.tasks[node].userEvidence, walk.tasks[node].switchesWithMM)
        guard silent > 0, loads > silent, relations[node, other].silent <= silent else { return false }
        if !hasNameOf(other, node) { return true }
        // The ways to order them: with each silent switch there are at least twice as many.
        var ways = 1.0
        for number in 1...min(silent, 5) { ways *= (Double(loads) + Double(number)) / Double(number) }
        return ways >= 20
    }

    /// A CR3 load has set the two apart.
    private func isApart(_ a: Int32, _ b: Int32) -> Bool { relations[a, b].different > 0 }

    /// With an mm of its own it could not have come in silently on the mms of all of them, some of which are apart.
    private func isAmongStrangers(_ run: SilentRun) -> Bool { zip(run.others, run.others.dropFirst()).contains { isApart($0, $1) } }

    /// The trace ends before some tasks do that have given up their mm; and of those that died, the others of their name tell whether they were processes.
    mutating func forgetLazyRuns() {
        let families = Families(walk.tasks)
        for (node, run) in silentSinceShown {
            let task = walk.tasks[node]
            guard run.shownAt == task.switchesWithMM, task.userEvidence > 0 else { continue }
            guard task.isDead ? families.areProcesses(task.firstComm) : isAmongStrangers(run) else { continue }
            for (other, count) in run.counts { takeBack(count, node, other) }
            silentSinceShown[node] = nil
        }
    }

    /// The node shares the mm of `parent` and died: when it came in silently on others' mms, it had given that up.
    mutating func forgetLastRun(_ node: Int32, but parent: Int32) {
        guard let run = silentSinceShown[node], run.shownAt == walk.tasks[node].switchesWithMM else { return }
        for (other, count) in run.counts where other != parent { takeBack(count, node, other) }
    }

    /// How tasks that began with the same name have died: the last one of a process tears its mm down, which shows if nothing comes between.
    private struct Families {
        private var counts: [Comm: (ended: Int, others: Int)] = [:]

        init(_ tasks: TaskNodes) {
            for task in tasks.nodes {
                if task.origin == .afterLoad, task.isExec == false {
                    counts[tasks[task.parent].firstComm, default: (0, 0)].ended += 1
                } else if task.origin == .existing, task.isDead {
                    counts[task.firstComm, default: (0, 0)].ended += task.tearsDown ? 1 : 0
                    counts[task.firstComm, default: (0, 0)].others += task.tearsDown ? 0 : 1
                }
            }
        }

        func areProcesses(_ name: Comm) -> Bool {
            guard let count = counts[name] else { return false }
            return count.ended > 2 && count.ended > count.others
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
        let silent = relations[a, b].silent
        if silent > 0 { relations[a, b].silent -= min(silent, count) }
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
