/// Who interrupts whom, and how long it takes.
extension ReportSections {
    private static let interruptersShown = 10
    private static let pairsShown = 16

    func interruptersSection() -> ReportSection? {
        guard !document.interrupters.isEmpty else { return nil }
        // Where not all schemes fit, the oldest and the newest ones are shown.
        var shown = schemeIDs
        var table = interrupters(shown)
        while table.width > width, shown.count > 2 {
            shown.remove(at: shown.count / 2)
            table = interrupters(shown)
        }
        let more = document.interrupters.count - Self.interruptersShown + (document.interruptersOmitted ?? 0)
        return ReportSection(
            "Processes whose flushes interrupt most CPUs; IPI targets under each scheme",
            [.table(table)] + (more > 0 ? [.line("and \(count(more, "more process", "more processes"))")] : []))
    }

    private func interrupters(_ schemes: [String]) -> ReportTable {
        var table = ReportTable(head: ["process", "pid", "flushes"] + schemes.map(printable), alignments: [.left, .right])
        for interrupter in document.interrupters.prefix(Self.interruptersShown) {
            table.add(
                [ReportTable.Cell(printable(interrupter.process)), ReportTable.Cell(interrupter.pid.map(String.init) ?? "–"), cell(interrupter.flushes)]
                    + schemes.map { interrupter.ipiTargets[$0].map { cell($0) } ?? "–" })
        }
        return table
    }

    /// A square of senders and receivers where it fits into the width, else the pairs with most IPIs.
    func matrixSection() -> ReportSection? {
        guard let matrix = document.ipiMatrix else { return nil }
        let pairs = matrix.nonzeroPairs
        let scheme = printable(matrix.scheme)
        guard !pairs.isEmpty else { return ReportSection("IPIs between CPUs under \(scheme)", [.line("none")]) }
        if let rows = matrix.rows, let square = square(rows) {
            return ReportSection("IPIs between CPUs under \(scheme): sender in the row, receiver in the column", [.table(square)])
        }
        let top = pairs.sorted { ($1.count, $0.from, $0.to) < ($0.count, $1.from, $1.to) }.prefix(Self.pairsShown)
        var table = ReportTable(head: ["sender", "receiver", "IPIs"], alignments: [.right])
        for pair in top { table.add(["\(pair.from)", "\(pair.to)", cell(pair.count)]) }
        let share = "the \(top.count) of \(count(pairs.count, "pair")) with most"
        return ReportSection("IPIs between CPUs under \(scheme): \(share)", [.table(table)])
    }

    private func square(_ rows: [[Int]]) -> ReportTable? {
        var table = ReportTable(head: ["CPU"] + rows.indices.map(String.init), alignments: [.right])
        for (sender, row) in rows.enumerated() {
            table.add(
                [ReportTable.Cell("\(sender)", .faint)]
                    + row.enumerated().map { receiver, count in
                        count == 0 ? ReportTable.Cell(sender == receiver ? "-" : ".", .faint) : cell(count)
                    })
        }
        return table.width <= width ? table : nil
    }

    func latencySection() -> ReportSection? {
        let latency = document.shootdownLatency
        guard latency.samples > 0 || latency.unanswered > 0 || latency.cut > 0 else { return nil }
        var head = ["samples", "min", "p50", "p90", "p99", "max", "no record"]
        func time(_ value: UInt64?) -> ReportTable.Cell { ReportTable.Cell(value.map(times.duration) ?? "–") }
        var row = [
            cell(latency.samples), time(latency.minNS), time(latency.p50NS), time(latency.p90NS), time(latency.p99NS),
            time(latency.maxNS), cell(latency.unanswered),
        ]
        if latency.cut > 0 {
            head.append("cut off")
            row.append(cell(latency.cut))
        }
        var table = ReportTable(head: head, alignments: [.right])
        table.add(row)
        var blocks = [ReportSection.Block.table(table)]
        if latency.samples > 0, let sum = latency.sumNS {
            blocks.append(.line("senders waited \(times.duration(sum)) in all (\(percent(sum, of: cpuTime)) of \(times.whole))"))
        }
        return ReportSection("Shootdown latency, from the SEND_IPI record to the last receiver's record", blocks)
    }

    /// A column for each size.
    func flushSizesSection() -> ReportSection? {
        guard let sizes = document.flushSizes, !sizes.isEmpty else { return nil }
        var table = ReportTable(head: ["pages"] + sizes.map(pages), alignments: [.left, .right])
        if sizes.contains(where: { $0.local > 0 }) { table.add(["local flushes"] + sizes.map { cell($0.local) }) }
        table.add(["IPI sends"] + sizes.map { cell($0.sends) })
        return ReportSection("Sizes of flushes, in pages of 4 KiB, as recorded", [.table(table)])
    }

    private func pages(_ size: ReportDocument.FlushSize) -> String {
        guard let from = size.fromPages else { return "all" }
        guard let to = size.toPages else { return "\(from)–" }
        return from == to ? "\(from)" : "\(from)–\(to)"
    }
}
