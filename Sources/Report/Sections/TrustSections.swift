/// How far the report can be trusted: conformance, counter marks, evidence, problems.
extension ReportSections {
    private static let marksShown = 8

    func conformanceSection() -> ReportSection? {
        guard let conformance = document.conformance else { return nil }
        var table = ReportTable(
            head: ["", "records", "predicted", "matched", "share"], alignments: [.left, .right])
        func row(_ label: String, _ records: Int, _ predicted: Int, _ matched: Int) {
            table.add([
                ReportTable.Cell(printable(label)), cell(records), cell(predicted), cell(matched),
                ReportTable.Cell(percent(matched, of: max(records, predicted), decimals: 2)),
            ])
        }
        for (reason, counts) in conformance.byReason.sorted(by: { $0.key < $1.key }) {
            row(reason, counts.records, counts.predicted, counts.matched)
        }
        row("all tlb_flush events", conformance.records, conformance.predicted, conformance.matched)
        if let masks = conformance.masks {
            let matched = conformance.masksMatched ?? 0
            table.add([
                "mm_cpumask values", cell(masks), "", cell(matched), ReportTable.Cell(percent(matched, of: masks, decimals: 2)),
            ])
        }
        return ReportSection("Conformance: what \(printable(conformance.scheme)) predicts of the recorded kernel's own events", [.table(table)])
    }

    /// Between two lines with counters: how far the counters moved, as recorded and as predicted.
    func marksSection() -> ReportSection? {
        let marks = (document.marks ?? []).filter { $0.recorded != nil }
        guard marks.count > 1 else { return nil }
        var blocks: [ReportSection.Block] = []
        for (before, after) in zip(marks, marks.dropFirst()).prefix(Self.marksShown) {
            var table = ReportTable(head: ["", "recorded", "predicted", "difference"], alignments: [.left, .right])
            func row(_ label: String, _ counter: (ReportDocument.VMStat) -> Int) {
                let recorded = difference(counter(after.recorded!), counter(before.recorded!))
                let predicted = difference(counter(after.vmstat), counter(before.vmstat))
                let off = difference(predicted, recorded)
                table.add([ReportTable.Cell(label), cell(recorded), cell(predicted), cell(off, .bad)])
            }
            row("nr_tlb_remote_flush", \.remoteFlush)
            row("nr_tlb_remote_flush_received", \.remoteFlushReceived)
            row("nr_tlb_local_flush_all", \.localFlushAll)
            row("nr_tlb_local_flush_one", \.localFlushOne)
            blocks += [.line("from \(times.moment(before.timeNS)) to \(times.moment(after.timeNS))"), .table(table)]
        }
        let more = marks.count - 1 - Self.marksShown
        if more > 0 { blocks.append(.line("and \(count(more, "more interval"))")) }
        return ReportSection("Counters of /proc/vmstat between marks, recorded and predicted by the kernel's own scheme", blocks)
    }

    /// The counters in a mark are what the trace says, any number.
    private func difference(_ left: Int, _ right: Int) -> Int {
        let (result, overflow) = left.subtractingReportingOverflow(right)
        return overflow ? (left < right ? .min : .max) : result
    }

    func evidenceSection() -> ReportSection {
        let evidence = document.evidence
        let switches = evidence.switches
        let best =
            switch evidence.kind {
            case "probes": "probe events that name the mm"
            case "life-cycle": "life-cycle events (fork, exec, exit, …)"
            case "flushes": "sched_switch and tlb_flush alone"
            default: printable(evidence.kind)
            }
        var table = ReportTable(alignments: [.left, .right, .right, .left])
        var group = ""
        func row(_ of: String, _ label: String, _ number: Int, of total: Int, _ meaning: String, _ emphasis: Emphasis = .plain) {
            guard number > 0 else { return }
            // The group's name on its first line only.
            let text = group == of ? "  \(label)" : "\(of), \(label)"
            group = of
            table.add([
                ReportTable.Cell(text), cell(number, emphasis), ReportTable.Cell(percent(number, of: total), emphasis),
                ReportTable.Cell(meaning, .faint),
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
        var blocks: [ReportSection.Block] = [.table(table)]
        if evidence.unknownTimeNS > 0 {
            blocks.append(.line("loaded mm unknown for \(times.duration(evidence.unknownTimeNS)) (\(percent(evidence.unknownTimeNS, of: cpuTime)) of \(times.whole))"))
        }
        if evidence.contradictions > 0 {
            blocks.append(.line("\(count(evidence.contradictions, "contradiction")): evidence that stronger evidence forbids, and which was not followed"))
        }
        blocks += evidence.notes.map { .paragraph(printable($0)) }
        return ReportSection("Evidence: \(best)", blocks)
    }

    func problemsSection() -> ReportSection? {
        guard !document.problems.isEmpty else { return nil }
        let blocks = document.problems.map { problem in
            ReportSection.Block.paragraph((problem.line.map { "line \($0): " } ?? problem.offset.map { "at offset \($0): " } ?? "") + printable(problem.cause))
        }
        return ReportSection("Not read", emphasis: .bad, blocks)
    }
}
