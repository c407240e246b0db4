import LazyTLB
import Replay

/// All states that a machine of some CPUs and mms can get into under the schemes, and what is seen on the way.
///
/// States are visited by the number of steps that lead to them, so that the first history that shows something is one of the shortest. A history of any length passes through
/// these states and no others: what holds in all of them holds always, on such a machine.
public struct Exploration: Sendable {
    public let cpus: Int
    public let mms: Int
    /// States that are not the same but for the names of CPUs and mms.
    public private(set) var states = 0
    /// Steps from one of them to another, or to itself.
    public private(set) var transitions = 0
    /// Steps of the shortest history to the state that is farthest.
    public private(set) var longest = 0
    /// There are no other states. Else those beyond the limit are not visited.
    public private(set) var isComplete = true
    /// What must not be, and is: the first of each kind.
    public private(set) var violations: [Violation] = []
    /// Where old schemes do something else than the newest: the first of each kind.
    public private(set) var differences: [Difference] = []

    public struct Violation: Sendable {
        /// Its identifier.
        public var scheme: String
        public var what: String
        public var history: [Step]
        /// Transitions that show the same.
        public var count = 1
    }

    public struct Difference: Sendable {
        /// The identifiers.
        public var old: String
        public var new: String
        public var kind: Divergence.Kind
        public var history: [Step]
        /// Transitions that show the same.
        public var count = 1
    }

    /// The most CPUs and mms: signatures have a byte for a set of them.
    public static let limits = (cpus: 2...4, mms: 1...3)

    /// A state by the step that leads to it.
    private struct Node {
        var parent: Int32
        var step: Step?
    }

    /// - Parameters:
    ///   - length: of the longest histories; nil for any.
    ///   - progress: called now and then with the numbers of states and of transitions so far.
    /// - Complexity: O(transitions · namings).
    public init(cpus: Int, mms: Int, length: Int? = nil, progress: (_ states: Int, _ transitions: Int) -> Void = { _, _ in }) {
        precondition(Self.limits.cpus.contains(cpus) && Self.limits.mms.contains(mms))
        (self.cpus, self.mms) = (cpus, mms)
        let names = World.Naming.all(cpus: cpus, mms: mms)
        var nodes = [Node(parent: -1, step: nil)]
        var seen: Set<[UInt8]> = [World(cpus: cpus, mms: mms).signature(names)]
        var (next, depth, endOfDepth) = (0, 0, 1)
        while next < nodes.count {
            if next == endOfDepth { (depth, endOfDepth) = (depth + 1, nodes.count) }
            if next & 63 == 0 { progress(nodes.count, transitions) }
            if let length, depth == length {
                isComplete = false
                break
            }
            let world = World.after(Self.history(of: next, nodes), cpus: cpus, mms: mms)
            for step in world.possible {
                var successor = world.copy()
                let outcome = successor.take(step)
                transitions += 1
                note(outcome) { Self.history(of: next, nodes) + [step] }
                if seen.insert(successor.signature(names)).inserted { nodes.append(Node(parent: Int32(next), step: step)) }
            }
            next += 1
        }
        states = nodes.count
        longest = Self.history(of: nodes.count - 1, nodes).count
    }

    private static func history(of node: Int, _ nodes: [Node]) -> [Step] {
        var (history, place): ([Step], Int) = ([], node)
        while let step = nodes[place].step {
            history.append(step)
            place = Int(nodes[place].parent)
        }
        return history.reversed()
    }

    /// What each scheme does with each step of a history, in words and in the order of ``Replay/schemes``.
    public func effects(of history: [Step]) -> [[String]] {
        var world = World(cpus: cpus, mms: mms)
        var outcome = World.Outcome()
        return history.map { step in
            world.make(step, &outcome)
            return World.schemes.indices.map { world.effect($0, step.stimulus) }
        }
    }

    private mutating func note(_ outcome: World.Outcome, _ history: () -> [Step]) {
        for (scheme, what) in outcome.violations {
            if let known = violations.firstIndex(where: { $0.scheme == World.schemes[scheme] && $0.what == what }) {
                violations[known].count += 1
            } else {
                violations.append(Violation(scheme: World.schemes[scheme], what: what, history: history()))
            }
        }
        for (old, kind) in outcome.differences {
            if let known = differences.firstIndex(where: { $0.old == World.schemes[old] && $0.kind == kind }) {
                differences[known].count += 1
            } else {
                differences.append(Difference(old: World.schemes[old], new: World.schemes.last!, kind: kind, history: history()))
            }
        }
    }
}

extension World {
    static func after(_ history: [Step], cpus: Int, mms: Int) -> World {
        var world = World(cpus: cpus, mms: mms)
        var outcome = Outcome()
        for step in history { world.make(step, &outcome) }
        return world
    }
}
