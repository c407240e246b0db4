import Tables
import TraceData

/// Switches that left CR3 alone: the task has the mm that was loaded, or has none any more. What it shows later tells which, or that it never shows one again.
extension EvidencePass {
    mutating func cameSilently(_ node: Int32, _ task: UnsafeMutablePointer<TaskNode>, on other: Int32) {
        relations[node, other].silent.addClamped(1)
        // What never shows an mm says nothing when it dies, unless it is a vfork() child, whose name would be the kernel's then.
        let isKernel = task.pointee.hasKernelName && task.pointee.origin == .existing && task.pointee.userEvidence == 0
        if !usesLifeCycle || lacksFlags, !isKernel { silentRuns.add(task, on: other) }
        task.pointee.silentOn = other
        task.pointee.silentAt = task.pointee.switches
    }

    /// The task is dead. If it came in silently for the last time and showed no mm since, it may have run exit_mm() before. That is a
    /// candidate only for a thread of the other's process, which began with that one's name.
    mutating func died(_ node: Int32) {
        let task = walk.tasks[node]
        // Where a CR3 load has set the two apart, all silent switches since the task has last shown an mm are those of one that tears its own down, preempted.
        if let run = silentRuns.ofLast(task) {
            let isLazy = task.userEvidence > 0 && isAmongStrangers(run)
            for other in run.others where run[other] > 0 && (isLazy || isApart(node, other) || isLate(run[other], node, other)) {
                takeBack(run[other], node, other)
                silentRuns[task.silentRun][other] = 0
                if task.silentOn == other { walk.tasks[node].silentOn = -1 }
            }
            if walk.tasks[node].silentOn < 0 { return }
        }
        guard task.silentOn >= 0, task.silentAt == task.switches, task.switchesWithMM < task.switches, task.userEvidence > 0 else { return }
        if hasNameOf(task.silentOn, node) { return }
        walk.tasks[node].silentOn = -1
        if task.silentRun >= 0, silentRuns[task.silentRun][task.silentOn] > 0 { silentRuns[task.silentRun][task.silentOn] -= 1 }
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
    private func isAmongStrangers(_ run: SilentRuns.Run) -> Bool { zip(run.others, run.others.dropFirst()).contains { isApart($0, $1) } }

    /// The trace ends before some tasks do that have given up their mm; and of those that died, the others of their name tell whether they were processes.
    mutating func forgetLazyRuns() {
        let families = Families(walk.tasks)
        for (number, task) in walk.tasks.nodes.enumerated() where task.userEvidence > 0 {
            guard let run = silentRuns.ofLast(task), task.isDead ? families.areProcesses(task.firstComm) : isAmongStrangers(run) else { continue }
            for other in run.others { takeBack(run[other], Int32(number), other) }
            walk.tasks[Int32(number)].silentRun = -1
        }
    }

    /// The node shares the mm of `parent` and died: when it came in silently on others' mms, it had given that up.
    mutating func forgetLastRun(_ node: Int32, but parent: Int32) {
        guard let run = silentRuns.ofLast(walk.tasks[node]) else { return }
        for other in run.others where other != parent { takeBack(run[other], node, other) }
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
}
