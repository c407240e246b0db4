import TraceData

/// What `lazytlb info` says about a trace: the file's metadata and what a pass over its records counted.
public struct TraceInfo {
    let file: TraceFile
    let summary: TraceSummary
    /// The first of each CPU.
    private let statsByCPU: [Int: CPUStats]

    public init(_ file: TraceFile, _ summary: TraceSummary) {
        self.file = file
        self.summary = summary
        statsByCPU = Dictionary(file.cpuStats.map { ($0.cpu, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What the replay needs and the trace lacks, with the remedy. Empty if nothing is missing.
    var advice: [String] {
        var lines = MissingEvents(file, withoutRecord: summary.eventsWithoutRecord).lines
        let unread = file.formats.refused.count
        if unread > 0, file.problems.isEmpty { lines.append("\(unread) event formats cannot be understood; --keep-going lists them") }
        lines += file.origin.leftOut
        if !file.clock.isTime { lines.append("the clock \(file.clock.name) counts events, it is no time: record with -C mono") }
        return lines
    }

    // MARK: Text

    /// Of a trace.dat file. What was made of another form tells nothing of that one's.
    private var compressionText: String {
        guard file.origin.form == .traceDat else { return "" }
        return file.compression == .none ? ", not compressed" : ", \(file.compression.rawValue) \(printable(file.compressorVersion).drop { $0 == " " })"
    }

    public func text() -> String {
        var lines: [String] = []
        func line(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return }
            lines.append(name.padded(14) + value)
        }
        lines.append(printable(file.path))
        line("kernel", [file.kernelRelease, file.machine].compactMap { $0 }.map(printable).joined(separator: " "))
        let form = file.origin.form == .traceDat ? "trace.dat version \(file.version)" : "\(file.origin.form.rawValue) \(printable(file.origin.detail))"
        line("format", "\(form), " + (file.isBigEndian ? "big" : "little") + "-endian, \(8 * file.longSize)-bit kernel\(compressionText)")
        line("trace-cmd", file.traceCmdVersion.map(printable))
        line("clock", clockText)
        line("CPUs", "\(file.cpuCount)")
        for buffer in file.buffers { line("buffer", bufferText(buffer)) }
        line("options", file.presentOptions.map { $0.name ?? "unknown (\($0.id), skipped)" }.uniqued().joined(separator: " "))
        line("command lines", "\(file.commands.count) saved")
        if let first = summary.firstTime, let last = summary.lastTime {
            line("time", "\(time(first)) to \(time(last)), " + (file.clock.unit == .nanoseconds ? "\(time(last - first)) s" : "\(last - first) \(file.clock.unit.rawValue)"))
        }
        line("records", "\(summary.records)")
        for event in summary.events { lines.append("  " + "\(event.records)".leftPadded(12) + "  " + printable(event.name)) }
        lines += cpuTable
        for advice in advice { lines.append("note: \(printable(advice))") }
        for problem in file.problems { lines.append("problem: \(printable(problem.description))") }
        return lines.joined(separator: "\n") + "\n"
    }

    private var clockText: String {
        let clock = file.clock
        let unit =
            switch clock.unit {
            case .nanoseconds: "ns"
            case .cycles: "cycles, not ns"
            case .jiffies: "jiffies, not ns"
            case .events: "a count of events, no time"
            case .unknown: "numbers"
            }
        let order = clock.comparableBetweenCPUs ? "" : "; CPUs may differ by some us"
        return "\(printable(clock.name)) (\(unit)\(order))"
    }

    private func bufferText(_ buffer: TraceBuffer) -> String {
        let name = buffer.name.isEmpty ? "top" : "\"\(printable(buffer.name))\""
        if buffer.isText { return "\(name), text of a latency tracer" }
        let bytes = buffer.cpus.reduce(0) { $0 + $1.size }
        let chosen = buffer.name == file.buffer.name && file.buffers.count > 1 ? ", shown here" : ""
        return "\(name), clock \(printable(buffer.clock.name)), sub-buffers of \(buffer.pageSize) bytes, "
            + "\(buffer.cpus.filter { $0.size > 0 }.count) CPUs with \(bytes) bytes\(chosen)"
    }

    private var cpuTable: [String] {
        var lines = ["  CPU".padded(8) + "records".leftPadded(10) + "lost".leftPadded(10) + "gaps".leftPadded(6) + "overrun".leftPadded(10) + "dropped".leftPadded(10)]
        for cpu in summary.cpus {
            let stats = self.stats(cpu.cpu)
            let lost = cpu.uncountedGaps > 0 ? "\(cpu.lostEvents)+?" : "\(cpu.lostEvents)"
            lines.append(
                "  \(cpu.cpu)".padded(8) + "\(cpu.records)".leftPadded(10) + lost.leftPadded(10) + "\(cpu.gaps)".leftPadded(6)
                    + (stats.map { "\($0.overrun)" } ?? "-").leftPadded(10) + (stats.map { "\($0.dropped)" } ?? "-").leftPadded(10))
        }
        return lines
    }

    /// The kernel's own count.
    func stats(_ cpu: Int) -> CPUStats? { statsByCPU[cpu] }

    private func time(_ value: UInt64) -> String {
        guard file.clock.unit == .nanoseconds else { return "\(value)" }
        return "\(value / 1_000_000_000)." + "\(value % 1_000_000_000)".leftPadded(9, with: "0")
    }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    func leftPadded(_ width: Int, with fill: Character = " ") -> String { String(repeating: fill, count: max(0, width - count)) + self }
}

extension Sequence where Element: Hashable {
    /// The elements without repetitions, in their order.
    func uniqued() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
