import TraceData

/// Finds in a sample what the replay needs, whichever of the recorded events it is of.
struct PerfSamples {
    /// What a sample turns out to be.
    enum Sample {
        case tracepoint(time: UInt64, cpu: UInt16, raw: UnsafeRawBufferPointer)
        case other
        case wrong(String)
    }

    static let advice = "record with `perf record -a -e sched:sched_switch -e tlb:tlb_flush …`"
    static let adviceOnSampling = "record with `perf record -c 1 -a -e sched:sched_switch -e tlb:tlb_flush …`"

    /// That of all samples, if it is the same for all.
    private var layout: PerfSampleLayout?
    /// Where samples tell what they are of, and which layout those of an event have; nil for what is no tracepoint.
    private var identifierOffset = 0
    private var byID: [UInt64: PerfSampleLayout?] = [:]
    private(set) var clockName = "perf"
    /// From the end of other records: their time, and their CPU.
    private var timeFromEnd: Int?
    private var cpuFromEnd: Int?
    /// Where the end of other records tells the event that they are of, how long it is, and the ids that it may tell.
    private var idFromEnd: Int?
    private var endSize = 0
    private var ids: Set<UInt64> = []

    init() {}

    init(_ attributes: [PerfAttribute], _ tracing: PerfTracingData, path: String) throws(TraceError) {
        // PERF_COUNT_SW_DUMMY: perf's own, for records of its housekeeping. It has no samples.
        let sampled = attributes.filter { !($0.type == 1 && $0.config == 9) }
        let tracepoints = sampled.filter(\.isTracepoint)
        guard let first = tracepoints.first else {
            throw TraceError(path: path, offset: attributes.first?.offset, cause: "none of the file's \(attributes.count) events is a tracepoint; \(Self.advice)")
        }
        clockName = first.clockName
        var layouts: [PerfSampleLayout] = []
        for attribute in tracepoints {
            guard let layout = PerfSampleLayout(attribute) else {
                let parts: [(PerfAttribute.SampleType, String)] = [(.time, "time"), (.cpu, "CPU"), (.raw, "raw data")]
                let missing = parts.filter { !attribute.sampleType.contains($0.0) }.map(\.1)
                throw TraceError(path: path, offset: attribute.offset, cause: "the samples of tracepoint \(attribute.config) have no \(missing.joined(separator: ", no ")); \(Self.advice)")
            }
            layouts.append(layout)
        }
        let types = Set(tracepoints.map { [$0.sampleType.rawValue, $0.readFormat] })
        if sampled.count == tracepoints.count, types.count == 1 {
            layout = layouts[0]
        } else {
            let odd = sampled.first { $0.identifierOffset != sampled[0].identifierOffset }
            guard let offset = sampled[0].identifierOffset, odd == nil else {
                let cause = "the file has several kinds of samples, and those of this event do not tell where the others do which they are; \(Self.advice)"
                throw TraceError(path: path, offset: (odd ?? sampled[0]).offset, cause: cause)
            }
            identifierOffset = offset
            for attribute in sampled { for id in attribute.ids { byID[id] = .some(nil) } }
            for (attribute, layout) in zip(tracepoints, layouts) { for id in attribute.ids { byID[id] = layout } }
        }
        setEnds(attributes)
    }

    /// Other records than samples may be of any event, the dummy mostly. So their ends are known only if all have the same.
    private mutating func setEnds(_ attributes: [PerfAttribute]) {
        let tails: PerfAttribute.SampleType = [.tid, .time, .id, .streamID, .cpu, .identifier]
        let type = attributes[0].sampleType.intersection(tails)
        guard attributes.allSatisfy({ $0.sampleIDAll && $0.sampleType.intersection(tails) == type }) else { return }
        ids = Set(attributes.flatMap(\.ids))
        // An event without ids cannot be told from others.
        if attributes.allSatisfy({ !$0.ids.isEmpty }) { idFromEnd = attributes[0].identifierFromEnd }
        endSize = 8 * type.rawValue.nonzeroBitCount
        guard type.isSuperset(of: [.time, .cpu]) else { return }
        let identifier = type.contains(.identifier) ? 8 : 0
        cpuFromEnd = identifier + 8
        timeFromEnd = identifier + 16 + 8 * [PerfAttribute.SampleType.id, .streamID].count { type.contains($0) }
    }

    @inline(__always) func read(_ body: UnsafeRawBufferPointer, bigEndian: Bool) -> Sample {
        let layout: PerfSampleLayout
        if let common = self.layout {
            layout = common
        } else {
            guard body.count >= identifierOffset + 8 else { return .wrong("a sample of \(body.count) bytes does not tell what it is of") }
            let id = body.perfU64(identifierOffset, bigEndian)
            guard let known = byID[id] else { return .wrong("a sample is of an event with the id \(id), which the file does not have") }
            guard let found = known else { return .other }
            layout = found
        }
        guard body.count >= layout.fixed, let raw = layout.raw(body, bigEndian: bigEndian) else { return .wrong("a sample of \(body.count) bytes is shorter than its parts") }
        // Type, flags, preempt_count and pid: struct trace_entry.
        guard raw.size >= 8 else { return .wrong("a tracepoint's data has \(raw.size) bytes, expected at least 8") }
        let cpu = body.perfU32(layout.cpu, bigEndian)
        guard cpu < UInt32(TraceFile.cpuLimit) else { return .wrong("CPU \(cpu), expected a number below \(TraceFile.cpuLimit)") }
        return .tracepoint(
            time: body.perfU64(layout.time, bigEndian), cpu: UInt16(cpu), raw: UnsafeRawBufferPointer(rebasing: body[raw.start..<raw.start + raw.size]))
    }

    /// When and where a record came about that is no sample; nil if it does not tell.
    func origin(_ body: UnsafeRawBufferPointer, bigEndian: Bool) -> (time: UInt64, cpu: UInt32)? {
        guard let timeFromEnd, let cpuFromEnd, body.count >= timeFromEnd else { return nil }
        return (body.perfU64(body.count - timeFromEnd, bigEndian), body.perfU32(body.count - cpuFromEnd, bigEndian))
    }

    /// Whether a record of the kernel's types can be what its type says: one that is no sample ends with the id of one of the file's events
    /// (perf_event__output_id_sample(), kernel/events/core.c), and those that perf makes up with zeros or an id (tools/perf/util/synthetic-events.c).
    /// True as well where the file does not tell.
    func hasEnd(_ body: UnsafeRawBufferPointer, bigEndian: Bool) -> Bool {
        guard let idFromEnd else { return true }
        guard body.count >= endSize else { return false }
        return ids.contains(body.perfU64(body.count - idFromEnd, bigEndian)) || body[(body.count - endSize)...].allSatisfy { $0 == 0 }
    }
}
