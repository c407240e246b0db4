import Glibc
import Tables
import TraceData
import TraceWriting

/// Turns the tracepoints of a perf.data file into a trace.dat file.
///
/// The raw data of a sample is what ftrace would have recorded: the same fields behind the same common ones (perf_trace_buf_alloc(), kernel/trace/trace_event_perf.c).
/// Where perf lost records it says so with one that has their number.
final class PerfConversion {
    let file: MappedFile
    let options: TraceFile.Options
    private let kernel: String?
    private var header: PerfHeader
    private var rounds: PerfRounds?
    private var formats: EventFormats?
    private var samples = PerfSamples()
    private var names: [Int32: [UInt8]] = [:]
    private var problems: [TraceProblem] = []
    private var moreProblems = 0
    /// Samples of what is no tracepoint.
    private var others = 0
    /// Records of types that neither the kernel nor perf has had.
    private var unknown = 0
    /// Records that cannot be what their types say: a sample whose type is damaged would be one.
    private var implausible = 0
    /// Lost events by the records of their places, and by what the kernel counted of each event, which perf adds at the end (PERF_RECORD_LOST_SAMPLES).
    private var lost: UInt64 = 0
    private var countedLost: UInt64 = 0
    private var unpacker: PerfUnpacker?
    /// The events' attributes, the formats and so on are all there: from the first sample on.
    private var isReady = false
    private var released = 0

    private static let problemLimit = 100
    /// Sub-buffers that have room for the longest path of an exec.
    private static let pageSize = 8192
    private static let nameLimit = 1 << 20
    /// So much is read before the memory of what came before is given back.
    private static let window = 16 << 20

    /// - Parameter kernel: the recorded kernel's release or scheme, where the user tells it.
    init(_ file: MappedFile, _ options: TraceFile.Options, kernel: String? = nil) throws(TraceError) {
        self.file = file
        self.kernel = kernel
        self.options = options
        header = try PerfHeader(file, keepGoing: options.keepGoing)
        problems = header.problems
        guard header.isPipe || !header.data.isEmpty else {
            throw TraceError(path: file.path, offset: 48, cause: "the file has no records by its head: perf record was ended before it could write the head, or recorded nothing")
        }
    }

    /// The trace.dat file, and what is to be told of where it comes from.
    func run() throws(TraceError) -> (descriptor: Int32, origin: TraceOrigin) {
        do throws(TraceError) { try walk() } catch {
            guard options.keepGoing, isReady else { throw error }
            problems.append(TraceProblem(error))
        }
        try begin()
        try rounds!.finish()
        if moreProblems > 0 { problems.append(TraceProblem(TraceError(path: file.path, cause: "\(moreProblems) more records cannot be read"))) }
        var container = TraceContainer(
            uname: uname, clock: "[\(samples.clockName)]", headerPage: TextFormat.headerPage(longSize: rounds!.geometry.longSize, size: rounds!.geometry.size),
            headerEvent: TextFormat.headerEvent, formats: header.tracing!.formats, pageSize: UInt32(rounds!.geometry.size))
        container.bigEndian = rounds!.geometry.bigEndian
        container.longSize = UInt8(rounds!.geometry.longSize)
        container.commandLines = commandLines
        let cpus = min(header.cpus, TraceFile.cpuLimit)
        let trace = rounds!.trace
        let descriptor = try converting(file.path) { () throws(WritingError) in try trace.finish(container, cpus: cpus) }
        var origin = TraceOrigin(.perfData)
        origin.detail = (header.isPipe ? "of a pipe" : "") + (header.version.map { (header.isPipe ? ", " : "") + "written by perf \($0)" } ?? "")
        origin.leftOut = leftOut
        origin.problems = problems + rounds!.problems
        return (descriptor, origin)
    }

    // MARK: records

