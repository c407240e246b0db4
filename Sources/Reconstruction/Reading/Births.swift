import Dispatch
import TraceData

/// Whether a trace tells births: it has task_newtask records, or a snapshot of the tasks (``TaskSnapshots``). An event may be declared, as all of the kernel's often are, and not recorded.
///
/// It decides what the other records of the life cycle are worth. Where births are told, a task of unknown birth was there before the trace; where they are not, any may be a child, a
/// thread, or the next bearer of a pid, whatever exec and exit say. So a first pass takes them into account or does without them, from its first record on.
extension TraceFile {
    /// What ``EvidenceLevel/all`` and ``EvidenceLevel/noProbes`` begin with: births are among the first records of some CPUs. Most traces that tell them begin with them: of the command
    /// that is recorded, or with a snapshot.
    func tellsBirthsEarly() -> Bool {
        guard formats.event(named: "task_newtask") != nil || formats.event(named: "print") != nil else { return false }
        for cpu in cpusWithData.prefix(Self.early.cpus) {
            let stream = stream(cpu: cpu)
            var record = Record.none
            // What cannot be read is told by whoever comes to it on his way.
            for _ in 0..<Self.early.records {
                guard (try? stream.next(&record)) == true else { break }
                if record.kind == .newTask || record.kind == .marker && SnapshotLine.begins(formats.marker(record)) { return true }
            }
        }
        return false
    }

    private static var early: (cpus: Int, records: Int) { (16, 4096) }
}

extension FirstPass {
    /// Makes it with the life cycle's records if the trace tells births, and they may be used; else without. Which it is may show late, and then it begins anew.
    ///
    /// - Parameter early: ``TraceData/TraceFile/tellsBirthsEarly()``, if that was asked.
    static func make(
        _ file: TraceFile, cpus: Int, rules: KernelRules, by level: EvidenceLevel, births early: Bool? = nil, on queues: [DispatchQueue]
    ) throws(TraceError) -> FirstPass {
        if level != .switchesOnly, !(early ?? file.tellsBirthsEarly()) {
            if let first = try FirstPass(file, cpus: cpus, rules: rules, lifeCycle: false, on: queues, asLongAs: { !$0.tellsBirths }) { return first }
            file.willBeRead(times: 1)
        }
        return try FirstPass(file, cpus: cpus, rules: rules, lifeCycle: level != .switchesOnly, on: queues, asLongAs: { _ in true })!
    }
}
