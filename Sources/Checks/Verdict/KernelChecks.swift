import Report

/// Checks that need no baseline: the recorded kernel beside what its own scheme, and the reworked one, would have done.
public enum KernelChecks {
    /// The least share of the records that the scheme must predict. With probe events nothing is inferred, and what is missed are the races of
    /// docs/conformance.md; an inferred history misses some by itself.
    static let leastShare = 0.998
    static let leastInferredShare = 0.995
    static let leastMaskShare = 0.99
    /// The share of the sends that an inferred history may fail to explain though the kernel is right: docs/ci.md has the figures.
    static let mostInferredExtraSends = 0.1

    /// The recorded kernel behaves as the scheme of its version says.
    public static func conform(_ document: ReportDocument, limits: EvidenceLimits = EvidenceLimits()) -> CheckResult.Finding {
        let recording = Recording(document)
        var finding = CheckResult.Finding(check: "conform", subject: printable(document.trace.path), outcome: .inconclusive, reason: "")
        guard let conformance = document.conformance, let scheme = document.schemes[conformance.scheme],
            let metric = MetricCatalogue.known["kernel.ipi_targets"]
        else {
            finding.reason = "the recorded kernel runs none of the schemes, as far as is known"
            return finding
        }
        let whole = max(conformance.records, conformance.predicted)
        let share = whole > 0 ? Double(conformance.matched) / Double(whole) : 1
        let least = document.evidence.kind == "probes" ? leastShare : leastInferredShare
        let warnings = sum(scheme.warnings.values)
        finding.details = deviations(conformance, scheme, document.trace.timeUnit)
        let others = conformance.predicted > conformance.records ? ", and \(grouped(conformance.predicted - conformance.matched)) that were not written" : ""
        // By the report's rule, but that what is less than is asked does not look like it.
        let digits = share < least ? decimals(apart: share * 100, least * 100, atLeast: 2) : 2
        let percentage = percent(conformance.matched, of: whole, decimals: digits)
        let shareText = "\(conformance.scheme) predicts \(grouped(conformance.matched)) of \(grouped(conformance.records)) tlb_flush records\(others) (\(percentage))"
        if let lack = recording.lacks(for: metric, limits) {
            finding.reason = "\(lack); \(shareText)"
            return finding
        }
        var faults: [String] = []
        if share < least { faults.append("less than \(fixed(least * 100, 1)) %") }
        if let masks = conformance.masks, let matched = conformance.masksMatched, masks > 0, Double(matched) < leastMaskShare * Double(masks) {
            faults.append("only \(grouped(matched)) of \(grouped(masks)) masks")
        }
        if warnings > 0 { faults.append("WARN or BUG conditions are met \(grouped(warnings)) \(warnings == 1 ? "time" : "times")") }
        finding.outcome = faults.isEmpty ? .passed : .failed
        finding.reason = shareText + (faults.isEmpty ? ", at least \(fixed(least * 100, 1)) % is asked" : ": " + list(faults, "and"))
        if document.evidence.kind != "probes" {
            finding.details.append("without probe events the history is inferred from these very records, so that a deviation may hide; see docs/ci.md")
        }
        return finding
    }

    /// What the kernel did and its scheme did not, and the reverse: each place where the report lists them, else how many of each kind.
    private static func deviations(_ conformance: ReportDocument.Conformance, _ scheme: ReportDocument.Scheme, _ unit: ReportDocument.Trace.TimeUnit) -> [String] {
        if let deviations = conformance.deviations {
            let all = sum((conformance.deviationCounts ?? [:]).values)
            return deviations.map { line($0, unit) } + (all > deviations.count ? ["and \(grouped(all - deviations.count)) more"] : [])
        }
        var lines: [String] = []
        for (reason, counts) in conformance.byReason.sorted(by: { $0.key < $1.key }) {
            let (missing, extra) = (counts.predicted - counts.matched, counts.records - counts.matched)
            if missing > 0 { lines.append("\(reason): \(grouped(missing)) that should have been recorded and \(missing == 1 ? "was" : "were") not") }
            if extra > 0 { lines.append("\(reason): \(grouped(extra)) recorded that should not have been") }
        }
        for (warning, count) in scheme.warnings.sorted(by: { $0.key < $1.key }) { lines.append("WARN or BUG condition \(warning): \(grouped(count))") }
        return lines
    }

