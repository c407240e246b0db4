import LazyTLB
import Tables
import TraceData

/// Which nodes have an mm, and which share one: the conclusion from all evidence.
struct TaskClasses {
    /// A class's mm, `none` for a task without one, `unknown`.
    private(set) var mm: [MM]
    private(set) var basis: [Basis]
    /// By node: the number of its mm if no older node shares that; 0 for nodes that have none, or always an older one's.
    private var numbers: [Int32]
    private var lastNumber: Int32 = 0
    private(set) var mms = MMTable()
    /// By mm: its only task was born unseen, and hardly ran. It may well be another's.
    private(set) var isVague: [Bool] = []
    /// Pairs of classes that some evidence joins and other evidence separates.
    private(set) var contradictions = 0
    /// What each CPU had loaded behind each gap, in the order of the gaps.
    private(set) var settlements: [MM] = []
    /// By gap: the task that was current behind it had exec'd in it.
    private(set) var execsInGaps: [Bool] = []
    private let usesLifeCycle: Bool
    private var parent: [Int32]
    private var kinds: [Kind]
    /// Nodes that an exec ended.
    private var execs: Set<Int32> = []
    /// Nodes that ended with their mm.
    private var ends: Set<Int32> = []

    private enum Kind: UInt8 { case user, kernel, open }

    /// - Parameter savedNames: names of tasks by pid, for those that no record names.
    init(_ pass: EvidencePass, savedNames: [Int32: Comm] = [:]) {
        var pass = pass
        pass.finish()
        pass.takeVforks()
        self.init(concluding: pass)
        name(pass.walk.tasks, leaders: pass.walk.snapshots.leaders, savedNames)
    }

    /// What follows from the evidence so far, if no more comes: without names. The pass goes on as if nobody had asked, which must be possible
    /// (``EvidencePass/canBeAskedEarly``).
    init(soFar pass: EvidencePass) {
        precondition(pass.canBeAskedEarly)
        var pass = pass
        pass.finish()
        self.init(concluding: pass)
    }

    private init(concluding pass: EvidencePass) {
        let tasks = pass.walk.tasks
        usesLifeCycle = pass.usesLifeCycle
        (parent, kinds, basis, mm, numbers) = ([], [], [], [], [])
        for task in tasks.nodes where task.origin == .afterLoad {
            if task.isExec == true { execs.insert(task.parent) } else { ends.insert(task.parent) }
        }
        let nodes = addNodes(tasks)
        decideKinds(nodes, tasks, pass)
        joinByLifeCycle(nodes, tasks)
        for group in pass.walk.snapshots.groups { joinListed(group) }
        joinByRelations(pass)
        decideOpen(tasks, pass)
        if pass.usesLifeCycle { forgetLone(tasks) }
        number(nodes, tasks)
        for gap in pass.settlements.gaps {
            settlements.append(settled(gap, tasks))
            execsInGaps.append(execs(in: gap, tasks))
        }
    }

    /// The nodes that are not there yet, of which nothing is known.
    private mutating func addNodes(_ tasks: TaskNodes) -> Range<Int> {
        let new = mm.count..<tasks.nodes.count
        for node in new {
            parent.append(Int32(node))
            kinds.append(.open)
            basis.append(.unknown)
            mm.append(.unknown)
            // So numbers of mms do not hang on what other evidence there will be.
            if !Self.isNeverFirst(Int32(node), tasks) { lastNumber += 1 }
            numbers.append(Self.isNeverFirst(Int32(node), tasks) ? 0 : lastNumber)
        }
        return new
    }

    /// It has no mm, or for sure that of an older node.
    private static func isNeverFirst(_ node: Int32, _ tasks: TaskNodes) -> Bool {
        tasks[node].origin == .kernel || tasks[node].origin == .shared && tasks[tasks.founder(node)].origin == .forked
    }

