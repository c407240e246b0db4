/// What a pass over all records of a file's buffer counts.
public struct TraceSummary: Sendable {
    public struct CPU: Sendable {
        public var cpu: Int
        public var records = 0
        public var firstTime: UInt64?
        public var lastTime: UInt64?
        /// Gaps of lost events.
        public var gaps = 0
        /// Gaps whose number of events is unknown.
        public var uncountedGaps = 0
        /// Events lost in the gaps that were counted.
        public var lostEvents: UInt64 = 0
    }

    public var cpus: [CPU] = []
    /// Records by event, the most frequent first.
    public var events: [(system: String, name: String, records: Int)] = []
    /// Of sched_switch and tlb_flush, those without a single record.
    public var eventsWithoutRecord: [String] = []

    public var records: Int { cpus.reduce(0) { $0 + $1.records } }
    public var firstTime: UInt64? { cpus.compactMap(\.firstTime).min() }
    public var lastTime: UInt64? { cpus.compactMap(\.lastTime).max() }
    public var gaps: Int { cpus.reduce(0) { $0 + $1.gaps } }
    public var uncountedGaps: Int { cpus.reduce(0) { $0 + $1.uncountedGaps } }
    public var lostEvents: UInt64 { cpus.reduce(into: 0) { $0.addClamped($1.lostEvents) } }

    /// Reads all records of the chosen buffer, CPU by CPU.
    ///
    /// - Complexity: O(*n*) in the number of records.
    public init(_ file: TraceFile) throws(TraceError) {
        var counts = [Int](repeating: 0, count: EventFormats.eventLimit)
        for extent in file.buffer.cpus {
            var one = CPU(cpu: extent.cpu)
            let stream = file.stream(cpu: extent.cpu)
            var record = Record.none
            while try stream.next(&record) {
                if record.kind == .lost {
                    one.gaps += 1
                    one.lostEvents.addClamped(record.word0)
                    if record.word0 == 0 { one.uncountedGaps += 1 }
                    continue
                }
                one.records += 1
                // Times of one CPU need not ascend: an interrupt's record may come before the one that it interrupted.
                one.firstTime = min(one.firstTime ?? .max, record.time)
                one.lastTime = max(one.lastTime ?? 0, record.time)
                counts[Int(record.eventID)] += 1
            }
            cpus.append(one)
        }
        for (id, records) in counts.enumerated() where records > 0 {
            let event = file.formats.event(UInt16(id))
            events.append((event?.system ?? "", event?.name ?? "event \(id)", records))
        }
        events.sort { $0.records != $1.records ? $0.records > $1.records : $0.name < $1.name }
        for (system, name) in [("sched", "sched_switch"), ("tlb", "tlb_flush")] {
            if !events.contains(where: { $0.system == system && $0.name == name }) { eventsWithoutRecord.append("\(system):\(name)") }
        }
    }
}
