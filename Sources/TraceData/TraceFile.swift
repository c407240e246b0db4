import Synchronization

/// A trace.dat file, open for reading: its metadata, and streams of its records.
///
/// The file is mapped; opening it reads the metadata only. Whatever is not as the format says is a ``TraceError`` that names the
/// place, or with ``Options/keepGoing`` an entry of ``problems``.
public final class TraceFile: Sendable {
    public struct Options: Sendable {
        /// The buffer whose records are wanted; nil or "" for the top one.
        public var buffer: String?
        /// Use what can be read, and list what cannot in ``TraceFile/problems``.
        public var keepGoing: Bool
        /// By CPU: how far its clock is ahead of the others', in units of the trace's clock. That is taken off its times.
        public var clockOffsets: [Int: Int64] = [:]
        /// Where streams tell how far they have come.
        public var progress: ReadingProgress?
        /// Where the trace comes from, if it was not a trace.dat file.
        public var origin = TraceOrigin()

        public init(buffer: String? = nil, keepGoing: Bool = false, progress: ReadingProgress? = nil) {
            self.buffer = buffer
            self.keepGoing = keepGoing
            self.progress = progress
        }
    }

    /// The most CPUs that a trace may have.
    package static let cpuLimit = Container.cpuLimit
    /// The latest time that a sub-buffer may begin with, whatever the file's options and ``Options/clockOffsets`` make of it.
    package static let latestTime = SubbufferWalker.anyTime.upperBound

    public let path: String
    public let options: Options
    /// Version of the file's format: 6 or 7.
    public let version: Int
    public let isBigEndian: Bool
    /// Size of the recorded kernel's `long`: 4 or 8.
    public let longSize: Int
    /// Size of a sub-buffer of the chosen buffer.
    public var pageSize: Int { buffer.pageSize }
    public let compression: Compression
    public let compressorVersion: String
    /// CPUs of the recorded machine, those without data included.
    public let cpuCount: Int
    /// Clock of the chosen buffer.
    public var clock: Clock { buffer.clock }
    /// What uname(2) said on the recorded machine: "Linux HOST RELEASE MACHINE".
    public let uname: String?
    /// e.g. "4.12.4-lab"; nil if the file does not say.
    public let kernelRelease: String?
    /// e.g. "x86_64"; nil if the file does not say.
    public let machine: String?
    public let traceCmdVersion: String?
    /// All buffers, the top one first.
    public let buffers: [TraceBuffer]
    /// The buffer whose records the streams give.
    public let buffer: TraceBuffer
    /// What the kernel counted per CPU of the chosen buffer.
    public let cpuStats: [CPUStats]
    /// Names of tasks at the end of the recording.
    public let commands: [Int32: Comm]
    /// Options of the file, in their order.
    public let presentOptions: [TraceOption]
    public let formats: EventFormats

    private let file: MappedFile
    private let conversion: TimeConversion
    private let knownProblems: Mutex<KnownProblems>

    public convenience init(path: String, options: Options = Options()) throws(TraceError) {
        try self.init(MappedFile(path: path), options)
    }

    /// A trace.dat file that has no path of its own: what a trace in another form was turned into.
    ///
    /// - Parameters:
    ///   - descriptor: of a regular file; it may be closed afterwards.
    ///   - path: of the trace, as messages are to name it.
    public convenience init(descriptor: Int32, path: String, options: Options = Options()) throws(TraceError) {
        try self.init(MappedFile(descriptor: descriptor, path: path), options)
    }

    init(_ file: MappedFile, _ options: Options) throws(TraceError) {
        let path = file.path
        var container = try Container(file, keepGoing: options.keepGoing)
        // The texts lie in the container's storage, which nothing else uses.
        let formats = withExtendedLifetime(container.storage) {
            EventFormats(container.formats, bigEndian: container.bigEndian, longSize: container.longSize)
        }
        for refusal in formats.refused {
            // Of other events nothing is read but what `events` prints.
            guard options.keepGoing else {
                if refusal.isNeeded { throw refusal.error }
                continue
            }
            container.problems.append(TraceProblem(refusal.error))
        }
        let name = options.buffer ?? ""
        var buffer: TraceBuffer
        // The top one has no name of its own, and `info` calls it so.
        if let found = container.buffers.first(where: { $0.name == name }) ?? (name == "top" ? container.buffers.first { $0.name.isEmpty } : nil) {
            buffer = found
        } else {
            let known = container.buffers.map { $0.name.isEmpty ? "the top one" : "\"\($0.name)\"" }.joined(separator: ", ")
            let what = name.isEmpty ? "the file has no top buffer" : "the file has no buffer \"\(name)\""
            let error = TraceError(path: path, cause: known.isEmpty ? "the file has no buffers" : "\(what); it has \(known)")
            guard options.keepGoing, name.isEmpty else { throw error }
            container.problems.append(TraceProblem(error))
            buffer = TraceBuffer(
                name: "", clock: container.traceClock ?? Clock(name: "local"), pageSize: container.pageSize, cpus: [], compressed: false)
        }
        if let name = options.origin.buffer { buffer.name = name }
        guard !buffer.isText else {
            throw TraceError(path: path, cause: "the buffer holds text of a latency tracer, expected ring-buffer data")
        }
        self.buffer = buffer
        cpusWithData = buffer.cpus.filter { $0.size > 0 }.map(\.cpu)
        self.path = path
        self.options = options
        self.file = file
        self.formats = formats
        version = container.version
        isBigEndian = container.bigEndian
        longSize = container.longSize
        compression = container.compression
        compressorVersion = container.compressorVersion
        cpuCount = container.cpuCount
        uname = container.uname
        let words = (container.uname ?? "").split(separator: " ", maxSplits: 4).map(String.init)
        kernelRelease = words.count >= 3 ? words[2] : nil
        machine = words.count >= 4 ? words[3] : nil
        traceCmdVersion = container.traceCmdVersion
        buffers = container.buffers
        cpuStats = container.stats(of: buffer)
        commands = container.commands
        presentOptions = container.options
        conversion = container.time
        knownProblems = Mutex(KnownProblems(options.origin.problems + container.problems))
    }