    /// Thinks over what the nodes from `first` on are, those that have come since included: from what they show themselves, and the life cycle.
    ///
    /// - Complexity: O(*n*) with the number of those nodes.
    mutating func reconsider(from first: Int, _ pass: EvidencePass) {
        let tasks = pass.walk.tasks
        let count = mm.count - first
        lastNumber -= Int32(numbers.suffix(count).count { $0 > 0 })
        parent.removeLast(count)
        kinds.removeLast(count)
        basis.removeLast(count)
        mm.removeLast(count)
        numbers.removeLast(count)
        isVague.removeLast(isVague.count - 1 - Int(lastNumber))
        let nodes = addNodes(tasks)
        decideKinds(nodes, tasks, pass)
        joinByLifeCycle(nodes, tasks)
        number(nodes, tasks)
    }

    /// ``isVague`` of the mm that is the node's if no older one shares it; nil for nodes that have none, or always an older one's.
    func isVague(first node: Int) -> Bool? { numbers[node] > 0 ? isVague[Int(numbers[node])] : nil }

    /// The mm of a gap's settlement. A task that dies without having shown its mm again may have come in without one.
    func settled(_ gap: GapSettlements.Settlement, _ tasks: TaskNodes) -> MM {
        if gap.node >= 0, mm[Int(gap.node)].isUser {
            let task = tasks[gap.node]
            if task.execsUnseen, task.switches == gap.switches { return .unknown }
            // Of a task that has shown an mm before, but never since, it is not known when it gave that up.
            let goesOn = !task.isDead && task.switches > gap.switches && task.switchesWithMM == 0
            return gap.switches <= task.switchesWithMM || goesOn ? mm[Int(gap.node)] : .unknown
        }
        guard let witness = gap.witness, gap.node < 0 || mm[Int(gap.node)] == .none else { return .unknown }
        let cleared = Set(witness.cleared.map { mm[Int($0)] })
        return witness.suspects.allSatisfy { mm[Int($0)] == .none || mm[Int($0)].isUser && cleared.contains(mm[Int($0)]) } ? .initMM : .unknown
    }

    /// The task that was current behind the gap had exec'd in it.
    func execs(in gap: GapSettlements.Settlement, _ tasks: TaskNodes) -> Bool {
        gap.current > 0 && tasks[gap.current].execsUnseen && tasks[gap.current].switches == gap.currentSwitches
    }

    private mutating func find(_ node: Int32) -> Int32 {
        var root = node
        while parent[Int(root)] != root { root = parent[Int(root)] }
        var step = node
        while parent[Int(step)] != root { (step, parent[Int(step)]) = (parent[Int(step)], root) }
        return root
    }

    private mutating func join(_ a: Int32, _ b: Int32) {
        let (left, right) = (find(a), find(b))
        if left != right { parent[Int(max(left, right))] = min(left, right) }
    }

    private mutating func decide(_ node: Int, _ kind: Kind, _ reason: Basis) {
        kinds[node] = kind
        basis[node] = reason
    }

    private mutating func decideKinds(_ nodes: Range<Int>, _ tasks: TaskNodes, _ pass: EvidencePass) {
        for node in nodes {
            let task = tasks[Int32(node)]
            switch task.origin {
            case .kernel: decide(node, .kernel, task.isListed ? .snapshot : .lifeCycle)
            case .forked: decide(node, .user, .lifeCycle)
            case .usesMM: decide(node, .user, .hardware)
            case .shared: decide(node, kinds[Int(task.parent)], basis[Int(task.parent)])
            case .afterLoad:
                // Else what follows the CR3 load is lost.
                if let isExec = task.isExec {
                    decide(node, isExec ? .user : .kernel, .lifeCycle)
                } else if task.hasKernelName {
                    decide(node, .kernel, .convention)
                }
            case .existing where task.isListed: decide(node, .user, .snapshot)
            case .existing: decideExisting(node, task)
            }
        }
    }

