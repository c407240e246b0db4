import LazyTLB
import Tables

/// What the second pass knows of what the first one found: all of it, or, while that is still under way, what it has told so far.
///
/// What is told early may turn out to be wrong in the end. So what was asked is kept as far as it matters, and ``agree(with:_:)`` tells whether every answer was the one that
/// it should have been.
struct Findings {
    /// A node's mm (`none` for a task without one), and what that is known from.
    struct Node {
        var mm: MM
        var basis: Basis
    }

    /// What a CPU had loaded behind a gap, and whether the task that was current there had exec'd in it.
    struct Settled: Equatable {
        var mm = MM.unknown
        var execs = false
    }

    private(set) var nodes = FlatList<Node>()
    /// By node: after how many switches to it the last record shows it with an mm. One that lives may show it again: not known yet.
    private var switchesWithMM = FlatList<UInt32>()
    private static let notKnown = UInt32.max
    /// By mm, see ``TaskClasses/isVague``.
    private var isVague = FlatList<Bool>()
    /// By gap; those that are not there are as good as unknown.
    private var gaps: [Int: Settled] = [:]
    /// Whether answers have to be kept.
    private let isEarly: Bool
    /// Nodes that were taken for alive because it was not known better: the number of the last such switch to it.
    private var takenForAlive: [Int32: UInt32] = [:]
    private var saidVague: [MM: Bool] = [:]

    /// All that was found.
    init(_ classes: TaskClasses, _ tasks: TaskNodes) {
        isEarly = false
        for (node, mm) in classes.mm.enumerated() {
            nodes.append(Node(mm: mm, basis: classes.basis[node]))
            switchesWithMM.append(tasks.nodes[node].switchesWithMM)
        }
        for flag in classes.isVague { isVague.append(flag) }
        for (gap, mm) in classes.settlements.enumerated() { gaps[gap] = Settled(mm: mm, execs: classes.execsInGaps[gap]) }
    }

    /// Nothing so far.
    init() {
        isEarly = true
        // Of init_mm.
        isVague.append(false)
    }

    /// What the first pass tells on its way.
    struct News {
        /// The next nodes.
        var nodes: [Node] = []
        /// The same of the mms that are theirs, by number.
        var isVague: [Bool] = []
        /// Nodes that have ended, and after how many switches they have last shown an mm.
        var ends: [(node: Int32, switchesWithMM: UInt32)] = []
        var gaps: [(gap: Int, settled: Settled)] = []
    }

    mutating func take(_ news: News) {
        for node in news.nodes { nodes.append(node) }
        switchesWithMM.extend(with: Self.notKnown, to: nodes.count)
        for flag in news.isVague { isVague.append(flag) }
        for (node, switches) in news.ends {
            switchesWithMM.extend(with: Self.notKnown, to: Int(node) + 1)
            switchesWithMM[Int(node)] = switches
        }
        for (gap, settled) in news.gaps { gaps[gap] = settled }
    }

    /// No record from the `switches`th switch to the node on shows it with an mm.
    mutating func isDying(_ node: Int32, _ switches: UInt32) -> Bool {
        let shown = switchesWithMM[Int(node)]
        if isEarly, shown == Self.notKnown { takenForAlive[node] = switches }
        return switches > shown
    }

    /// It has shown one at any time.
    func showsMM(_ node: Int32) -> Bool { switchesWithMM[Int(node)] > 0 }

    mutating func isVague(_ mm: MM) -> Bool {
        guard mm.isUser else { return false }
        let flag = isVague[Int(mm.index)]
        if isEarly { saidVague[mm] = flag }
        return flag
    }

    func settled(_ gap: Int) -> Settled { gaps[gap] ?? Settled() }

    /// What was told is what was found in the end, as far as it was asked.
    ///
    /// - Parameter tasks: the nodes of the first pass, in the end.
    func agree(with classes: TaskClasses, _ tasks: TaskNodes) -> Bool {
        guard nodes.count == classes.mm.count else { return false }
        for (node, told) in nodes.enumerated() {
            let shown = tasks.nodes[node].switchesWithMM
            guard told.mm == classes.mm[node], switchesWithMM[node] == Self.notKnown || switchesWithMM[node] == shown else { return false }
        }
        for (node, switches) in takenForAlive where switches > tasks[node].switchesWithMM { return false }
        for (mm, flag) in saidVague where flag != classes.isVague[Int(mm.index)] { return false }
        for (gap, mm) in classes.settlements.enumerated() where settled(gap) != Settled(mm: mm, execs: classes.execsInGaps[gap]) { return false }
        return true
    }
}