    /// The same file once more, without progress, its CPUs' clocks set back by so much more (``Options/clockOffsets``).
    public func corrected(by offsets: [Int: Int64]) throws(TraceError) -> TraceFile {
        var options = options
        options.clockOffsets.merge(offsets) { $0 &+ $1 }
        options.progress = nil
        return try TraceFile(file, options)
    }

    /// In which form the trace came.
    public var origin: TraceOrigin { options.origin }

    /// What could not be read so far, with ``Options/keepGoing``; and without it what the trace itself says that it lacks (``TraceOrigin/problems``). First what showed when it was
    /// opened, then by CPU, of each in the order of its data: whoever reads several CPUs comes to them in another order with another number of threads.
    public var problems: [TraceProblem] { knownProblems.withLock { $0.inOrder } }

    /// Lists a problem, once however often the place is read.
    public func note(_ problem: TraceProblem) {
        knownProblems.withLock { $0.note(problem) }
    }

    /// A damaged file of many CPUs has thousands.
    private struct KnownProblems {
        private let atOpening: [TraceProblem]
        private var ofCPU: [Int: [TraceProblem]] = [:]
        private var known: Set<TraceProblem>

        init(_ problems: [TraceProblem]) {
            atOpening = problems
            known = Set(problems)
        }

        mutating func note(_ problem: TraceProblem) { if known.insert(problem).inserted { ofCPU[problem.cpu ?? -1, default: []].append(problem) } }

        var inOrder: [TraceProblem] { atOpening + ofCPU.sorted { $0.key < $1.key }.flatMap(\.value) }
    }

    /// Of sched_switch and tlb_flush, those that the file does not even declare.
    public var missingEvents: [String] {
        [("sched", "sched_switch"), ("tlb", "tlb_flush")].filter { formats.event(named: $0.1, system: $0.0) == nil }
            .map { "\($0.0):\($0.1)" }
    }

    /// CPUs that have data in the chosen buffer, ascending. Numbers may have holes.
    public let cpusWithData: [Int]

    /// CPUs of the machine that have none, ascending.
    public var cpusWithoutData: [Int] {
        let others = Set(cpusWithData)
        return (0..<cpuCount).filter { !others.contains($0) }
    }

    /// There are several CPUs, and each has data: whatever one does to another, both have a record of it.
    public var hasAllCPUs: Bool { cpusWithData.count > 1 && cpusWithoutData.isEmpty }

    /// The records of one CPU in the order of the file. A CPU without data has an empty stream.
    ///
    /// Each call gives a new stream from the start. Streams are independent: different threads may use different ones.
    public func stream(cpu: Int) -> CPUStream {
        var conversion = conversion
        conversion.ahead = options.clockOffsets[cpu] ?? 0
        return CPUStream(cpu: cpu, pages: subbuffers(cpu: cpu), conversion: conversion, trace: self)
    }

    /// The sub-buffers of one CPU, none for a CPU without data.
    func subbuffers(cpu: Int) -> SubbufferSource {
        let extent = buffer.extent(of: cpu) ?? TraceBuffer.Extent(cpu: cpu, offset: 0, size: 0)
        let shape = SubbufferShape(bigEndian: isBigEndian, longSize: longSize, size: buffer.pageSize)
        // The size of compressed data does not count the number of chunks before them (trace-cmd 3.1.6).
        let slack = buffer.compressed && extent.size > 0 ? 4 : 0
        let end = min(Int(extent.offset + extent.size) + slack, file.bytes.count)
        let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[Int(extent.offset)..<end])
        let source = options.origin.sources[cpu]
        return SubbufferSource(
            file: file, bytes: bytes, path: source ?? path, offset: source == nil ? extent.offset : 0, shape: shape, compression: buffer.compressed ? compression : nil,
            chunkLimit: Compression.chunkLimit(cpus: cpusWithData.count, fileSize: file.bytes.count), progress: options.progress)
    }

    /// A stream for each CPU that has data, by ascending number.
    public func streams() -> [CPUStream] { cpusWithData.map { stream(cpu: $0) } }
}