    private mutating func decideExisting(_ node: Int, _ task: TaskNode) {
        var against = task.kernelEvidence
        against.addClamped(task.silentOnInit)
        if task.userEvidence > 0, task.userEvidence >= against {
            decide(node, .user, .hardware)
        } else if task.hasKernelName {
            decide(node, .kernel, against > 0 ? .hardware : .convention)
        } else if against > task.userEvidence, !task.isDead || !usesLifeCycle {
            // (What a task of unknown birth shows when it dies, it shows without its mm.)
            decide(node, .kernel, .hardware)
        }
    }

    private mutating func joinByLifeCycle(_ nodes: Range<Int>, _ tasks: TaskNodes) {
        for node in nodes where tasks[Int32(node)].origin == .shared && kinds[node] == .user { join(Int32(node), tasks[Int32(node)].parent) }
    }

    private mutating func joinListed(_ group: [Int32]) {
        let members = group.filter { kinds[Int($0)] == .user }
        for node in members.dropFirst() { join(members[0], node) }
    }

    private struct Candidate {
        var a: Int32
        var b: Int32
        var same: UInt32
        var strong: Bool
    }

    /// Joins the strongest first, and nothing that is seen apart more often than together.
    private mutating func joinByRelations(_ pass: EvidencePass) {
        var candidates: [Candidate] = []
        for (a, b, relation) in pass.relations {
            guard kinds[Int(a)] == .user, kinds[Int(b)] == .user else { continue }
            var same = relation.strong
            same.addClamped(relation.silent)
            if same > 0 { candidates.append(Candidate(a: a, b: b, same: same, strong: relation.strong > 0)) }
        }
        candidates.sort { ($0.strong ? 1 : 0, $0.same, $1.a, $1.b) > ($1.strong ? 1 : 0, $1.same, $0.a, $0.b) }
        var apart = differences(among: candidates, pass)
        // The life cycle has told the mms of these, so no two of them are one, whatever a task that was born in a gap shows beside both.
        var settled: Set<Int32> = []
        for node in kinds.indices where pass.usesLifeCycle && kinds[node] == .user && pass.walk.tasks.isSettled(Int32(node)) {
            settled.insert(find(Int32(node)))
        }
        candidates += eitherCandidates(pass, apart)
        for candidate in candidates {
            let (left, right) = (find(candidate.a), find(candidate.b))
            if left == right { continue }
            let different = apart.between(left, right)
            // A CR3 load is a fact, its absence a candidate.
            let isApart = candidate.strong ? different > candidate.same : different > 0 && different >= candidate.same
            let isForbidden = isApart || settled.contains(left) && settled.contains(right)
            if isForbidden || different > 0 { contradictions += 1 }
            if isForbidden { continue }
            unite(candidate.a, candidate.b, &apart, &settled)
        }
        joinByUnanswered(pass, &apart, &settled)
    }

    /// Which classes were seen apart, of those that some evidence may come to join. There may be millions of pairs of others, which nobody asks for.
    private mutating func differences(among candidates: [Candidate], _ pass: EvidencePass) -> Differences {
        var joined = self
        for candidate in candidates { joined.join(candidate.a, candidate.b) }
        for either in pass.either.keys {
            joined.join(either.node, either.a)
            joined.join(either.node, either.b)
        }
        for flush in pass.unansweredFlushes.counts.keys {
            for suspect in flush.suspects { joined.join(flush.sender, suspect) }
        }
        var apart = Differences(nodes: parent.count)
        for (a, b, relation) in pass.relations where relation.different > 0 && joined.find(a) == joined.find(b) { apart.add(find(a), find(b), relation.different) }
        return apart
    }

