import Glibc
import TraceWriting

/// What was recorded, until it is written: the sub-buffers in files without a name, and what a trace.dat file says beside them.
public final class Recorded {
    /// Seconds from start to stop.
    public let seconds: Double
    /// What the kernel counted, by CPU.
    public let counts: [BufferCount]
    /// What the user should know of it, one sentence each.
    public let remarks: [String]
    let container: TraceContainer
    let readers: [PerCPUReader]
    let cpus: Int

    init(seconds: Double, counts: [BufferCount], remarks: [String], container: TraceContainer, readers: [PerCPUReader], cpus: Int) {
        self.seconds = seconds
        self.counts = counts
        self.remarks = remarks
        self.container = container
        self.readers = readers
        self.cpus = cpus
    }

    /// Events that were read.
    public var events: UInt64 { counts.reduce(0) { $0 + $1.readEvents } }
    /// Events that are lost.
    public var lost: UInt64 { counts.reduce(0) { $0 + $1.lost } }
    /// Bytes of all sub-buffers.
    public var size: UInt64 { readers.reduce(0) { $0 + $1.size } }

    /// Writes a trace.dat file, once: the sub-buffers are gone from where they were.
    ///
    /// - Parameters:
    ///   - file: can be sought.
    ///   - folder: for what has to be kept meanwhile, with a slash at its end.
    public func write(to file: Int32, version: TraceFileVersion, folder: String) throws(RecordingError) {
        try converting { () throws(WritingError) in
            let draft = try TraceDraft(beside: folder, version: version, cpus: cpus)
            for reader in readers where reader.size > 0 { try draft.append(subbuffers: reader.file, size: reader.size, cpu: reader.cpu) }
            try draft.write(container, to: file)
        }
    }
}

/// How far a recording had come at some moment. Its sub-buffers stay where they are until the recording is written.
public final class RecordedSoFar: @unchecked Sendable {
    // The readers belong to the recorder's thread; of them only the file is used, whose descriptor does not change.
    private let readers: [PerCPUReader]
    private let ends: [UInt64]
    private let container: TraceContainer
    private let cpus: Int

    init(_ readers: [PerCPUReader], container: TraceContainer, cpus: Int) {
        self.readers = readers
        ends = readers.map(\.size)
        self.container = container
        self.cpus = cpus
    }

    /// Bytes of sub-buffers, without those of an earlier moment.
    public func size(since earlier: RecordedSoFar?) -> UInt64 { ends.reduce(0, +) - (earlier?.ends.reduce(0, +) ?? 0) }

    /// Writes a trace.dat file of version 6 with what came since an earlier moment. May be called on another thread.
    public func write(to file: Int32, since earlier: RecordedSoFar?) throws(RecordingError) {
        var parts: [(file: Int32, offset: UInt64, size: UInt64)?] = Array(repeating: nil, count: cpus)
        for (index, reader) in readers.enumerated() {
            let start = earlier?.ends[index] ?? 0
            if ends[index] > start { parts[reader.cpu] = (reader.file, start, ends[index] - start) }
        }
        let all = parts
        try converting { () throws(WritingError) in try TraceDraft.write(container, cpus: all, to: file) }
    }
}

extension TraceContainer {
    /// What tracefs tells of the running kernel and of the events in an instance.
    ///
    /// - Parameter events: those that are recorded, by system and name.
    init(_ tracefs: TraceFS, instance: Instance, events: [(system: String, name: String, shown: String)], program: String) throws(RecordingError) {
        func bytes(_ path: String) throws(RecordingError) -> [UInt8] {
            guard let content = SmallFile.bytes(path) else { throw RecordingError("cannot read \(path)", code: errno) }
            return content
        }
        var name = utsname()
        Glibc.uname(&name)
        func part<T>(_ field: T) -> String { withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } }
        var formats: [(system: String, text: [UInt8])] = []
        for event in SmallFile.names(tracefs.path + "/events/ftrace") ?? [] {
            if let text = SmallFile.bytes(tracefs.format("ftrace", event)) { formats.append(("ftrace", text)) }
        }
        for event in events { formats.append((event.shown, try bytes(tracefs.format(event.system, event.name)))) }
        self.init(
            uname: "\(part(name.sysname)) \(part(name.nodename)) \(part(name.release)) \(part(name.machine))", clock: instance.text("trace_clock"),
            headerPage: try bytes(instance.path + "/events/header_page"), headerEvent: try bytes(instance.path + "/events/header_event"),
            formats: formats, pageSize: UInt32(sysconf(Int32(_SC_PAGESIZE))))
        self.program = "lazytlb \(program)"
        traceID = UInt64.random(in: 1 ... .max)
    }

    /// Names of tasks: those that the kernel saved, and those of the snapshot for tasks that it did not.
    mutating func setNames(_ tracefs: TraceFS, _ snapshot: TaskSnapshot?) {
        commandLines = SmallFile.bytes(tracefs.path + "/saved_cmdlines", limit: 64 << 20) ?? []
        guard let snapshot else { return }
        if let last = commandLines.last, last != UInt8(ascii: "\n") { commandLines.append(UInt8(ascii: "\n")) }
        let known = Set(commandLines.split(separator: UInt8(ascii: "\n")).compactMap { Int32(String(decoding: $0.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)) })
        for (pid, name) in snapshot.names.sorted(by: { $0.key < $1.key }) where !known.contains(pid) && !name.isEmpty {
            commandLines += Array("\(pid) \(name)\n".utf8)
        }
    }
}

/// Bytes of a sub-buffer, from the text of header_page: where its data begins, and how much there is.
func subbufferSize(_ headerPage: String) -> Int? {
    for line in headerPage.split(separator: "\n") where line.contains(" data;") {
        var numbers: [String: Int] = [:]
        for part in line.split(separator: ";") {
            let words = part.split { $0 == ":" || $0 == "\t" || $0 == " " }
            if words.count == 2, let value = Int(words[1]) { numbers[String(words[0])] = value }
        }
        guard let offset = numbers["offset"], let size = numbers["size"], offset > 0, size > 0, offset + size <= 1 << 20 else { return nil }
        return offset + size
    }
    return nil
}
