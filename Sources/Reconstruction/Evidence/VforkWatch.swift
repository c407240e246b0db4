import Tables
import TraceData

/// Finds the parent of a vfork() child where no record of its birth is used: the parent sleeps, killable, until the child execs or
/// exits (wait_for_vfork_done(), kernel/fork.c), and the child still has its name.
///
/// So a task that is seen for the first time while others of its name sleep so, or run and fall asleep then, may be a child of one of them:
/// of the one that wakes up when the child gives its mm up, which is a moment before the child's CR3 load (exec_mm_release() comes before
/// exec_mmap()).
struct VforkWatch {
    /// A child and its parent. `load` is the node that the child's CR3 load made of it, which must be an exec: a child with an mm of its own
    /// loads CR3 when it exits, too. -1 if the child exited without.
    struct Claim {
        var child: Int32
        var parent: Int32
        var load: Int32
    }

    private struct Child {
        /// When it came in first, and under which name.
        let since: UInt64
        let comm: Comm
        /// Those who slept when it came in first and have not been awake since, apart from ``woken``.
        var candidates: [Int32]
        /// Those who were woken up while it was not asleep.
        var woken: [Int32] = []
        /// It has given up the mm that it came with, as ``Claim/load``.
        var hasEnded = false
        var load: Int32 = -1
        /// Numbers ends in order.
        var order = 0
    }

    /// Bits of prev_state while wait_for_vfork_done() sleeps: TASK_KILLABLE, which v4.14 and later report as TASK_UNINTERRUPTIBLE.
    let killable: UInt64
    private(set) var claims: [Claim] = []
    /// Tasks that sleep so, by name.
    private var sleeping: [Comm: [Int32]] = [:]
    /// The name with which each of them fell asleep, its place among those of that name, and the children that may be its.
    private var sleepers: [Int32: (name: Comm, place: Int, children: [Int32])] = [:]
    private var children: [Int32: Child] = [:]
    private var ends = 0
    /// No task runs that came in before, ns, but for idle tasks.
    var longestRun: UInt64 = 0
    /// The last few that came in first, by name: the parent may fall asleep a moment later.
    private var fresh: [Comm: [Int32]] = [:]

    /// With more tasks of one name asleep than this, none is looked for: they sleep for other reasons.
    private static let limit = 16
    private static let freshLimit = 8

    init(killable: UInt64) { self.killable = killable }

    /// Whether a task that goes to sleep may be a parent.
    func isParents(_ prevState: UInt64) -> Bool { prevState & killable == killable }

    /// A parent, perhaps, falls asleep, which has run since `start`.
    mutating func slept(_ node: Int32, comm: Comm, since start: UInt64) {
        guard sleepers[node] == nil else { return }
        let place = sleeping[comm]?.count ?? 0
        sleeping[comm, default: []].append(node)
        let late = (fresh[comm] ?? []).filter { $0 != node && children[$0].map { !$0.hasEnded && $0.since >= start } == true }
        for child in late { children[child]!.candidates.append(node) }
        sleepers[node] = (comm, place, late)
    }

    /// It runs again.
    mutating func woke(_ node: Int32) {
        guard let sleeper = sleepers.removeValue(forKey: node) else { return }
        // The last one takes its place: there may be many, and their order tells nothing.
        if let last = sleeping[sleeper.name]?.popLast(), last != node {
            sleeping[sleeper.name]![sleeper.place] = last
            sleepers[last]!.place = sleeper.place
        }
        if sleeping[sleeper.name]?.isEmpty == true { sleeping[sleeper.name] = nil }
        let mine = sleeper.children.filter { children[$0] != nil }
        let last = mine.filter { children[$0]!.hasEnded }.max { children[$0]!.order < children[$1]!.order }
        if let last { claim(last, node) }
        for child in mine where child != last {
            children[child]!.candidates.removeAll { $0 == node }
            if last == nil, !children[child]!.hasEnded { children[child]!.woken.append(node) }
            forgetIfHopeless(child)
        }
    }

    /// A task comes in for the first time.
    mutating func appeared(_ node: Int32, comm: Comm, at time: UInt64) {
        var asleep = sleeping[comm] ?? []
        if asleep.count > Self.limit { asleep = [] }
        children[node] = Child(since: time, comm: comm, candidates: asleep)
        for parent in asleep { sleepers[parent]!.children.append(node) }
        fresh[comm, default: []].append(node)
        if fresh[comm]!.count > Self.freshLimit { forgetIfHopeless(fresh[comm]!.removeFirst()) }
    }