    /// Joins the classes of two nodes: what is known of either holds for both.
    private mutating func unite(_ a: Int32, _ b: Int32, _ apart: inout Differences, _ settled: inout Set<Int32>) {
        let (left, right) = (find(a), find(b))
        join(left, right)
        if settled.contains(left) || settled.contains(right) { settled.insert(find(left)) }
        apart.merge(left, right, into: find(left))
        for node in [a, b] where basis[Int(node)] != .lifeCycle && basis[Int(node)] != .snapshot { basis[Int(node)] = .hardware }
    }

    /// Each unanswered flush has someone who shares the sender's mm among its suspects: the only one left, of those with a name of the sender's.
    ///
    /// What one tells may be what another one lacked, so all that are open are looked at again, up to a million times together: enough for any but those that were made up for this.
    private mutating func joinByUnanswered(_ pass: EvidencePass, _ apart: inout Differences, _ settled: inout Set<Int32>) {
        let tasks = pass.walk.tasks
        var cases = pass.unansweredFlushes.counts.filter { kinds[Int($0.key.sender)] == .user }
            .map { (sender: $0.key.sender, suspects: $0.key.suspects, count: $0.value.count) }
            .sorted {
                let (a, b) = (($0.suspects.count, $1.count, $0.sender), ($1.suspects.count, $0.count, $1.sender))
                return a == b ? $0.suspects.lexicographicallyPrecedes($1.suspects) : a < b
            }
        var goesOn = true
        var looks = 1 << 20
        while goesOn, looks > 0 {
            goesOn = false
            looks -= cases.count
            var open: [(sender: Int32, suspects: [Int32], count: UInt32)] = []
            for entry in cases {
                let sender = find(entry.sender)
                // One of them is it, or may be, of which nothing is known.
                if entry.suspects.contains(where: { kinds[Int($0)] == .open || kinds[Int($0)] == .user && find($0) == sender }) { continue }
                let namesakes = entry.suspects.filter { kinds[Int($0)] == .user && Self.areNamesakes(tasks[$0], tasks[entry.sender]) }
                let left = namesakes.filter { !(settled.contains(sender) && settled.contains(find($0))) && apart.between(sender, find($0)) < entry.count }
                if let one = left.first, left.allSatisfy({ find($0) == find(one) }) {
                    unite(entry.sender, one, &apart, &settled)
                    goesOn = true
                } else {
                    open.append(entry)
                }
            }
            cases = open
        }
    }

    /// A task begins with the name that its parent has then, and either may be renamed.
    private static func areNamesakes(_ a: TaskNode, _ b: TaskNode) -> Bool {
        [a.firstComm, a.comm].contains { $0 != .empty && ($0 == b.firstComm || $0 == b.comm) }
    }

    /// Of two nodes whose flushes another one may have answered, it has the mm of the one that it was not seen apart from.
    private mutating func eitherCandidates(_ pass: EvidencePass, _ apart: Differences) -> [Candidate] {
        var found: [Candidate] = []
        for (either, count) in pass.either where kinds[Int(either.node)] == .user {
            guard kinds[Int(either.a)] == .user, kinds[Int(either.b)] == .user else { continue }
            let (node, a, b) = (find(either.node), find(either.a), find(either.b))
            let (fromA, fromB) = (apart.between(node, a), apart.between(node, b))
            if a == b || UInt64(fromB) > 2 * (UInt64(fromA) + 1) {
                found.append(Candidate(a: either.node, b: either.a, same: count, strong: true))
            } else if UInt64(fromA) > 2 * (UInt64(fromB) + 1) {
                found.append(Candidate(a: either.node, b: either.b, same: count, strong: true))
            }
        }
        return found.sorted { ($0.same, $1.a, $1.b) > ($1.same, $0.a, $0.b) }
    }

