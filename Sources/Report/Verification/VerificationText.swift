import Replay
import Verification

/// What `lazytlb verify` says: what holds, what does not and how that comes about, and where the schemes differ.
extension Exploration {
    /// - Parameter style: how wide, and whether in colours.
    public func text(_ style: TextStyle) -> String {
        let sections = [headline(style), size(style), violationLines(style), differenceLines(style)]
        return sections.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") + "\n" }.joined(separator: "\n")
    }

    private func headline(_ style: TextStyle) -> [String] {
        let whole = isComplete ? "all histories" : "histories of up to \(count(longest, "step"))"
        let verdict =
            violations.isEmpty
            ? "Nothing that must not be is reached under any scheme: tasks have their mm loaded, masks have all CPUs that have an mm loaded, no TLB keeps what a flush has taken away, and no WARN or BUG of the kernel is met."
            : "\(violations.count == 1 ? "Something that must not be is" : "\(violations.count) things that must not be are") reached."
        return [style.paint("\(count(cpus, "CPU")) and \(count(mms, "user mm")): \(whole)", .heading), ""] + wrapped(verdict, width: style.width)
    }

    private func size(_ style: TextStyle) -> [String] {
        var table = ReportTable(alignments: [.left])
        table.add(["states", "\(grouped(states)), but for the names of CPUs and mms\(isComplete ? ": all that there are" : "")"])
        table.add(["transitions", "\(grouped(transitions)) from one to another"])
        table.add(["farthest", "\(count(longest, "step")) from the start"])
        return table.lines(style)
    }

    private func violationLines(_ style: TextStyle) -> [String] {
        violations.flatMap { violation in
            ["\(style.paint(violation.scheme, .bad)): \(violation.what), at \(count(violation.count, "transition")); the shortest history"] + history(violation.history) + [""]
        }.dropLast()
    }

    private func differenceLines(_ style: TextStyle) -> [String] {
        var lines = [style.paint("Differences, old scheme vs new scheme, and a shortest history to each", .heading)]
        // Where both old schemes do the same, once.
        var shown: [[Step]] = []
        for difference in differences where !shown.contains(difference.history) {
            shown.append(difference.history)
            let same = differences.filter { $0.kind == difference.kind && $0.history == difference.history }
            let who = same.map { "\($0.old) (\(count($0.count, "transition")))" }.joined(separator: ", ")
            lines += ["  \(style.paint(difference.kind.rawValue, .bad)), \(who) beside \(difference.new)"] + history(difference.history)
        }
        let never = Divergence.Kind.allCases.filter { kind in !differences.contains { $0.kind == kind } }
        if !never.isEmpty { lines.append("  never: \(never.map(\.rawValue).joined(separator: ", "))") }
        return lines
    }

    /// The steps, and what the schemes do with them.
    private func history(_ steps: [Step]) -> [String] {
        zip(steps, effects(of: steps)).enumerated().map { index, told in
            "\(index + 1)".leftPadded(6) + "  " + told.0.description + effectText(told.1)
        }
    }

    private func effectText(_ effects: [String]) -> String {
        if Set(effects).count == 1 { return effects[0] == "nothing" ? "" : ": \(effects[0])" }
        // Those that do the same, together.
        let parts = effects.uniqued().map { effect in "\(zip(Replay.schemes, effects).filter { $0.1 == effect }.map(\.0).joined(separator: ", ")) \(effect)" }
        return ": " + parts.joined(separator: "; ")
    }
}
