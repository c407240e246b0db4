import Tables
import TraceData

/// What a CPU has loaded, as a node whose mm it is: as far as a first pass can know, before nodes have mms.
enum LoadedNode: Equatable {
    case unknown
    case initMM
    case of(Int32)
}

/// How often two nodes were seen to share an mm, or not to.
struct Relation {
    /// A flush shows it: a LOCAL_MM_SHOOTDOWN by one while the other's mm is loaded, or an answer to the other's shootdown. Weighed
    /// against ``silent``: one for a flush that may be of another mm, four for one that may not.
    var strong: UInt32 = 0
    /// A switch to one, with the other's mm loaded, left CR3 alone: it has the same mm, or none.
    var silent: UInt32 = 0
    /// A switch to one, with the other's mm loaded, loaded CR3.
    var different: UInt32 = 0
}

/// The first pass: walks the whole trace and collects what its records tell of which tasks share an mm.
///
/// Pairs whose relation the life cycle settles are not kept, so memory grows with tasks, not with records.
struct EvidencePass {
    var walk: TraceWalk
    private(set) var relations: [UInt64: Relation] = [:]
    /// Switches to a node that left CR3 alone while init_mm was loaded: only a task without an mm does that.
    private(set) var silentOnInit: [Int32: UInt32] = [:]
    private let loaded: Flat<LoadedNode>
    private let lazy: Flat<Bool>
    private let sends: Flat<Send>
    private var vforks: VforkWatch
    let usesLifeCycle: Bool
    /// A switch to the idle task loaded CR3: v4.14 to v4.19 with PCID, where init_mm is loaded whenever a task without an mm runs.
    private var leavesAtOnce = false

    /// A flush under way of the mm that ``node`` has.
    private struct Send {
        var open = false
        var node: Int32 = -1
        var pages: Int64 = 0
        /// The local half was seen: the next SEND_IPI belongs to it.
        var paired = false
        /// How much an answer to it counts.
        var weight: UInt32 = 0
    }

    init(cpus: Int, rules: KernelRules, lifeCycle: Bool) {
        walk = TraceWalk(cpus: cpus, rules: rules, lifeCycle: lifeCycle)
        loaded = Flat(repeating: .unknown, count: cpus)
        lazy = Flat(repeating: false, count: cpus)
        sends = Flat(repeating: Send(), count: cpus)
        usesLifeCycle = lifeCycle
        vforks = VforkWatch(killable: rules.killableState)
    }

    mutating func consume(_ source: Lookahead) {
        let record = source.head
        let step = walk.step(source)
        let cpu = step.cpu
        if step.broken { loaded[cpu] = step.wasOffline ? .initMM : .unknown }
        if !record.inHardIRQ, step.kind != .sent, step.kind != .flushed || !walk.rules.sendsFirst { sends[cpu] = Send() }
        switch step.kind {
        case .switched:
            switched(step)
            if !usesLifeCycle { watchVfork(step, prevState: record.word1) }
        case .reloaded:
            if !usesLifeCycle { confirmVfork(step.node) }
            loaded[cpu] = .of(step.next)
            // What follows is the end of the mm that the task had.
            sends[cpu] = Send(node: step.node, pages: -1, paired: true)
        case .left: loaded[cpu] = .initMM
        case .leftInIRQ:
            answered(step, pages: nil)
            loaded[cpu] = .initMM
            if step.node >= 0, !walk.tasks[step.node].isDead { walk.tasks[step.node].kernelEvidence += 1 }
        case .flushed: flushed(step)
        case .sent: sent(step, source)
        case .answered: answered(step, pages: step.pages)
        case .broken:
            sends[cpu].open = false
        case .nothing, .switchLoaded, .batch, .lifeCycle, .marker: break
        }
    }

    private static func key(_ a: Int32, _ b: Int32) -> UInt64 { UInt64(UInt32(min(a, b))) << 32 | UInt64(UInt32(max(a, b))) }

    /// The life cycle tells one node's mm: it is a new one, which no other shares but those that it tells of as well. A task that was born
    /// in a gap may share it, too.
    @inline(__always) private func settled(_ a: Int32, _ b: Int32) -> Bool {
        guard usesLifeCycle else { return false }
        let (first, second) = (walk.tasks.isSettled(a), walk.tasks.isSettled(b))
        return first && second || (first || second) && walk.gaps == 0
    }