    /// Records are missing: whoever sleeps may have run meanwhile. What was found before stays.
    mutating func forgetAll() {
        let found = claims
        let start = longestRun
        self = VforkWatch(killable: killable)
        (claims, longestRun) = (found, start)
    }

    /// A child goes to sleep: whoever was woken before is not its parent, since it still has the mm.
    ///
    /// - Returns: it may still be a child.
    mutating func childSlept(_ node: Int32) -> Bool {
        guard let child = children[node] else { return false }
        if !child.woken.isEmpty { children[node]!.woken.removeAll() }
        // Whoever is still to fall asleep as its parent has run since before it came in.
        if child.candidates.isEmpty, child.since < longestRun {
            children[node] = nil
            return false
        }
        return true
    }

    /// A child loads CR3 outside of a switch and becomes `load`, or is dead without that (-1).
    mutating func ended(_ node: Int32, load: Int32) {
        guard let child = children[node], !child.hasEnded else { return }
        fresh[child.comm]?.removeAll { $0 == node }
        if fresh[child.comm]?.isEmpty == true { fresh[child.comm] = nil }
        children[node]!.hasEnded = true
        children[node]!.load = load
        children[node]!.order = ends
        ends += 1
        if child.woken.count == 1 { return claim(node, child.woken[0]) }
        // Threads exit, too. The one of their process that execs sleeps just so until they are gone (de_thread(), fs/exec.c), but with others
        // of that name asleep only who is woken up just then tells.
        if load < 0, child.candidates.count != 1 { children[node] = nil } else { forgetIfHopeless(node) }
    }

    private mutating func claim(_ child: Int32, _ parent: Int32) {
        guard let ended = children.removeValue(forKey: child) else { return }
        claims.append(Claim(child: child, parent: parent, load: ended.load))
    }

    private mutating func forgetIfHopeless(_ child: Int32) {
        guard let left = children[child], left.candidates.isEmpty, left.woken.isEmpty || left.hasEnded else { return }
        if left.hasEnded || fresh[left.comm]?.contains(child) != true { children[child] = nil }
    }
}

extension EvidencePass {
    /// A switch.
    @inline(__always) mutating func watchVfork(_ cpu: Int, from node: Int32, to next: Int32, prevState: UInt64, at time: UInt64) {
        let (gone, task) = (walk.tasks.place(node), walk.tasks.place(next))
        let start = state[cpu].cameIn
        state[cpu].cameIn = time
        if gone.pointee.isVforkChild, gone.pointee.isDead || prevState & 0xff != 0 { childWentToSleep(node) }
        if node > 0, vforks.isParents(prevState) {
            gone.pointee.isVforkParent = true
            vforks.slept(node, comm: gone.pointee.comm, since: start)
        }
        if task.pointee.isVforkParent {
            task.pointee.isVforkParent = false
            vforks.woke(next)
        }
        if task.pointee.switches == 1, task.pointee.origin == .existing {
            task.pointee.isVforkChild = true
            vforks.appeared(next, comm: task.pointee.comm, at: time)
        }
    }

    /// Or is dead.
    @inline(never) private mutating func childWentToSleep(_ node: Int32) {
        if walk.tasks[node].isDead { return endVfork(node, load: -1) }
        vforkSleeps += 1
        // So that it costs the same with many CPUs.
        if vforkSleeps * 4 >= state.count {
            vforkSleeps = 0
            vforks.longestRun = longestRun
        }
        walk.tasks[node].isVforkChild = vforks.childSlept(node)
    }

    private var longestRun: UInt64 {
        var start = UInt64.max
        for cpu in state.indices where walk.current(cpu) != 0 && state[cpu].gap != .unheard { start = min(start, state[cpu].cameIn) }
        return start
    }

    mutating func endVfork(_ node: Int32, load: Int32) {
        walk.tasks[node].isVforkChild = false
        vforks.ended(node, load: load)
    }

    /// What the watch has found, as evidence: a flush's would weigh more.
    mutating func takeVforks() {
        for claim in vforks.claims where claim.load < 0 || walk.tasks[claim.load].isExec == true {
            walk.tasks[claim.child].userEvidence.addClamped(1)
            addStrong(claim.child, claim.parent, 2)
            if claim.load < 0 { forgetLastRun(claim.child, but: claim.parent) }
        }
    }
}
