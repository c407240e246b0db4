import Tables
import TraceData
import TraceWriting

/// Turns perf.data into a trace.dat file: the data of a tracepoint's sample is what ftrace's record of it would be (include/trace/perf.h), so that it
/// only has to be put into sub-buffers.
///
/// Memory: the samples of two of perf's rounds in short (``SampleQueue``), and a sub-buffer for each CPU.
struct PerfConversion {
    private let file: PerfFile
    private let tracing: TracingData
    private let options: TraceFile.Options
    private let kernel: String?
    private let layouts: [SampleLayout]
    /// All samples lie as those of the first attribute.
    private let isUniform: Bool
    /// Which attribute an id is of, for the ids that were looked up last.
    private var recent = [(id: UInt64, attribute: Int)](repeating: (0, -1), count: 256)
    private let unpacking: PerfUnpacking?
    /// What ``bytes`` are of.
    private let mapped: MappedFile
    private let bytes: PerfBytes
    private let problems: PerfProblems
    private let writer: SampleWriter
    private var queue = SampleQueue()
    private var tasks = TaskNames()
    /// Samples of events that are no tracepoints.
    private var others = 0
    /// Lost samples by the records among the samples, and by the events' own counts at the end (PERF_FORMAT_LOST), which tell not where.
    private var lost: UInt64 = 0
    private var lostSamples: UInt64 = 0
    /// CPUs that have samples: the highest number, and one more.
    private var cpuCount = 0

    static let advice =
        "record with: perf record -a -e sched:sched_switch -e tlb:tlb_flush -e sched:sched_process_fork -e sched:sched_process_exec -e sched:sched_process_exit "
        + "-e task:task_newtask -e task:task_rename"

    init(_ mapped: MappedFile, _ options: TraceFile.Options, kernel: String?) throws(TraceError) {
        self.options = options
        self.kernel = kernel
        let file = try PerfFile(mapped)
        self.file = file
        guard file.attributes.contains(where: \.isTracepoint) else { throw TraceError(path: file.path, cause: "none of its events is a tracepoint: \(Self.advice)") }
        guard let tracing = file.tracingData else {
            throw TraceError(path: file.path, cause: "it has no tracing data, which has the formats of tracepoints: \(Self.advice)")
        }
        self.tracing = tracing
        guard tracing.bigEndian == file.bytes.bigEndian else {
            throw TraceError(path: file.path, cause: "the tracing data is \(tracing.bigEndian ? "big" : "little")-endian, the file is not")
        }
        layouts = file.attributes.map { SampleLayout($0) }
        for (attribute, layout) in zip(file.attributes, layouts) where attribute.isTracepoint && !layout.isComplete {
            let lacking = [(layout.cpu < 0, "no CPU (PERF_SAMPLE_CPU)"), (layout.time < 0, "no time (PERF_SAMPLE_TIME)")].filter(\.0).map(\.1)
            let missing = lacking.isEmpty ? ["no data (PERF_SAMPLE_RAW)"] : lacking
            throw TraceError(path: file.path, cause: "the samples of tracepoint \(attribute.config) have \(missing.joined(separator: " and ")): \(Self.advice)")
        }
        let first = layouts[0]
        isUniform = file.attributes.allSatisfy(\.isTracepoint) && layouts.allSatisfy { $0 == first }
        if !isUniform, layouts.contains(where: { $0.id < 0 || $0.id != first.id }) {
            throw TraceError(path: file.path, cause: "its events have samples of different kinds, and no id at the same place that would tell them apart: \(Self.advice)")
        }
        if file.isCompressed {
            let unpacking = try PerfUnpacking(PerfRecords(file.bytes, file.data), path: file.path, size: file.data.count)
            self.unpacking = unpacking
            self.mapped = unpacking.file
            bytes = PerfBytes(unpacking.file.bytes, bigEndian: file.bytes.bigEndian)
        } else {
            unpacking = nil
            self.mapped = mapped
            bytes = file.bytes
        }
        problems = PerfProblems(path: file.path, keepGoing: options.keepGoing, unpacking: unpacking)
        let formats = EventFormats(texts: tracing.formats, path: file.path, bigEndian: tracing.bigEndian, longSize: tracing.longSize)
        writer = try SampleWriter(bytes, path: file.path, formats, longSize: tracing.longSize, problems)
    }

    /// The trace.dat file, and what is to be told of the perf.data.
    mutating func run() throws(TraceError) -> (descriptor: Int32, origin: TraceOrigin) {
        var records = PerfRecords(bytes, unpacking == nil ? file.data : 0..<bytes.count)
        var told = records.offset
        var (released, lastRound) = (0, 0)
        while true {
            do throws(PerfRecords.Damage) { if try !records.advance() { break } } catch {
                // Where the next record begins is not known.
                try problems.note(error.cause, error.offset)
                loseEverywhere()
                break
            }
            switch records.kind {
            case PerfRecords.Kind.sample: try takeSample(records.record, at: records.offset)
            case PerfRecords.Kind.finishedRound:
                if let time = queue.finishRound() { try flush(upTo: time) }
                // Almost all from before the last round has gone on. What has not is mapped again when it is wanted.
                if lastRound > released { mapped.release(bytes.part(released, lastRound - released)) }
                (released, lastRound) = (max(released, lastRound), records.offset)
            case PerfRecords.Kind.lost: try takeLoss(records.record, at: records.offset)
            case PerfRecords.Kind.lostSamples: if records.size >= 16 { lostSamples.addClamped(records.record.u64(8)) }
            case PerfRecords.Kind.comm: takeName(records.record)
            default: break
            }
            if records.offset - told > 4 << 20 {
                options.progress?.read(bytes: records.offset - told)
                told = records.offset
            }
            if let time = queue.overflow { try flush(upTo: time) }
        }
        try flush(upTo: .max)
        let container = self.container
        let count = max(file.cpus ?? 0, writer.cpuCount)
        let trace = writer.trace
        let descriptor = try converting(file.path) { () throws(WritingError) in try trace.finish(container, cpus: count) }
        var origin = TraceOrigin(.perfData)
        origin.detail = unpacking == nil ? "of perf record" : "of perf record, zstd"
        origin.leftOut = leftOut
        origin.problems = problems.all
        return (descriptor, origin)
    }

