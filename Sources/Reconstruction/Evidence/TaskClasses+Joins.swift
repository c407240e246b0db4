import Tables

/// Joins classes by what was seen, the strongest evidence first.
extension TaskClasses {
    private struct Candidate {
        var a: Int32
        var b: Int32
        var same: UInt32
        var strong: Bool
    }

    /// Joins the strongest first, and nothing that is seen apart more often than together.
    mutating func joinByRelations(_ pass: EvidencePass) {
        var candidates: [Candidate] = []
        for (a, b, relation) in pass.relations {
            guard kinds[Int(a)] == .user, kinds[Int(b)] == .user else { continue }
            var same = relation.strong
            same.addClamped(relation.silent)
            if same > 0 { candidates.append(Candidate(a: a, b: b, same: same, strong: relation.strong > 0)) }
        }
        candidates.sort { ($0.strong ? 1 : 0, $0.same, $1.a, $1.b) > ($1.strong ? 1 : 0, $1.same, $0.a, $0.b) }
        var apart = differences(among: candidates, pass)
        // The life cycle has told the mms of these, so no two of different lines of births are one, whatever a task that was born in a gap shows beside both.
        var settled = Lines()
        for node in kinds.indices where pass.usesLifeCycle && kinds[node] == .user && pass.walk.tasks.isSettled(Int32(node)) {
            settled.lines[find(Int32(node))] = pass.walk.tasks.founder(Int32(node))
        }
        candidates += eitherCandidates(pass, apart)
        for candidate in candidates {
            let (left, right) = (find(candidate.a), find(candidate.b))
            if left == right { continue }
            let different = apart.between(left, right)
            // A CR3 load is a fact, its absence a candidate.
            let isApart = candidate.strong ? different > candidate.same : different > 0 && different >= candidate.same
            let isForbidden = isApart || settled.areForeign(left, right)
            if isForbidden || different > 0 { contradictions += 1 }
            if isForbidden { continue }
            unite(candidate.a, candidate.b, &apart, &settled)
        }
        joinByUnanswered(pass, &apart, &settled)
        if pass.lacksFlags { joinBorn(pass.walk.tasks, &apart, &settled) }
    }

    /// Children whose births have no clone flags, and whose parents did not flush as fork() does, share their mms, unless a CR3 load has shown that they do not.
    private mutating func joinBorn(_ tasks: TaskNodes, _ apart: inout Differences, _ settled: inout Lines) {
        for (node, task) in tasks.nodes.enumerated() where isBornWith(node, task) {
            let (left, right) = (find(Int32(node)), find(task.parent))
            if left != right, apart.between(left, right) == 0 { unite(Int32(node), task.parent, &apart, &settled) }
        }
    }

    /// Its parent has not copied its mm when the task was born, as far as one can see.
    private func isBornWith(_ node: Int, _ task: TaskNode) -> Bool {
        task.origin == .born && !task.isCopy && kinds[node] == .user && kinds[Int(task.parent)] == .user
    }

    /// Classes whose mms the life cycle has told, and the line of births that each is of: a task's, and of all those that may share its mm by their births.
    private struct Lines {
        var lines: [Int32: Int32] = [:]

        /// The two are not one.
        func areForeign(_ a: Int32, _ b: Int32) -> Bool {
            guard let first = lines[a], let second = lines[b] else { return false }
            return first != second
        }

        mutating func merge(_ a: Int32, _ b: Int32, into root: Int32) {
            if let line = lines[a] ?? lines[b] { lines[root] = line }
        }
    }

    /// Which classes were seen apart, of those that some evidence may come to join. There may be millions of pairs of others, which nobody asks for.
    private mutating func differences(among candidates: [Candidate], _ pass: EvidencePass) -> Differences {
        var joined = self
        for candidate in candidates { joined.join(candidate.a, candidate.b) }
        for (node, task) in pass.walk.tasks.nodes.enumerated() where pass.lacksFlags && isBornWith(node, task) { joined.join(Int32(node), task.parent) }
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
    private mutating func unite(_ a: Int32, _ b: Int32, _ apart: inout Differences, _ settled: inout Lines) {
        let (left, right) = (find(a), find(b))
        join(left, right)
        settled.merge(left, right, into: find(left))
        apart.merge(left, right, into: find(left))
        for node in [a, b] where basis[Int(node)] != .lifeCycle && basis[Int(node)] != .snapshot { basis[Int(node)] = .hardware }
    }

    /// Each unanswered flush has someone who shares the sender's mm among its suspects: the only one left, of those with a name of the sender's.
    ///
    /// What one tells may be what another one lacked, so all that are open are looked at again, up to a million times together: enough for any but those that were made up for this.
    private mutating func joinByUnanswered(_ pass: EvidencePass, _ apart: inout Differences, _ settled: inout Lines) {
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
                let left = namesakes.filter { !settled.areForeign(sender, find($0)) && apart.between(sender, find($0)) < entry.count }
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
}
