/// What a report says to people, section by section; each is a function that gives none if it has nothing to say.
///
/// It begins with what one wants to know, then come the tables. Numbers are rounded; the JSON form has the exact ones.
struct ReportSections {
    let document: ReportDocument
    let times: TimeFormat
    /// Columns of text that fit side by side: tables that would be wider leave something out.
    let width: Int

    init(_ document: ReportDocument, width: Int) {
        (self.document, self.width) = (document, width)
        times = TimeFormat(unit: document.trace.timeUnit)
    }

    /// - Parameter divergenceLimit: how many divergences to list at most, if the document has the list.
    func all(divergenceLimit: Int) -> [ReportSection] {
        [
            traceSection(), schemesSection(), cpuTimeSection(), comparisonsSection(), interruptersSection(), matrixSection(), latencySection(), conformanceSection(),
            marksSection(), evidenceSection(), divergencesSection(limit: divergenceLimit), problemsSection(),
        ].compactMap { $0 }
    }

    /// The schemes of the document, oldest first.
    var schemeIDs: [String] { schemesInOrder(document.schemes.keys) }

    var cpuTime: UInt64 { document.trace.cpuTimeNS }

    /// A count as a cell; zero is faint, so that what happened stands out.
    func cell(_ number: Int, _ emphasis: Emphasis = .plain) -> ReportTable.Cell {
        ReportTable.Cell(grouped(number), number == 0 ? .faint : emphasis)
    }

    // MARK: - What one wants to know first

    /// Which program tells it, of which trace.
    var title: String { printable("\(document.tool.name) \(document.tool.version)") + ": " + printable(document.trace.path) }

    /// A sentence on what the schemes differ in, and those that limit it.
    var headline: [String] { [verdict(), caveat(), doubt()].compactMap { $0 } }

    /// The comparison that spans most: the oldest scheme with the newest.
    private var mainComparison: ReportDocument.Comparison? {
        let order = schemeIDs
        return document.comparisons.first { $0.old == order.first && $0.new == order.last } ?? document.comparisons.first
    }

    private func verdict() -> String {
        guard let comparison = mainComparison else {
            return document.schemes.isEmpty ? "No scheme was replayed." : "One scheme was replayed; there is nothing to compare."
        }
        let (old, new) = (printable(comparison.old), printable(comparison.new))
        let targets = document.schemes[comparison.new]?.ipiTargets ?? 0
        var parts: [String] = []
        if comparison.extraIPITargets > 0 {
            var share = ""
            if targets > 0 {
                share = " (\(percent(comparison.extraIPITargets, of: targets)) of the \(grouped(targets)) under \(new))"
            }
            parts.append("interrupted CPUs \(count(comparison.extraIPITargets, "time")) where \(new) does not\(share)")
        }
        if comparison.missingIPITargets > 0 {
            parts.append("left out \(count(comparison.missingIPITargets, "interrupt")) that \(new) sends")
        }
        if comparison.staleActiveMMNS > 0 {
            parts.append(
                "kept an active_mm that CR3 no longer held for \(times.duration(comparison.staleActiveMMNS)) "
                    + "(\(percent(comparison.staleActiveMMNS, of: cpuTime)) of \(times.whole))")
        }
        if comparison.redundantCR3Loads > 0 {
            parts.append("written CR3 \(count(comparison.redundantCR3Loads, "time")) with what it already held")
        }
        let others = comparison.divergences.values.reduce(0, +)
        if parts.isEmpty, isHardlyKnown {
            return others == 0
                ? "Whether \(old) and \(new) differ on this trace is not known: hardly anything of it is."
                : "\(old) and \(new) differ \(count(others, "time")) on this trace, of which hardly anything is known."
        }
        if parts.isEmpty {
            return others == 0
                ? "\(old) and \(new) do the same on this trace: no IPI target and no CR3 load differs."
                : "\(old) and \(new) interrupt the same CPUs on this trace; they differ otherwise \(count(others, "time"))."
        }
        return "\(old) would have " + list(parts) + "."
    }

    /// So little that no difference says nothing: of a hundred flushes one has an mm, or of the CPU time a hundredth a loaded one.
    private var isHardlyKnown: Bool {
        let flushes = document.evidence.flushes
        return Double(flushes.unknown) > 0.99 * Double(flushes.total) || Double(document.evidence.unknownTimeNS) > 0.99 * Double(cpuTime)
    }