    /// Tasks of which nothing tells whether they have an mm: those that always came in silently.
    private mutating func decideOpen(_ tasks: TaskNodes, _ pass: EvidencePass) {
        var silent: [Int32: [Int32: UInt32]] = [:]
        for (a, b, relation) in pass.relations where relation.silent > 0 {
            if kinds[Int(a)] == .open, kinds[Int(b)] == .user { silent[a, default: [:]][find(b), default: 0].addClamped(relation.silent) }
            if kinds[Int(b)] == .open, kinds[Int(a)] == .user { silent[b, default: [:]][find(a), default: 0].addClamped(relation.silent) }
        }
        for node in silent.keys.sorted() {
            let classes = silent[node]!
            if classes.count > 1 {
                decide(Int(node), .kernel, .hardware)
            } else if let only = classes.first, only.value > 1 || ends(node, tasks) {
                decide(Int(node), .user, .hardware)
                join(node, only.key)
            }
        }
        // Threads and children of those.
        for (node, task) in tasks.nodes.enumerated() where kinds[node] == .open && task.origin == .shared {
            decide(node, kinds[Int(task.parent)], basis[Int(task.parent)])
            if kinds[node] == .user { join(Int32(node), task.parent) }
        }
    }

    /// A task whose birth was not recorded, and that soon execs or dies, may have been born with an mm of its own (fork()) or on its
    /// parent's (vfork(), posix_spawn(), CLONE_VM). If nothing joins it to another, that is not known.
    /// One that lives longer meets whom it shares with, on some CPU.
    private mutating func forgetLone(_ tasks: TaskNodes) {
        var sizes = [UInt32](repeating: 0, count: parent.count)
        for node in parent.indices { sizes[Int(find(Int32(node)))] += 1 }
        for (node, task) in tasks.nodes.enumerated() where kinds[node] == .user && sizes[Int(find(Int32(node)))] == 1 && !task.isListed {
            guard task.switches <= Self.fewSwitches else { continue }
            // (It may have changed its name instead, and be one with what it became.)
            if task.execsUnseen { decide(node, .open, .unknown) }
            // The last user of an mm had it alone, most likely, or was there before its threads were.
            let isOver = execs.contains(Int32(node)) || ends.contains(Int32(node)) && task.isOlder && task.switches <= Self.hardlyAny || task.isDead
            if task.origin == .existing, isOver, !task.hasExecd { decide(node, .open, .unknown) }
        }
    }

    private static let fewSwitches = 8
    private static let hardlyAny = 4

    /// The task execs or dies as this node, and is no kernel thread by name: it came in silently since it shares an mm.
    private func ends(_ node: Int32, _ tasks: TaskNodes) -> Bool {
        !tasks[node].hasKernelName && (tasks[node].isDead || execs.contains(node))
    }

    /// Gives each class its first node's number.
    private mutating func number(_ nodes: Range<Int>, _ tasks: TaskNodes) {
        isVague += [Bool](repeating: usesLifeCycle, count: Int(lastNumber) + 1 - isVague.count)
        isVague[0] = false
        for node in nodes {
            switch kinds[node] {
            case .kernel: mm[node] = .none
            case .open: mm[node] = .unknown
            case .user:
                let task = tasks[Int32(node)]
                mm[node] = MM(numbers[Int(find(Int32(node)))])
                assert(mm[node].isUser, "the first of a class has no number")
                if task.origin != .existing || task.isListed || task.switches > Self.fewSwitches { isVague[Int(mm[node].index)] = false }
            }
        }
    }

    /// After the process: its leader, where a snapshot tells who that is.
    mutating func name(_ tasks: TaskNodes, leaders: [Int32: Int32], _ savedNames: [Int32: Comm]) {
        for (node, task) in tasks.nodes.enumerated() where mm[node].isUser && mm[node].index == numbers[node] {
            var owner = (pid: task.pid, name: task.comm)
            if let leader = leaders[Int32(node)] {
                let comm = tasks.existing(leader).map { tasks[$0].comm } ?? .empty
                owner = (leader, comm == .empty ? savedNames[leader] ?? owner.name : comm)
            }
            mms.add(mm[node], pid: owner.pid, name: owner.name.description)
        }
    }
}