    private mutating func flush(upTo time: UInt64) throws(TraceError) {
        let writer = writer
        try queue.flush(upTo: time) { (cpu, entries) throws(TraceError) in try writer.write(cpu, entries) }
    }

    // MARK: records

    @inline(__always)
    private mutating func takeSample(_ record: PerfBytes, at offset: Int) throws(TraceError) {
        var layout = 0
        if _slowPath(!isUniform) {
            guard let found = try attribute(record, at: offset) else { return }
            layout = found
            guard file.attributes[found].isTracepoint else {
                others += 1
                return
            }
        }
        guard let sample = layouts[layout].sample(record) else {
            try problems.note("a sample of \(record.count) bytes is too short for what its event has", offset)
            return loseEverywhere()
        }
        guard sample.cpu < UInt32(TraceFile.cpuLimit) else {
            try problems.note("CPU \(sample.cpu), the limit is \(TraceFile.cpuLimit - 1)", offset)
            return loseEverywhere()
        }
        // struct trace_entry.
        guard sample.rawSize >= 8 else {
            try problems.note("a sample of a tracepoint has \(sample.rawSize) bytes of data, expected 8 or more", offset, cpu: Int(sample.cpu))
            return queue.add(Int(sample.cpu), SampleQueue.Entry(time: sample.time, lost: 0))
        }
        cpuCount = max(cpuCount, Int(sample.cpu) + 1)
        queue.add(Int(sample.cpu), SampleQueue.Entry(time: sample.time, offset: offset + sample.rawOffset, size: sample.rawSize))
    }

    /// The attribute of a sample, by its id.
    private mutating func attribute(_ record: PerfBytes, at offset: Int) throws(TraceError) -> Int? {
        lost.addClamped(record.u64(16))
        let place = layouts[0].id
        guard record.count >= place + 8 else {
            try problems.note("a sample of \(record.count) bytes is too short for its id", offset)
            loseEverywhere()
            return nil
        }
        let id = record.u64(place)
        let slot = Int(id & 255)
        if recent[slot].attribute >= 0, recent[slot].id == id { return recent[slot].attribute }
        guard let found = file.attributeByID[id] else {
            try problems.note("a sample of the id \(id), which no event has", offset)
            loseEverywhere()
            return nil
        }
        recent[slot] = (id, found)
        return found
    }

    /// PERF_RECORD_LOST: u64 id, u64 lost, and what tells where and when.
    private mutating func takeLoss(_ record: PerfBytes, at offset: Int) throws(TraceError) {
        guard record.count >= 24 else { return try problems.note("a record of lost events has \(record.count) bytes, expected 24 or more", offset) }
        lost.addClamped(record.u64(16))
        let place = layouts[file.attributeByID[record.u64(8)] ?? 0].identity(record, behind: 24)
        guard let cpu = place.cpu, cpu < UInt32(TraceFile.cpuLimit) else { return loseEverywhere() }
        queue.add(Int(cpu), SampleQueue.Entry(time: place.time ?? queue.newest, lost: record.u64(16)))
    }

    /// Something was lost, and nobody knows on which CPU.
    private mutating func loseEverywhere() {
        for cpu in 0..<cpuCount { queue.add(cpu, SampleQueue.Entry(time: queue.newest, lost: 0)) }
    }

    /// PERF_RECORD_COMM: u32 pid, u32 tid, name.
    private mutating func takeName(_ record: PerfBytes) {
        guard record.count > 16 else { return }
        let name = record.part(16, min(16, record.count - 16))
        tasks.see(Int32(bitPattern: record.u32(12)), UnsafeRawBufferPointer(rebasing: name.prefix { $0 != 0 }))
    }

    // MARK: what is told

    private var container: TraceContainer {
        let pageSize = SampleWriter.pageSize
        // perf's header_page is that of sub-buffers of a page.
        var container = TraceContainer(
            uname: file.uname, clock: "[\(file.clock)]", headerPage: TextFormat.headerPage(longSize: tracing.longSize, size: pageSize),
            headerEvent: tracing.headerEvent, formats: tracing.formats, pageSize: UInt32(pageSize))
        container.bigEndian = tracing.bigEndian
        container.longSize = UInt8(tracing.longSize)
        container.commandLines = tasks.lines
        return container
    }

    /// What a trace.dat file of the same recording would have told.
    private var leftOut: [String] {
        var list: [String] = []
        if file.uname == nil, kernel == nil { list.append("The file does not name the recorded kernel (OSRELEASE): --kernel names it.") }
        if file.cpus == nil { list.append("The file does not tell how many CPUs the machine has: those up to the highest number are taken.") }
        if file.clock == "perf" { list.append("Times are of perf's own clock, which CPUs need not have in common. (perf record -k mono takes one that they have.)") }
        if lostSamples > lost { list.append("perf tells of \(lostSamples - lost) more samples that were lost, and not where.") }
        if others > 0 { list.append("\(others) samples are of events that are no tracepoints.") }
        if writer.tooLarge > 0 { list.append("\(writer.tooLarge) records of events that the replay does not use are longer than a sub-buffer.") }
        return list
    }
}