    private func walk() throws(TraceError) {
        if !header.isPipe { try begin() }
        var position = header.data.lowerBound
        let end = header.data.upperBound
        while position < end {
            // The end of a file that was cut lies behind it.
            guard position + 8 <= min(end, file.bytes.count) else {
                throw TraceError(path: file.path, offset: UInt64(position), cause: "truncated: a record's head needs 8 bytes, \(max(0, min(end, file.bytes.count) - position)) are left")
            }
            let size = try take(UnsafeRawBufferPointer(rebasing: file.bytes[position..<min(end, file.bytes.count)]), at: UInt64(position))
            position += size
            options.progress?.read(bytes: size)
            if position - released > Self.window { release(upTo: position) }
        }
    }

    private func release(upTo end: Int) {
        file.release(UnsafeRawBufferPointer(rebasing: file.bytes[released..<end]))
        released = end
    }

    /// Takes the record at the start of some bytes, of which there are at least 8. Returns its size, with what belongs to it behind it.
    ///
    /// - Parameter offset: where it stands in the file, or the compressed record that it was in.
    private func take(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, unpacked: Bool = false) throws(TraceError) -> Int {
        let bigEndian = header.bigEndian
        let size = Int(bytes.perfU16(6, bigEndian))
        guard size >= 8, size <= bytes.count else {
            let what = size < 8 ? "a record has \(size) bytes by its size field, expected at least 8" : "truncated: a record has \(size) bytes, \(bytes.count) are left"
            throw TraceError(path: file.path, offset: offset, cause: what)
        }
        let body = UnsafeRawBufferPointer(rebasing: bytes[8..<size])
        let type = bytes.perfU32(0, bigEndian)
        if type != Record.sample, isReady, !isPlausible(type, body) { implausible += 1 }
        switch type {
        case Record.sample:
            if _slowPath(!isReady) { try begin() }
            try sample(body, offset)
        case Record.lost: try lost(body, offset)
        case Record.lostSamples: if body.count >= 8 { countedLost.addClamped(body.perfU64(0, bigEndian)) }
        case Record.comm: comm(body)
        case Record.finishedRound:
            try rounds?.endRound()
            // The records behind it lie in the same memory. (perf itself does not compress it.)
            if unpacked, let unpacker { rounds?.keep(unpacker.block) }
        case Record.auxtrace where !unpacked: return try size + behind(bytes, size, body.count >= 8 ? body.perfU64(0, bigEndian) : .max, offset, "AUX data")
        case Record.compressed: try unpack(body, offset, unpacked)
        case Record.compressed2:
            guard body.count >= 8, body.perfU64(0, bigEndian) <= UInt64(body.count - 8) else {
                throw TraceError(path: file.path, offset: offset, cause: "a compressed record does not have the bytes that it states")
            }
            try unpack(UnsafeRawBufferPointer(rebasing: body[8..<8 + Int(body.perfU64(0, bigEndian))]), offset, unpacked)
        case PerfHeader.PipeRecord.attribute where header.isPipe: try attribute(body, offset)
        case PerfHeader.PipeRecord.tracingData where header.isPipe && !unpacked:
            let count = try behind(bytes, size, body.count >= 4 ? UInt64(body.perfU32(0, bigEndian)) : .max, offset, "event formats")
            let content = UnsafeRawBufferPointer(rebasing: bytes[size..<size + count])
            try header.take(PerfHeader.Feature.tracingData.rawValue, content, offset + UInt64(size), file.path)
            return size + count
        case PerfHeader.PipeRecord.feature where header.isPipe:
            guard body.count >= 8 else { throw TraceError(path: file.path, offset: offset, cause: "a feature has no number") }
            try header.take(Int(clamping: body.perfU64(0, bigEndian)), UnsafeRawBufferPointer(rebasing: body[8...]), offset + 16, file.path)
        case _ where !Record.known.contains(where: { $0.contains(type) }): unknown += 1
        default: break
        }
        return size
    }

