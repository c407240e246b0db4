import TraceData

/// The schemes side by side, and what sets them apart.
extension ReportSections {
    /// The recorded kernel is older than all that are known, and read as `v4.12`.
    private var isOlder: Bool { KernelVersion(release: document.trace.kernel).map { $0 < KernelVersion(4, 9) } ?? false }

    func schemesSection() -> ReportSection? {
        let order = schemeIDs
        guard !order.isEmpty else { return nil }
        let schemes = order.map { document.schemes[$0]! }
        let recorded = document.recorded
        var table = SideBySide(columns: order.map(printable) + ["recorded"])
        func row(_ label: String, _ value: (ReportDocument.Scheme) -> Int, recorded: Int? = nil) {
            table.add(label, schemes.map { cell(value($0)) } + [recorded.map { cell($0) } ?? ReportTable.Cell("", .faint)])
        }
        row("context switches", \.contextSwitches, recorded: recorded.contextSwitches)
        row("  outcome unknown", \.unknownSwitches)
        row("CR3 loads", \.cr3Loads, recorded: recorded.cr3Loads)
        if schemes.allSatisfy({ $0.savedLoads != nil && $0.reloads != nil }) {
            row("  of a borrowed mm that was left", { $0.reloads ?? 0 })
            row("saved by borrowing (lazy TLB)", { $0.savedLoads ?? 0 })
        }
        row("leave_mm with effect", \.leaveMM)
        // v4.12's flush_tlb_page() flushes without a record, of which only probe events tell.
        let isSilent = recorded.scheme == "v4.12" || isOlder
        let isMissing = isSilent && document.evidence.kind != "probes"
        func atLeast(_ cell: ReportTable.Cell, _ isBound: Bool) -> ReportTable.Cell { isBound ? ReportTable.Cell("≥ " + cell.text, cell.emphasis) : cell }
        let locals = cell(recorded.localMMShootdowns + recorded.localShootdowns)
        table.add("local flushes", schemes.map { atLeast(cell($0.localFlushes), isMissing) } + [atLeast(locals, isSilent)])
        row("IPI sends", \.ipiSends, recorded: recorded.ipiSends)
        if let unknown = document.evidence.flushes.unknownSends, unknown > 0 {
            table.add("  of unknown mm", schemes.map { _ in ReportTable.Cell("", .faint) } + [cell(unknown, .bad)])
        }
        row("IPI targets", \.ipiTargets)
        row("  flushed", \.ipiFlushed, recorded: recorded.remoteShootdowns)
        row("  left the mm (leave_mm)", \.ipiLeft)
        row("  ignored", \.ipiIgnored)
        if schemes.allSatisfy({ $0.ipiIdle != nil && $0.ipiKernel != nil }) {
            row("  to idle CPUs", { $0.ipiIdle ?? 0 })
            row("  to kernel threads", { $0.ipiKernel ?? 0 })
        }
        row("nr_tlb_remote_flush", \.vmstat.remoteFlush)
        row("nr_tlb_remote_flush_received", \.vmstat.remoteFlushReceived)
        row("nr_tlb_local_flush_all", \.vmstat.localFlushAll)
        table.add("nr_tlb_local_flush_one", schemes.map { atLeast(cell($0.vmstat.localFlushOne), isMissing) } + [ReportTable.Cell("", .faint)])
        let warnings = Set(schemes.flatMap { $0.warnings.keys }).sorted()
        for warning in warnings {
            let label = truncated(printable(warning), toColumns: 48)
            table.add(
                label, schemes.map { cell($0.warnings[warning] ?? 0, .bad) } + [ReportTable.Cell("", .faint)])
        }
        return ReportSection("Schemes", [.counters(table)])
    }

    /// In which state of the lazy TLB the CPUs would have been, and how long.
    func cpuTimeSection() -> ReportSection? {
        let order = schemeIDs
        let schemes = order.compactMap { document.schemes[$0]?.cpuTime }
        guard !schemes.isEmpty, schemes.count == order.count else { return nil }
        var table = SideBySide(columns: order.map(printable))
        func row(_ label: String, _ time: KeyPath<ReportDocument.CPUTime, UInt64>) {
            table.add(label, schemes.map { ReportTable.Cell(percent($0[keyPath: time], of: cpuTime), $0[keyPath: time] == 0 ? .faint : .plain) })
        }
        row("user: a task's own mm is loaded", \.userNS)
        row("lazy: one that the task borrows", \.lazyNS)
        row("init: init_mm", \.initNS)
        row("unknown", \.unknownNS)
        return ReportSection("What CPUs would have loaded, in shares of \(times.whole)", [.counters(table)])
    }

