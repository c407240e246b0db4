import TraceData

/// What a CPU has loaded, as a node whose mm it is: as far as a first pass can know, before nodes have mms.
enum LoadedNode: Equatable {
    case unknown
    case initMM
    case of(Int32)
}

/// How often two nodes were seen to share an mm, or not to.
struct Relation {
    /// A flush shows it: a LOCAL_MM_SHOOTDOWN by one while the other's mm is loaded, or an answer to the other's shootdown.
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
    private var loaded: [LoadedNode]
    private var lazy: [Bool]
    private var sends: [Send]
    private let usesLifeCycle: Bool

    /// A flush under way whose sender's mm is that of its current task.
    private struct Send {
        var open = false
        var node: Int32 = -1
        var pages: Int64 = 0
        var paired = false
    }

    init(cpus: Int, rules: KernelRules, lifeCycle: Bool) {
        walk = TraceWalk(cpus: cpus, rules: rules, lifeCycle: lifeCycle)
        loaded = [LoadedNode](repeating: .unknown, count: cpus)
        lazy = [Bool](repeating: false, count: cpus)
        sends = [Send](repeating: Send(), count: cpus)
        usesLifeCycle = lifeCycle
    }

    mutating func consume(_ source: Lookahead) {
        let record = source.head
        let step = walk.step(source)
        let cpu = step.cpu
        if step.broken { loaded[cpu] = step.wasOffline ? .initMM : .unknown }
        if sends[cpu].open, !record.inHardIRQ, step.kind != .sent, step.kind != .flushed || !walk.rules.sendsFirst { sends[cpu].open = false }
        switch step.kind {
        case .switched: switched(step)
        case .reloaded: loaded[cpu] = .of(step.next)
        case .left: loaded[cpu] = .initMM
        case .leftInIRQ:
            loaded[cpu] = .initMM
            if step.node >= 0, !walk.tasks[step.node].isDead { walk.tasks[step.node].kernelEvidence += 1 }
        case .flushed: flushed(step)
        case .sent: sent(step, source)
        case .answered: answered(step)
        case .broken:
            sends[cpu].open = false
        case .nothing, .batch, .lifeCycle: break
        }
    }

    private static func key(_ a: Int32, _ b: Int32) -> UInt64 { UInt64(UInt32(min(a, b))) << 32 | UInt64(UInt32(max(a, b))) }

    /// The life cycle tells one node's mm: it is a new one, which no other shares but those that it tells of as well.
    private func settled(_ a: Int32, _ b: Int32) -> Bool { usesLifeCycle && (walk.tasks.isSettled(a) || walk.tasks.isSettled(b)) }

    private mutating func switched(_ step: Step) {
        let cpu = step.cpu
        let next = step.next
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

    private mutating func flushed(_ step: Step) {
        walk.tasks[step.node].userEvidence += 1
        if case .of(let other) = loaded[step.cpu], other != step.node, !settled(step.node, other) {
            relations[Self.key(step.node, other), default: Relation()].strong += 1
        }
        if loaded[step.cpu] == .unknown { loaded[step.cpu] = .of(step.node) }
        sends[step.cpu].paired = true
        sends[step.cpu].node = step.node
        sends[step.cpu].pages = step.pages
    }

    private mutating func sent(_ step: Step, _ source: Lookahead) {
        let cpu = step.cpu
        var paired = sends[cpu].paired && sends[cpu].node == step.node && sends[cpu].pages == step.pages
        if walk.rules.sendsFirst, let next = source.peek(1) {
            paired = next.kind == .tlbFlush && next.reason == 3 && next.pid == source.head.pid
        }
        sends[cpu] = Send(open: paired, node: step.node, pages: step.pages)
    }

    /// A CPU that answers one flush, and one only, had its mm loaded.
    private mutating func answered(_ step: Step) {
        guard case .of(let other) = loaded[step.cpu], step.pages > 0 || step.pages == -1 else { return }
        var sender: Int32 = -1
        for cpu in sends.indices where cpu != step.cpu && sends[cpu].open && sends[cpu].pages == step.pages {
            if sender >= 0 { return }
            sender = sends[cpu].node
        }
        guard sender >= 0, sender != other, !settled(sender, other) else { return }
        relations[Self.key(sender, other), default: Relation()].strong += 1
    }
}

extension TaskNodes {
    /// The life cycle tells whose mm the node has: it was born in the trace or has exec'd in it.
    func isSettled(_ node: Int32) -> Bool {
        switch self[node].origin {
        case .kernel, .forked: return true
        case .shared: return isSettled(self[node].parent)
        case .afterLoad: return self[node].isExec == true
        case .existing: return false
        }
    }
}