    /// Types of records: include/uapi/linux/perf_event.h, and from 64 on tools/lib/perf/include/perf/event.h.
    private enum Record {
        static let lost: UInt32 = 2
        static let comm: UInt32 = 3
        static let sample: UInt32 = 9
        static let lostSamples: UInt32 = 13
        static let finishedRound: UInt32 = 68
        static let auxtrace: UInt32 = 71
        static let compressed: UInt32 = 81
        static let compressed2: UInt32 = 83
        /// All that the kernel and perf have had, up to PERF_RECORD_CALLCHAIN_DEFERRED and PERF_RECORD_BPF_METADATA.
        static let kernels: ClosedRange<UInt32> = 1...22
        static let known = [kernels, 64...84]
        static let finishedInit: UInt32 = 82
        /// Those of `perf stat`, which has no samples.
        static let counts: ClosedRange<UInt32> = 75...77
    }

    /// Whether a record that is no sample may be of the type that it states, as far as its size and its end tell.
    private func isPlausible(_ type: UInt32, _ body: UnsafeRawBufferPointer) -> Bool {
        switch type {
        case Record.kernels: samples.hasEnd(body, bigEndian: header.bigEndian)
        case Record.finishedRound, Record.finishedInit: body.isEmpty
        case Record.counts: false
        case PerfHeader.PipeRecord.attribute, PerfHeader.PipeRecord.tracingData, PerfHeader.PipeRecord.feature: header.isPipe
        default: true
        }
    }

    /// Bytes that belong to a record and stand behind it.
    private func behind(_ bytes: UnsafeRawBufferPointer, _ size: Int, _ count: UInt64, _ offset: UInt64, _ what: String) throws(TraceError) -> Int {
        guard count <= UInt64(bytes.count - size) else {
            throw TraceError(path: file.path, offset: offset, cause: "truncated: a record has more \(what) than there are bytes left, \(bytes.count - size)")
        }
        return Int(count)
    }

    private func attribute(_ body: UnsafeRawBufferPointer, _ offset: UInt64) throws(TraceError) {
        guard !isReady else { throw TraceError(path: file.path, offset: offset, cause: "the attributes of an event stand behind samples") }
        let size = body.count >= 8 ? Int(body.perfU32(4, header.bigEndian)) : 0
        guard size >= PerfAttribute.smallestSize, size <= body.count else {
            throw TraceError(path: file.path, offset: offset, cause: "the attributes of an event have \(size) bytes by their size field, expected \(PerfAttribute.smallestSize) to \(body.count)")
        }
        let part = UnsafeRawBufferPointer(rebasing: body[..<size])
        var cursor = ByteCursor(part, bigEndian: header.bigEndian, place: ByteCursor.Place(path: file.path, base: offset + 8))
        var attribute = try PerfAttribute(&cursor)
        attribute.ids = stride(from: size, through: body.count - 8, by: 8).map { body.perfU64($0, header.bigEndian) }
        header.attributes.append(attribute)
    }

    /// What comes before the samples is complete.
    private func begin() throws(TraceError) {
        guard !isReady else { return }
        guard let tracing = header.tracing else {
            if !header.isPipe, header.data.upperBound > file.bytes.count {
                throw TraceError(
                    path: file.path, offset: UInt64(file.bytes.count), cause: "truncated: the file ends in its records, and the event formats, without which they cannot be read, stand behind them")
            }
            if let problem = header.problems.first { throw problem.error }
            throw TraceError(path: file.path, cause: "the file has no event formats, so that no tracepoint can be read; \(PerfSamples.advice)")
        }
        samples = try PerfSamples(header.attributes, tracing, path: file.path)
        let geometry = SubbufferGeometry(bigEndian: header.bigEndian, longSize: tracing.longSize ?? 8, size: Self.pageSize)
        let trace = try converting(file.path) { () throws(WritingError) in try ConvertedTrace(geometry) }
        rounds = PerfRounds(trace, path: file.path, keepGoing: options.keepGoing)
        let formats = EventFormats(texts: tracing.formats, path: file.path, bigEndian: header.bigEndian, longSize: tracing.longSize ?? 8)
        self.formats = formats
        try demandAllRecords(formats)
        isReady = true
    }