    func comparisonsSection() -> ReportSection? {
        guard !document.comparisons.isEmpty else { return nil }
        let comparisons = document.comparisons
        var table = SideBySide(columns: comparisons.map { printable("\($0.old) vs \($0.new)") })
        func row(_ label: String, _ value: (ReportDocument.Comparison) -> Int) {
            table.add(label, comparisons.map { cell(value($0), .bad) })
        }
        row("extra IPI targets", \.extraIPITargets)
        row("missing IPI targets", \.missingIPITargets)
        table.add(
            "time with a stale active_mm",
            comparisons.map {
                $0.staleActiveMMNS == 0
                    ? ReportTable.Cell("0", .faint) : ReportTable.Cell(times.duration($0.staleActiveMMNS), .bad)
            })
        table.add(
            "  of \(times.whole)", comparisons.map { ReportTable.Cell(percent($0.staleActiveMMNS, of: cpuTime), .faint) })
        row("redundant CR3 loads", \.redundantCR3Loads)
        let kinds = divergenceKinds(in: comparisons)
        table.add("divergences", comparisons.map { cell($0.divergences.values.reduce(0, +)) })
        for kind in kinds {
            table.add("  \(printable(kind))", comparisons.map { cell($0.divergences[kind] ?? 0) })
        }
        return ReportSection("Differences, old scheme vs new scheme", [.counters(table)])
    }

    /// The kinds that occur: those that are known in the order of docs/reading-a-report.md, then others by name.
    private func divergenceKinds(in comparisons: [ReportDocument.Comparison]) -> [String] {
        let known = [
            "stale-active-mm", "noop-ipi", "noop-local-flush", "redundant-cr3-load", "extra-ipi", "missing-ipi", "extra-flush",
            "warning",
        ]
        let found = Set(comparisons.flatMap { $0.divergences.filter { $0.value != 0 }.keys })
        return known.filter(found.contains) + found.subtracting(known).sorted()
    }

    /// The list of divergences, if it was asked for: what happened, and the records it follows from.
    ///
    /// Where several old schemes do the same beside the same new one, they share an entry.
    func divergencesSection(limit: Int) -> ReportSection? {
        guard let divergences = document.divergences else { return nil }
        let shown = divergences.prefix(max(limit, 0))
        let total = max(divergences.count, document.comparisons.reduce(0) { $0 + $1.divergences.values.reduce(0, +) })
        let title = "Divergences" + (shown.count < total ? ", the first \(grouped(shown.count)) of \(grouped(total))" : ": \(grouped(total))")
        var entries: [ReportSection.Block] = []
        var shared = false
        var rest = shown[...]
        while let divergence = rest.popFirst() {
            var olds = [divergence.old]
            while let next = rest.first, same(next, divergence) {
                olds.append(next.old)
                rest.removeFirst()
            }
            if olds.count > 1 { shared = true }
            entries.append(entry(divergence, olds))
        }
        return ReportSection(title + (shared ? "; those of several old schemes in one entry" : ""), entries)
    }

    /// The two are the same but for the old scheme.
    private func same(_ left: ReportDocument.Divergence, _ right: ReportDocument.Divergence) -> Bool {
        var left = left
        left.old = right.old
        return left == right
    }

    private func entry(_ divergence: ReportDocument.Divergence, _ olds: [String]) -> ReportSection.Block {
        var place = "\(times.moment(divergence.timeNS)) [\(threeDigits(divergence.cpu))] "
        if let pid = divergence.pid { place += truncated("\(printable(divergence.comm ?? "<...>"))-\(pid)", toColumns: 24) + " " }
        var what = divergence.mm.map { "mm \(printable($0))" } ?? "no mm"
        what += ", " + printable("\(olds.joined(separator: " and ")) vs \(divergence.new)")
        if let end = divergence.endNS { what += ", for " + times.duration(end - min(end, divergence.timeNS)) }
        if let targets = divergence.targets { what += ", \(targets.count == 1 ? "CPU" : "CPUs") \(ranges(targets))" }
        if let sender = divergence.sender { what += ", from CPU \(sender)" }
        if let detail = divergence.detail { what += ", \(printable(detail))" }
        var details = [what]
        if !divergence.records.isEmpty {
            let records = divergence.records.prefix(4).map { "\(printable($0.event)) \(times.moment($0.timeNS)) [\(threeDigits($0.cpu))]" }
            let more = divergence.records.count > 4 ? ["and \(divergence.records.count - 4) more"] : []
            details.append("from " + (records + more).joined(separator: ", "))
        }
        return .entry(place: place, kind: printable(divergence.kind), details: details)
    }

    /// A CPU as `trace-cmd report` writes it: at least three digits.
    private func threeDigits(_ cpu: Int) -> String {
        let text = String(cpu)
        return String(repeating: "0", count: max(0, 3 - text.count)) + text
    }
}