    /// What of the trace the verdict does not cover.
    private func caveat() -> String? {
        let switches = document.evidence.switches
        var parts: [String] = []
        // A scheme may know less than the records show of the recorded kernel: what another one would have loaded there.
        let schemes = document.schemes.values
        let unknown = schemes.reduce(switches.unknown) { max($0, $1.unknownSwitches) }
        let unknownTime = schemes.reduce(document.evidence.unknownTimeNS) { max($0, $1.cpuTime?.unknownNS ?? 0) }
        if unknown > 0 { parts.append("\(percent(unknown, of: switches.total)) of the context switches") }
        if document.evidence.flushes.unknown > 0 {
            parts.append("\(percent(document.evidence.flushes.unknown, of: document.evidence.flushes.total)) of the flushes")
        }
        if unknownTime > 0 { parts.append("\(percent(unknownTime, of: cpuTime)) of \(times.whole)") }
        return parts.isEmpty ? nil : "Unknown, and not counted: \(list(parts)); see Evidence."
    }

    /// Where the kernel's own scheme does not predict its records, the history that is replayed is not the one that was. Recordings of which all is known miss less than one in a hundred.
    private func doubt() -> String? {
        guard let conformance = document.conformance else { return nil }
        let whole = max(conformance.records, conformance.predicted)
        guard Double(conformance.matched) < 0.98 * Double(whole) else { return nil }
        let more = conformance.predicted - conformance.matched
        let others = more > 0 ? ", and \(count(more, "record")) that it did not write" : ""
        return "\(printable(conformance.scheme)) predicts \(percent(conformance.matched, of: conformance.records)) of what this kernel recorded\(others), so the history that is replayed is not quite the one that was; see Conformance."
    }

    private func list(_ parts: [String]) -> String {
        parts.count < 2 ? parts.joined() : parts.dropLast().joined(separator: ", ") + " and " + parts[parts.count - 1]
    }

    // MARK: - The trace

    func traceSection() -> ReportSection {
        let trace = document.trace
        let recorded = document.recorded
        var table = ReportTable(alignments: [.left])
        let container = trace.formatVersion.map { "trace.dat version \($0), compression \(printable(trace.compression))" }
        let system = [trace.kernel, trace.machine].compactMap { $0.map(printable) }.joined(separator: " ")
        let schemes = [recorded.scheme].compactMap { $0 } + (recorded.otherSchemes ?? [])
        let scheme = schemes.isEmpty ? "runs none of the schemes, as far as is known" : "runs scheme \(schemes.map(printable).joined(separator: " or "))"
        table.add(["kernel", "\(system.isEmpty ? "not known" : system); \(scheme)"])
        let span = "\(times.duration(trace.durationNS)) from \(times.moment(trace.startNS)) on"
        table.add(["time", "\(span), clock \(printable(trace.clock))"])
        for (line, text) in clockSkew().enumerated() { table.add([line == 0 ? "clocks" : "", .init(text, .bad)]) }
        table.add(["CPUs", "\(grouped(trace.cpus))"])
        if let container {
            table.add(["file", "\(container)"])
        } else if let form = trace.form {
            table.add(["form", "\([printable(form), trace.formDetail.map(printable)].compactMap { $0 }.joined(separator: " "))"])
        }
        if !trace.buffer.isEmpty { table.add(["buffer", "\(printable(trace.buffer))"]) }
        let flushes =
            recorded.cr3Loads + recorded.ipiSends + recorded.remoteShootdowns + recorded.localShootdowns
            + recorded.localMMShootdowns + recorded.wrongCPU + recorded.other
        table.add([
            "records",
            "\(grouped(trace.events)), of them \(grouped(recorded.contextSwitches)) sched_switch and \(grouped(flushes)) tlb_flush",
        ])
        if let workload = document.workload, workload.switches > 0 {
            let tasks = workload.tasks.prefix(4).map { "\(printable($0.name)) \(percent($0.switches, of: workload.switches, decimals: 0))" }
            table.add(["tasks", "\(tasks.joined(separator: ", "))\(workload.tasks.count > 4 ? ", …" : "") of the switches to other than idle tasks"])
        }
        table.add([
            "lost",
            trace.lostGaps == 0 && trace.lostEvents == 0
                ? "none"
                : .init("\(count(trace.lostEvents, "record")) known to be lost, in \(count(trace.lostGaps, "gap"))", .bad),
        ])
        return ReportSection("Trace", [.table(table)] + (trace.leftOut ?? []).map { .paragraph(printable($0)) })
    }
}