    /// Refuses an event of which perf was to write a part only: a replay would take what is between two samples for not having been.
    private func demandAllRecords(_ formats: EventFormats) throws(TraceError) {
        for attribute in header.attributes where attribute.isTracepoint {
            guard let event = UInt16(exactly: attribute.config).flatMap({ formats.event($0) }), event.kind != .other else { continue }
            let name = "\(event.system):\(event.name)"
            let cause: String
            switch attribute.sampling {
            case .all:
                if attribute.isOverwritten { rounds!.beginsWithGaps = true }
                continue
            case .ofProgramsOnly: cause = "perf left out what the kernel does (\(name):u), and the file lacks nearly all records of it"
            case .none: cause = "perf only counted \(name), as one of a group ({…}:S), and the file has no records of it"
            case .frequency(let count): cause = "perf took some \(count) samples of \(name) a second, and the file lacks all other records of it"
            case .period(let count): cause = "perf took a sample of \(name) every \(count) times, and the file lacks all other records of it"
            }
            throw TraceError(path: file.path, offset: attribute.offset, cause: "\(cause); \(PerfSamples.adviceOnSampling)")
        }
    }

    private func sample(_ body: UnsafeRawBufferPointer, _ offset: UInt64) throws(TraceError) {
        switch samples.read(body, bigEndian: header.bigEndian) {
        case .tracepoint(let time, let cpu, let raw):
            if let wrong = fault(raw) { return try note(TraceError(path: file.path, offset: offset, cause: wrong)) }
            try rounds!.add(PerfRounds.Entry(time: time, data: raw.baseAddress!, size: Int32(raw.count), cpu: cpu), offset)
        case .other: others += 1
        case .wrong(let cause): try note(TraceError(path: file.path, offset: offset, cause: cause))
        }
    }

    /// What is wrong with a tracepoint's data; nil if nothing. Behind here it would be found as well, but not where it is in this file.
    @inline(__always)
    private func fault(_ raw: UnsafeRawBufferPointer) -> String? {
        let id = raw.perfU16(0, header.bigEndian)
        guard let smallest = formats!.smallestRecord(of: id) else { return nil }
        if _fastPath(raw.count >= smallest && raw.count <= rounds!.geometry.largestRecord - 3) { return nil }
        let event = formats!.event(id)
        let name = event.map { "\($0.system):\($0.name)" } ?? "event \(id)"
        if raw.count < smallest { return "a sample of \(name) has \(raw.count) bytes of data, its fields need \(smallest)" }
        // Of others it is enough to count them.
        return event?.kind == .other ? nil : "a sample of \(name) has \(raw.count) bytes of data, more than any record"
    }

    /// What perf's buffer had no room for, at the place where there was room again.
    private func lost(_ body: UnsafeRawBufferPointer, _ offset: UInt64) throws(TraceError) {
        try begin()
        guard body.count >= 16 else { return try note(TraceError(path: file.path, offset: offset, cause: "a record of lost events has no number of them")) }
        let count = body.perfU64(8, header.bigEndian)
        lost.addClamped(count)
        guard let (time, cpu) = samples.origin(body, bigEndian: header.bigEndian) else { return rounds!.loseEverywhere() }
        guard Int(cpu) < TraceFile.cpuLimit else {
            return try note(TraceError(path: file.path, offset: offset, cause: "CPU \(cpu), expected a number below \(TraceFile.cpuLimit)"))
        }
        try rounds!.add(PerfRounds.Entry(time: time, lost: count, cpu: UInt16(cpu)), offset)
    }

    private func note(_ error: TraceError) throws(TraceError) {
        guard options.keepGoing else { throw error }
        if problems.count < Self.problemLimit { problems.append(TraceProblem(error)) } else { moreProblems += 1 }
        rounds?.loseEverywhere()
    }

