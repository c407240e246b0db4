import TraceData

/// What a replay needs and a trace lacks, with the remedy.
///
/// `lazytlb info` shows it as notes, `lazytlb report` as the reason why there is no report.
public struct MissingEvents {
    private let file: TraceFile
    private let withoutRecord: [String]
    private let silentChanges: Int

    /// So few switches without their CR3 load may be two threads that were not known to be of one process.
    private static let fewChanges = 8

    /// - Parameters:
    ///   - withoutRecord: of "sched:sched_switch" and "tlb:tlb_flush", those of which the buffer that was read has no record.
    ///   - silentChanges: of a buffer without any record of a CR3 load, how many switches must have made one (``EvidenceSummary/silentChanges``).
    public init(_ file: TraceFile, withoutRecord: [String], silentChanges: Int = 0) {
        self.file = file
        self.withoutRecord = withoutRecord
        self.silentChanges = silentChanges > Self.fewChanges ? silentChanges : 0
    }

    /// What a replay found of them by its end.
    ///
    /// - Parameters:
    ///   - hasLoads: there was a record of a CR3 load.
    ///   - silentChanges: ``EvidenceSummary/silentChanges``.
    public init(_ file: TraceFile, hasSwitches: Bool, hasFlushes: Bool, hasLoads: Bool, silentChanges: Int) {
        let empty = [("sched:sched_switch", hasSwitches), ("tlb:tlb_flush", hasFlushes)].filter { !$0.1 }.map(\.0)
        self.init(file, withoutRecord: empty, silentChanges: hasLoads ? 0 : silentChanges)
    }

    /// A sentence each; empty if nothing is missing.
    public var lines: [String] {
        guard !withoutRecord.isEmpty || silentChanges > 0 else { return [] }
        var lines = withoutRecord.map { event in
            "\(event) \(file.missingEvents.contains(event) ? "is not declared by the file" : "has no record")"
        }
        if silentChanges > 0 {
            lines.append(
                "tlb:tlb_flush has no record of a CR3 load (reason 0, TASK_SWITCH), though \(count(silentChanges, "switch", "switches")) went from one process to another: "
                    + "a filter left them out, and without them nobody can tell what CPUs had loaded")
        }
        let elsewhere = file.buffers.filter { $0.name != file.buffer.name && $0.cpus.contains { $0.size > 0 } }.map(\.name) + file.origin.otherBuffers
        if !elsewhere.isEmpty {
            lines.append("other buffers have data: " + elsewhere.map { "--buffer \($0.isEmpty ? "''" : printable($0))" }.joined(separator: ", ")
                + (withoutRecord.count == 1 ? " (both events must be in one: the records of two buffers are not put together)" : ""))
        }
        if !withoutRecord.isEmpty, !file.problems.isEmpty {
            lines.append("the file is damaged, and may have had them in what cannot be read")
        } else if !file.runsOnX86 {
            lines.append("the recorded machine is \(printable(file.machine ?? "")): the tlb events and the schemes are those of x86 kernels")
        } else {
            lines.append(
                "record both, without a filter: trace-cmd record -e sched:sched_switch -e tlb:tlb_flush -e task:task_newtask -e task:task_rename "
                    + "-e sched:sched_process_fork -e sched:sched_process_exec -e sched:sched_process_exit COMMAND")
        }
        return lines
    }

    /// Without records of both events there is nothing to replay: an error that says so.
    public func refuse() throws(TraceError) {
        let missing = lines
        if !missing.isEmpty { throw TraceError(path: file.path, cause: missing.joined(separator: "; ")) }
    }
}
