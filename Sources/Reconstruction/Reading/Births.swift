import Dispatch
import TraceData

extension TraceFile {
    /// What is among the first records of some CPUs, and so what to begin with. Most traces that tell births begin with them: of the command that is recorded, or with a snapshot.
    func birthRecordsEarly() -> BirthRecords {
        guard ["task_newtask", "sched_process_fork", "print"].contains(where: { formats.event(named: $0) != nil }) else { return .none }
        var found = BirthRecords.none
        for cpu in cpusWithData.prefix(Self.early.cpus) {
            let stream = stream(cpu: cpu)
            var record = Record.none
            // What cannot be read is told by whoever comes to it on his way.
            for _ in 0..<Self.early.records {
                guard (try? stream.next(&record)) == true else { break }
                if record.kind == .newTask { return .newTasks }
                if record.kind == .fork { return .forks }
                if record.kind == .marker, SnapshotLine.begins(formats.marker(record)) { found = .snapshot }
            }
        }
        return found
    }

    private static var early: (cpus: Int, records: Int) { (16, 4096) }
}

extension FirstPass {
    /// Makes it with what the trace tells of births, as far as that may be used. What that is may show late, and then it begins anew.
    ///
    /// - Parameter early: what is known to be there, if that was looked at.
    static func make(
        _ file: TraceFile, cpus: Int, rules: KernelRules, by level: EvidenceLevel, births early: BirthRecords? = nil, on queues: [DispatchQueue]
    ) throws(TraceError) -> FirstPass {
        var known = level == .switchesOnly ? .none : early ?? file.birthRecordsEarly()
        while true {
            let births = known.births(by: level)
            let before = known
            let first = try FirstPass(file, cpus: cpus, rules: rules, births: births, on: queues) { walk in
                known = max(before, walk.birthRecords)
                return known.births(by: level) == births
            }
            if let first { return first }
            file.willBeRead(times: 1)
        }
    }
}