    private func unpack(_ packed: UnsafeRawBufferPointer, _ offset: UInt64, _ isInner: Bool) throws(TraceError) {
        guard !isInner else { throw TraceError(path: file.path, offset: offset, cause: "a compressed record lies in another one") }
        if unpacker == nil { unpacker = PerfUnpacker() }
        let unpacker = unpacker!
        if let wrong = unpacker.unpack(packed) { throw TraceError(path: file.path, offset: offset, cause: "a compressed record: \(wrong)") }
        try begin()
        rounds!.keep(unpacker.block)
        var bytes = unpacker.bytes
        // A record may go on in the next compressed one.
        while bytes.count >= 8 {
            let size = Int(bytes.perfU16(6, header.bigEndian))
            if size >= 8, size > bytes.count { break }
            let taken = try take(bytes, at: offset, unpacked: true)
            bytes = UnsafeRawBufferPointer(rebasing: bytes[taken...])
        }
        unpacker.rest(bytes)
    }

    /// Names of tasks, the latest of each.
    private func comm(_ body: UnsafeRawBufferPointer) {
        guard body.count > 8, names.count < Self.nameLimit else { return }
        let name = Array(body[8..<min(body.count, 24)].prefix { $0 != 0 })
        names[Int32(bitPattern: body.perfU32(4, header.bigEndian))] = name
    }

    // MARK: what the file tells beside

    private var uname: String? {
        guard let release = header.release else { return nil }
        // A space would shift the words behind it.
        func word(_ text: String?) -> String { (text ?? "").split(separator: " ").joined(separator: "-") }
        let host = word(header.hostname)
        return "Linux \(host.isEmpty ? "(none)" : host) \(word(release)) \(word(header.machine))"
    }

    /// Those of the head, which an old perf has, and those of the records.
    private var commandLines: [UInt8] {
        var lines = header.tracing?.commandLines ?? []
        if let last = lines.last, last != 10 { lines.append(10) }
        for (pid, name) in names.sorted(by: { $0.key < $1.key }) where !name.isEmpty && !name.contains(10) { lines += Array("\(pid) ".utf8) + name + [10] }
        return lines
    }

    private var leftOut: [String] {
        var list: [String] = []
        if header.release == nil, kernel == nil { list.append("The file does not name the recorded kernel: --kernel does.") }
        // perf inject puts its own command there.
        if header.command.contains("record"), !recordsAllCPUs {
            list.append("perf was not told to record all CPUs (-a): what other tasks did may be missing, and with it what the CPUs had loaded.")
        }
        if rounds!.beginsWithGaps {
            list.append("perf kept only the latest records (--overwrite): how many came before them it does not tell, so a gap is taken to begin each CPU.")
        }
        if samples.clockName == "perf" { list.append("Times are of perf's own clock, which CPUs need not have in common. (perf record -k mono takes one that they have.)") }
        if countedLost > lost { list.append("The kernel counted \(countedLost) lost events, the file tells of \(lost) where they are missing.") }
        if unknown > 0 { list.append("\(unknown) records are of types that are not known.") }
        if implausible > 0 { list.append(implausible == 1 ? "1 record is not what its type says: a sample may be lost there." : "\(implausible) records are not what their types say: samples may be lost there.") }
        if others > 0 { list.append("\(others) samples are of no tracepoint.") }
        if rounds!.tooLong > 0 { list.append("\(rounds!.tooLong) samples are longer than a sub-buffer, and are left out.") }
        return list
    }

    private var recordsAllCPUs: Bool {
        // What comes behind the options is another command's.
        header.command.contains { $0 == "--all-cpus" || $0.hasPrefix("--cpu") || $0.first == "-" && $0.dropFirst().first != "-" && ($0.contains("a") || $0.hasPrefix("-C")) }
    }
}