    /// e.g. `16.758970730 [003] wl-861 missing-ipi: 1 page of mm wl:861, to CPU 0`; of a clock that counts no time, its number.
    private static func line(_ deviation: ReportDocument.Deviation, _ unit: ReportDocument.Trace.TimeUnit) -> String {
        var text = TimeFormat(unit: unit).moment(deviation.timeNS)
        let cpu = String(deviation.cpu)
        text += " [" + String(repeating: "0", count: max(0, 3 - cpu.count)) + cpu + "]"
        if let pid = deviation.pid { text += " \(deviation.comm ?? "<...>")-\(pid)" }
        text += " \(deviation.kind)"
        var parts: [String] = []
        if let pages = deviation.pages, !deviation.kind.hasSuffix("cr3-load") {
            parts.append(pages < 0 ? "everything" : pages == 1 ? "1 page" : "\(grouped(pages)) pages")
        }
        if let mm = deviation.mm { parts.append("mm \(mm)") }
        if let targets = deviation.targets { parts.append("to CPU \(list(targets.map(String.init), "and"))") }
        if let detail = deviation.detail { parts.append(detail) }
        return printable(parts.isEmpty ? text : text + ": " + parts.joined(separator: ", "))
    }

    /// The recorded kernel interrupts no CPU that the reworked scheme would leave alone, and none that its own scheme would.
    ///
    /// In an inferred history some of both are errors of the inference: what is not beyond those is no answer.
    public static func noExtraIPIs(_ document: ReportDocument) -> CheckResult.Finding {
        let isInferred = document.evidence.kind != "probes"
        let unsure = "; without probe events that many may be errors of the inference"
        var finding = zero("no-extra-ipis", "kernel.extra_ipi_targets", document) { "\(numberText($0)) CPUs interrupted that \(RecordedKernel.schemes.last!) would have left alone" }
        let own = document.recorded.scheme
        let targets = own.flatMap { document.schemes[$0] }?.ipiTargets ?? 0
        let extraTargets = document.comparisons.first { $0.old == own }?.extraIPITargets ?? 0
        if finding.outcome == .failed, isInferred, extraTargets <= races(targets) {
            finding.outcome = .inconclusive
            finding.reason += unsure
        }
        guard finding.outcome == .passed, let conformance = document.conformance, let counts = conformance.byReason["TLB_REMOTE_SEND_IPI"] else { return finding }
        let extra = counts.records - counts.matched
        guard extra > races(counts.records) else { return finding }
        finding.reason = "\(grouped(extra)) of \(grouped(counts.records)) recorded IPI sends are none that \(conformance.scheme) would have sent"
        finding.outcome = .failed
        if isInferred, Double(extra) <= mostInferredExtraSends * Double(counts.records) {
            finding.outcome = .inconclusive
            finding.reason += unsure
        }
        return finding
    }

    /// So many sends, or targets, may be races at the sender: docs/conformance.md.
    private static func races(_ whole: Int) -> Int { max(3, whole / 500) }

    /// The recorded kernel never keeps an active_mm that CR3 does not hold.
    public static func noStaleActiveMM(_ document: ReportDocument) -> CheckResult.Finding {
        zero("no-stale-active-mm", "kernel.stale_active_mm_ns", document) { value in
            let share = Double(document.trace.cpuTimeNS)
            let isTime = document.trace.timeUnit == .ns
            return "active_mm named an mm that CR3 did not hold for \(isTime ? fixed(value / 1e6, 3) + " ms" : numberText(value) + " ticks"), "
                + "\(percentText(share > 0 ? value / share : 0)) of \(isTime ? "the CPU time" : "the CPUs' ticks")"
        }
    }

    private static func zero(_ check: String, _ name: String, _ document: ReportDocument, _ text: (Double) -> String) -> CheckResult.Finding {
        let recording = Recording(document)
        var finding = CheckResult.Finding(check: check, subject: printable(document.trace.path), outcome: .inconclusive, reason: "")
        guard let metric = MetricCatalogue.known[name] else { return finding }
        if let value = recording.value(metric), value > 0 {
            // What was seen has happened, whatever else is unknown.
            finding.outcome = .failed
            finding.reason = text(value)
        } else if let lack = recording.lacks(for: metric, EvidenceLimits()) {
            finding.reason = lack
        } else {
            finding.outcome = .passed
            finding.reason = "none"
        }
        // The likelier scheme is judged; but whoever reads it should know that it would not be so under the other one.
        for other in document.recorded.otherSchemes ?? [] where finding.outcome != .inconclusive {
            var alternative = document
            alternative.recorded.scheme = other
            let value = Recording(alternative).value(metric) ?? 0
            guard (value > 0) != (finding.outcome == .failed) else { continue }
            finding.reason += " under \(document.recorded.scheme ?? ""); under \(other), which the kernel may run as well: \(value > 0 ? text(value) : "none"). --kernel decides it"
        }
        return finding
    }
}
