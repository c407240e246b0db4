import TraceWriting

/// Writes a synthetic recording. Returns what a report of it must give.
public func synthesize(_ options: SynthOptions, to path: String) throws(WritingError) -> SynthAnswers {
    guard (2...CPUSet.capacity).contains(options.cpus) else { throw WritingError("\(options.cpus) CPUs: 2 to \(CPUSet.capacity) are possible") }
    guard (1...2_000_000).contains(options.tasks) else { throw WritingError("\(options.tasks) tasks: 1 to 2,000,000 are possible") }
    let trace = try SynthTrace(path: path, version: options.version, cpus: options.cpus)
    let machine = SynthMachine(options, trace)
    try machine.run()
    return SynthAnswers(machine)
}

/// The true answers: what a recording holds, and what each scheme has counted on its history. The keys of the JSON form are those of a
/// report (docs/report.schema.json).
public struct SynthAnswers: Sendable {
    public var options: SynthOptions
    /// By event.
    public var records: [String: Int] = [:]
    /// By id of the scheme.
    public var schemes: [String: NaiveCounts] = [:]
    /// ns, from the first record to the last
    public var duration: UInt64
    /// WARN and BUG conditions of all schemes: there are none.
    public var bugs: Int

    init(_ machine: SynthMachine) {
        options = machine.options
        for event in SynthEvent.allCases { records[event.name] = machine.trace.counts[event.rawValue] }
        for kernel in [machine.v412, machine.parent, machine.v413] { schemes[kernel.generation.rawValue] = kernel.counts }
        duration = machine.trace.lastTime - (machine.trace.firstTime ?? 0)
        bugs = machine.v412.bugs + machine.parent.bugs + machine.v413.bugs
    }

    public var events: Int { records.values.reduce(0, +) }

    public var json: String {
        var lines = ["{"]
        lines.append("  \"duration_ns\" : \(duration),")
        lines.append("  \"events\" : \(events),")
        lines.append("  \"options\" : {\"cpus\" : \(options.cpus), \"mix\" : \"\(options.mix.rawValue)\", \"seed\" : \(options.seed), \"tasks\" : \(options.tasks)},")
        lines.append("  \"records\" : {")
        lines.append(records.sorted { $0.key < $1.key }.map { "    \"\($0.key)\" : \($0.value)" }.joined(separator: ",\n"))
        lines.append("  },")
        lines.append("  \"schemes\" : {")
        lines.append(schemes.sorted { $0.key < $1.key }.map { "    \"\($0.key)\" : {\n\($0.value.json(indent: "      "))\n    }" }.joined(separator: ",\n"))
        lines.append("  }")
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }
}

extension NaiveCounts {
    /// By the keys that a report has.
    public var byKey: [(key: String, count: Int)] {
        [
            ("context_switches", contextSwitches), ("cr3_loads", cr3Loads), ("ipi_flushed", ipiFlushed), ("ipi_idle", ipiIdle), ("ipi_ignored", ipiIgnored),
            ("ipi_kernel", ipiKernel), ("ipi_left", ipiLeft), ("ipi_sends", ipiSends), ("ipi_targets", ipiTargets), ("leave_mm", leaveMM), ("local_flushes", localFlushes),
        ]
    }

    public var vmstatByKey: [(key: String, count: Int)] {
        [
            ("nr_tlb_local_flush_all", vmstat.localFlushAll), ("nr_tlb_local_flush_one", vmstat.localFlushOne),
            ("nr_tlb_remote_flush", vmstat.remoteFlush), ("nr_tlb_remote_flush_received", vmstat.remoteFlushReceived),
        ]
    }

    fileprivate func json(indent: String) -> String {
        let own = byKey.map { "\(indent)\"\($0.key)\" : \($0.count),\n" }.joined()
        let nested = vmstatByKey.map { "\"\($0.key)\" : \($0.count)" }.joined(separator: ", ")
        return "\(own)\(indent)\"vmstat\" : {\(nested)}"
    }
}
