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
            traceSection(), schemesSection(), cpuTimeSection(), comparisonsSection(), interruptersSection(), matrixSection(), latencySection(), flushSizesSection(),
            conformanceSection(), marksSection(), evidenceSection(), divergencesSection(limit: divergenceLimit), problemsSection(),
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
        if parts.isEmpty, unknownShare > 0.99 {
            return others == 0
                ? "Whether \(old) and \(new) differ on this trace is not known: hardly anything of it is."
                : "\(old) and \(new) differ \(count(others, "time")) on this trace, of which hardly anything is known."
        }
        if parts.isEmpty, unknownShare > 0.1 || predictedShare.map({ $0 < Self.leastPredicted }) == true {
            return others == 0
                ? "\(old) and \(new) differ in nothing of what is known of this trace."
                : "\(old) and \(new) differ \(count(others, "time")) in what is known of this trace, but interrupt the same CPUs."
        }
        if parts.isEmpty {
            return others == 0
                ? "\(old) and \(new) do the same on this trace: no IPI target and no CR3 load differs."
                : "\(old) and \(new) interrupt the same CPUs on this trace; they differ otherwise \(count(others, "time"))."
        }
        return "\(old) would have " + list(parts) + "."
    }

    /// Of the context switches, and of the CPU time, what is unknown under the scheme of which least is known. That may be less than the records show of the recorded
    /// kernel: what another one would have loaded there.
    private var unknown: (switches: Int, timeNS: UInt64) {
        let schemes = document.schemes.values
        return (
            schemes.reduce(document.evidence.switches.unknown) { max($0, $1.unknownSwitches) },
            schemes.reduce(document.evidence.unknownTimeNS) { max($0, $1.cpuTime?.unknownNS ?? 0) }
        )
    }

    /// The largest share that is unknown: of the flushes, the context switches or the CPU time. With much unknown it says little that schemes do not differ in the rest.
    private var unknownShare: Double {
        let (flushes, unknown) = (document.evidence.flushes, unknown)
        func share(_ part: Double, of whole: Double) -> Double { whole > 0 ? part / whole : 0 }
        return max(
            share(Double(flushes.unknown), of: Double(flushes.total)), share(Double(unknown.switches), of: Double(document.evidence.switches.total)),
            share(Double(unknown.timeNS), of: Double(cpuTime)))
    }

    /// What of the trace the verdict does not cover.
    private func caveat() -> String? {
        let (evidence, unknown) = (document.evidence, unknown)
        var parts: [String] = []
        if unknown.switches > 0 { parts.append("\(percent(unknown.switches, of: evidence.switches.total)) of the context switches") }
        if evidence.flushes.unknown > 0 { parts.append("\(percent(evidence.flushes.unknown, of: evidence.flushes.total)) of the flushes") }
        if unknown.timeNS > 0 { parts.append("\(percent(unknown.timeNS, of: cpuTime)) of \(times.whole)") }
        if parts.isEmpty { return nil }
        // Evidence has what is unknown of the recorded kernel, the schemes' tables what is of each scheme.
        let isMore = unknown.switches > evidence.switches.unknown || unknown.timeNS > evidence.unknownTimeNS
        return isMore
            ? "Unknown under one scheme or another, and not counted: \(list(parts)); see the schemes' tables, and Evidence."
            : "Unknown, and not counted: \(list(parts)); see Evidence."
    }

    /// Of what the kernel recorded, or should have, the share that its own scheme predicts; nil if it runs none.
    private var predictedShare: Double? {
        guard let conformance = document.conformance else { return nil }
        let whole = max(conformance.records, conformance.predicted)
        return whole > 0 ? Double(conformance.matched) / Double(whole) : nil
    }

    /// Recordings of which all is known miss less than one in a hundred.
    private static var leastPredicted: Double { 0.98 }

    /// Where the kernel's own scheme does not predict its records, the history that is replayed is not the one that was.
    private func doubt() -> String? {
        guard let conformance = document.conformance, let predictedShare, predictedShare < Self.leastPredicted else { return nil }
        let isFarOff = predictedShare < 0.5
        let more = conformance.predicted - conformance.matched
        let others = more > 0 ? ", and \(count(more, "record")) that it did not write" : ""
        return "\(printable(conformance.scheme)) predicts \(percent(conformance.matched, of: conformance.records)) of what this kernel recorded\(others), so the history that is replayed is not \(isFarOff ? "" : "quite ")the one that was; see Conformance."
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
        func span(_ start: UInt64, _ duration: UInt64) -> String { "\(times.duration(duration)) from \(times.moment(start)) on" }
        table.add(["time", "\(span(trace.startNS, trace.durationNS)), clock \(printable(trace.clock))"])
        if let whole = trace.whole { table.add(["a part of", "\(span(whole.startNS, whole.durationNS)); nothing else is counted here"]) }
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
