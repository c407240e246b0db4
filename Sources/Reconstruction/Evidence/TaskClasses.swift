import LazyTLB
import Tables
import TraceData

/// Which nodes have an mm, and which share one: the conclusion from all evidence.
struct TaskClasses {
    /// A class's mm, `none` for a task without one, `unknown`.
    private(set) var mm: [MM]
    var basis: [Basis]
    /// By node: the number of its mm if no older node shares that; 0 for nodes that have none, or always an older one's.
    private var numbers: [Int32]
    private var lastNumber: Int32 = 0
    private(set) var mms = MMTable()
    /// By mm: its only task was born unseen, and hardly ran. It may well be another's.
    private(set) var isVague: [Bool] = []
    /// Pairs of classes that some evidence joins and other evidence separates.
    var contradictions = 0
    /// What each CPU had loaded behind each gap, in the order of the gaps.
    private(set) var settlements: [MM] = []
    /// By gap: the task that was current behind it had exec'd in it.
    private(set) var execsInGaps: [Bool] = []
    private let usesLifeCycle: Bool
    /// By node: another one of its class, or itself.
    var parent: [Int32]
    private(set) var kinds: [Kind]
    /// Nodes that an exec ended.
    private var execs: Set<Int32> = []
    /// Nodes that ended with their mm.
    private var ends: Set<Int32> = []

    enum Kind: UInt8 { case user, kernel, open }

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

    mutating func find(_ node: Int32) -> Int32 {
        var root = node
        while parent[Int(root)] != root { root = parent[Int(root)] }
        var step = node
        while parent[Int(step)] != root { (step, parent[Int(step)]) = (parent[Int(step)], root) }
        return root
    }

    mutating func join(_ a: Int32, _ b: Int32) {
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
            case .born: decideBorn(node, task)
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

    /// Whatever its parent's mm is, it has that or a copy.
    private mutating func decideBorn(_ node: Int, _ task: TaskNode) {
        if task.userEvidence > 0, kinds[Int(task.parent)] != .user {
            decide(node, .user, .hardware)
        } else {
            decide(node, kinds[Int(task.parent)], basis[Int(task.parent)])
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
        for (node, task) in tasks.nodes.enumerated() where kinds[node] == .open && (task.origin == .shared || task.origin == .born) {
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