    @inline(__always) private mutating func switched(_ step: Step) {
        let cpu = step.cpu
        let next = step.next
        if step.isCut, !step.loads {
            loaded[cpu] = .unknown
            return
        }
        if walk.rules.mayLeaveAtOnce, step.loads, next == 0 { leavesAtOnce = true }
        if leavesAtOnce { return switchedAtOnce(step) }
        let wasLazy = lazy[cpu]
        lazy[cpu] = walk.tasks[next].origin == .kernel || walk.tasks[next].isDead || walk.tasks[next].userEvidence == 0
        guard walk.tasks[next].origin != .kernel, !walk.tasks[next].isDead else {
            if step.loads { loaded[cpu] = .initMM }
            return
        }
        if step.loads {
            walk.tasks[next].userEvidence += 1
            if case .of(let other) = loaded[cpu], other != next, !(walk.rules.reloadsStale && wasLazy), !settled(next, other) {
                relations[Self.key(next, other), default: Relation()].different += 1
            }
            loaded[cpu] = .of(next)
        } else {
            switch loaded[cpu] {
            case .unknown: if walk.tasks.isSettled(next) || walk.tasks[next].userEvidence > 0 { loaded[cpu] = .of(next) }
            case .initMM: silentOnInit[next, default: 0] += 1
            case .of(let other):
                if other != next, !settled(next, other) { relations[Self.key(next, other), default: Relation()].silent += 1 }
            }
        }
    }

    /// Where no CPU is ever lazy, a CR3 load says nothing of whether the next task has an mm, but what was loaded before it does.
    private mutating func switchedAtOnce(_ step: Step) {
        let (cpu, next) = (step.cpu, step.next)
        let hasNone = walk.tasks[next].origin == .kernel || walk.tasks[next].isDead
        switch loaded[cpu] {
        case .initMM:
            if hasNone { break }
            if step.loads { walk.tasks[next].userEvidence += 1 } else { silentOnInit[next, default: 0] += 1 }
        case .of(let other) where other != next:
            if hasNone {
                if step.loads { walk.tasks[other].userEvidence += 1 } else { walk.tasks[other].kernelEvidence += 1 }
            } else if !settled(next, other) {
                if step.loads {
                    relations[Self.key(next, other), default: Relation()].different += 1
                } else {
                    relations[Self.key(next, other), default: Relation()].silent += 1
                }
            }
        case .of, .unknown: break
        }
        if hasNone { loaded[cpu] = .initMM } else if step.loads { loaded[cpu] = .of(next) }
    }

    private mutating func watchVfork(_ step: Step, prevState: UInt64) {
        let tasks = walk.tasks
        if tasks[step.node].isDead { vforks.forget(step.node) }
        vforks.switchedOut(step.node, comm: tasks[step.node].comm, prevState: prevState)
        vforks.switchedIn(step.next, comm: tasks[step.next].comm, isNew: tasks[step.next].switches == 1 && tasks[step.next].origin == .existing)
    }

    private mutating func confirmVfork(_ child: Int32) {
        guard let parent = vforks.end(child) else { return }
        walk.tasks[child].userEvidence += 1
        relations[Self.key(child, parent), default: Relation()].strong += 2
    }

    private mutating func flushed(_ step: Step) {
        walk.tasks[step.node].userEvidence += 1
        if case .of(let other) = loaded[step.cpu], other != step.node, !settled(step.node, other) {
            relations[Self.key(step.node, other), default: Relation()].strong += 4
        }
        if loaded[step.cpu] == .unknown { loaded[step.cpu] = .of(step.node) }
        if !walk.rules.sendsFirst { sends[step.cpu] = Send(node: step.node, pages: step.pages, paired: true) }
    }

    private mutating func sent(_ step: Step, _ source: Lookahead) {
        let cpu = step.cpu
        let before = sends[cpu]
        var send = Send(open: before.paired && before.pages == step.pages, node: before.node, pages: step.pages, weight: 4)
        if walk.rules.sendsFirst, let next = source.peek(1) {
            send.open = next.kind == .tlbFlush && next.reason == 3 && next.pid == source.head.pid
            send.node = step.node
        } else if !send.open, walk.rules.flushesPageSilently, step.pages == 1, walk.tasks[step.node].origin != .kernel {
            // flush_tlb_page(): mostly of the task's own mm.
            send = Send(open: true, node: step.node, pages: 1, weight: 1)
        }
        sends[cpu] = send
    }

    /// A CPU that answers one flush, and one only, had its mm loaded.
    private mutating func answered(_ step: Step, pages: Int64?) {
        guard case .of(let other) = loaded[step.cpu] else { return }
        var sender: Send?
        for cpu in sends.indices where cpu != step.cpu && sends[cpu].open && (pages == nil || sends[cpu].pages == pages) {
            if sender != nil { return }
            sender = sends[cpu]
        }
        guard let sender, sender.node != other, !settled(sender.node, other) else { return }
        relations[Self.key(sender.node, other), default: Relation()].strong += sender.weight
    }
}

extension TaskNodes {
    /// The life cycle tells whose mm the node has: it was born in the trace or has exec'd in it.
    @inline(__always) func isSettled(_ node: Int32) -> Bool {
        let founder = self[node].founder
        switch self[founder].origin {
        case .kernel, .forked, .shared: return true
        case .afterLoad: return self[founder].isExec == true
        case .existing: return false
        }
    }
}
