/// How far the report can be trusted: conformance, counter marks, evidence, problems.
extension TextReport {
    private static let marksShown = 8

    func conformanceSection() -> [String] {
        guard let conformance = document.conformance else { return [] }
        var table = TextTable(
            head: ["", "records", "predicted", "matched", "share"], alignments: [.left, .right])
        func row(_ label: String, _ records: Int, _ predicted: Int, _ matched: Int) {
            table.add([
                TextTable.Cell(printable(label)), cell(records), cell(predicted), cell(matched),
                TextTable.Cell(percent(matched, of: max(records, predicted), decimals: 2)),
            ])
        }
        for (reason, counts) in conformance.byReason.sorted(by: { $0.key < $1.key }) {
            row(reason, counts.records, counts.predicted, counts.matched)
        }
        row("all tlb_flush events", conformance.records, conformance.predicted, conformance.matched)
        if let masks = conformance.masks {
            let matched = conformance.masksMatched ?? 0
            table.add([
                "mm_cpumask values", cell(masks), "", cell(matched), TextTable.Cell(percent(matched, of: masks, decimals: 2)),
            ])
        }
        return [heading("Conformance: what \(printable(conformance.scheme)) predicts of the recorded kernel's own events")]
            + table.lines(style)
    }

    /// Between two lines with counters: how far the counters moved, as recorded and as predicted.
    func marksSection() -> [String] {
        let marks = (document.marks ?? []).filter { $0.recorded != nil }
        guard marks.count > 1 else { return [] }
        var lines = [heading("Counters of /proc/vmstat between marks, recorded and predicted by the kernel's own scheme")]
        for (before, after) in zip(marks, marks.dropFirst()).prefix(Self.marksShown) {
            var table = TextTable(head: ["", "recorded", "predicted", "difference"], alignments: [.left, .right])
            func row(_ label: String, _ counter: (ReportDocument.VMStat) -> Int) {
                let recorded = difference(counter(after.recorded!), counter(before.recorded!))
                let predicted = difference(counter(after.vmstat), counter(before.vmstat))
                let off = difference(predicted, recorded)
                table.add([TextTable.Cell(label), cell(recorded), cell(predicted), cell(off, .bad)])
            }
            row("nr_tlb_remote_flush", \.remoteFlush)
            row("nr_tlb_remote_flush_received", \.remoteFlushReceived)
            row("nr_tlb_local_flush_all", \.localFlushAll)
            row("nr_tlb_local_flush_one", \.localFlushOne)
            lines.append("  from \(times.moment(before.timeNS)) to \(times.moment(after.timeNS))")
            lines += table.lines(style)
        }
        let more = marks.count - 1 - Self.marksShown
        return lines + (more > 0 ? ["  and \(count(more, "more interval"))"] : [])
    }

    /// The counters in a mark are what the trace says, any number.
    private func difference(_ left: Int, _ right: Int) -> Int {
        let (result, overflow) = left.subtractingReportingOverflow(right)
        return overflow ? (left < right ? .min : .max) : result
    }

    func evidenceSection() -> [String] {
        let evidence = document.evidence
        let switches = evidence.switches
        let best =
            switch evidence.kind {
            case "probes": "probe events that name the mm"
            case "life-cycle": "life-cycle events (fork, exec, exit, …)"
            case "flushes": "sched_switch and tlb_flush alone"
            default: printable(evidence.kind)
            }
        var table = TextTable(alignments: [.left, .right, .right, .left])
        var group = ""
        func row(_ of: String, _ label: String, _ number: Int, of total: Int, _ meaning: String, _ role: TextStyle.Role = .plain) {
            guard number > 0 else { return }
            // The group's name on its first line only.
            let text = group == of ? "  \(label)" : "\(of), \(label)"
            group = of
            table.add([
                TextTable.Cell(text), cell(number, role), TextTable.Cell(percent(number, of: total), role),
                TextTable.Cell(meaning, .faint),
            ])
        }
        row("switches", "exact", switches.exact, of: switches.total, "a probe event names the mm")
        row("switches", "life cycle", switches.lifeCycle, of: switches.total, "fork, exec, exit, threads of a process, pid 0")
        row("switches", "snapshot", switches.snapshot ?? 0, of: switches.total, "the tasks that existed are listed in the trace")
        row("switches", "hardware", switches.hardware, of: switches.total, "a CR3 load, or its absence")
        row("switches", "convention", switches.convention, of: switches.total, "a kernel thread's name")
        row("switches", "unknown", switches.unknown, of: switches.total, "nothing tells; such switches are not guessed", .bad)
        row("flushes", "attributed", evidence.flushes.attributed, of: evidence.flushes.total, "the mm is known, or there is none")
        row("flushes", "unknown", evidence.flushes.unknown, of: evidence.flushes.total, "nothing tells whose mm it was", .bad)
        var lines = [heading("Evidence: \(best)")] + table.lines(style)
        if evidence.unknownTimeNS > 0 {
            lines.append(
                "  loaded mm unknown for \(times.duration(evidence.unknownTimeNS)) "
                    + "(\(percent(evidence.unknownTimeNS, of: cpuTime)) of \(times.whole))")
        }
        if evidence.contradictions > 0 {
            lines.append("  \(count(evidence.contradictions, "contradiction")): evidence that stronger evidence forbids, and which was not followed")
        }
        for note in evidence.notes { lines += wrapped(printable(note), width: style.width) }
        return lines
    }

    func problemsSection() -> [String] {
        guard !document.problems.isEmpty else { return [] }
        return [style.paint("Not read", .bad)]
            + document.problems.flatMap { problem in
                wrapped((problem.line.map { "line \($0): " } ?? problem.offset.map { "at offset \($0): " } ?? "") + printable(problem.cause), width: style.width)
            }
    }
}
