import Glibc
import TraceData
import TraceWriting

/// Turns ftrace's text into a trace.dat file: /sys/kernel/tracing/trace and trace_pipe, and what `trace-cmd report` prints of a file.
///
/// One pass over the lines, which are not kept: memory for a line, and a sub-buffer for each CPU.
final class TextConversion {
    static let cpuLimit = TraceFile.cpuLimit
    /// With ``TraceFile/Options/keepGoing`` so many lines that cannot be read are listed; the others are counted.
    static let problemLimit = 20
    /// Sub-buffers that have room for the longest path of an exec.
    static let pageSize = 8192

    let input: ByteInput
    private let options: TraceFile.Options
    let kernel: String?
    let formats: TextFormats
    let trace: ConvertedTrace
    let longSize: Int
    let names = EventNames(TextConversion.known)
    /// Where the kernel's option `fields` was on.
    let fields: FieldsText?
    /// By the place of their names in ``probeNames``; nil for those that have no line.
    var probes: [ProbeText?]
    /// For a probe event at work.
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: ProbeText.largest, alignment: 8)
    var letters: StateLetters
    var handlers: HandlerGuess
    private(set) var tasks = TaskNames()
    private var cpus: [CPUState] = []
    private(set) var header = TextHeader()
    /// Where the dash behind the name was on the last lines.
    private var column: Int?
    /// Time of the last record of any CPU.
    private var lastTime: UInt64 = 0
    /// Grows with each loss of which nobody knows on which CPU it was.
    private var losses = 0
    /// A line of trace_marker that may go on with the next line.
    private var marker: (line: Line, text: [UInt8])?
    /// The line at hand is several.
    private var isJoined = false
    /// The last record was a stack, whose lines follow.
    private var inStack = false
    /// The last record is not read: lines without a head are its own.
    private var inOther = false
    /// The CPU of the line at hand, once that is known.
    private var lineCPU: Int?
    private var problems: [TraceProblem] = []
    private var moreProblems = 0
    private var otherBuffers: Set<String> = []
    /// What the heads of the lines have.
    private(set) var facts = TextFacts()

    /// What is known of a CPU.
    private struct CPUState {
        var writer: SubbufferWriter?
        var lastTime: UInt64 = 0
        var losses = 0
    }

    /// What goes before a record.
    struct Line {
        var cpu: Int
        var pid: Int32
        var flags: UInt8
        var time: UInt64
    }

    /// Why a line is not read.
    enum Fault: Error {
        case line(String)
        /// A name may go on with the next line.
        case incomplete(String)
        /// Nothing can be read any more.
        case fatal(TraceError)
    }

    /// The events that are read, by the names that they have in a text.
    private static let known: [(String, EventNames.Kind)] =
        [
            ("sched_switch", .schedSwitch), ("tlb_flush", .tlbFlush), ("task_newtask", .newTask), ("task_rename", .rename), ("sched_process_fork", .fork),
            ("sched_process_exec", .exec), ("sched_process_exit", .exit), ("print", .print), ("tracing_mark_write", .marker),
        ] + probeNames.enumerated().map { ($1, .probe($0)) }
    static let probeNames = Record.Kind.probeNames.keys.sorted()

    /// - Parameter kernel: the recorded kernel's release or scheme, where the user tells it.
    init(_ input: ByteInput, _ options: TraceFile.Options, kernel: String?) throws(TraceError) {
        self.input = input
        self.options = options
        self.kernel = kernel
        letters = StateLetters(release: kernel)
        handlers = HandlerGuess(kernel: kernel)
        let size = try Self.longSize(input, names) ?? 8
        fields = try FieldsText.isUsed(in: input, names) ? FieldsText() : nil
        longSize = size
        formats = TextFormats(longSize: size)
        probes = [ProbeText?](repeating: nil, count: Self.probeNames.count)
        trace = try converting(input.path) { () throws(WritingError) in try ConvertedTrace(SubbufferGeometry(longSize: size, size: Self.pageSize)) }
    }

    deinit { scratch.deallocate() }

    /// Size of the kernel's long, by the first probe event that tells.
    private static func longSize(_ input: ByteInput, _ names: EventNames) throws(TraceError) -> Int? {
        let bytes = try input.peek(256 << 10)
        var column: Int?
        for line in bytes.split(separator: 10).dropLast() {
            guard let head = try? LineHead(UnsafeRawBufferPointer(rebasing: line), column: &column), let event = EventPart(head, line.endPointer) else { continue }
            if case .probe = names.kind(event.name, event.nameCount), let size = ProbeText.longSize(event.body) { return size }
        }
        return nil
    }

    /// The trace.dat file, and what is to be told of the text.
    func run() throws(TraceError) -> (descriptor: Int32, origin: TraceOrigin) {
        while try input.nextLine() {
            do throws(Fault) { try takeLine() } catch { try note(error) }
        }
        do throws(Fault) { try endMarker() } catch { try note(error) }
        if facts.records == 0, !otherBuffers.isEmpty, problems.isEmpty {
            let wanted = bufferName.isEmpty ? "the top buffer" : "buffer \"\(bufferName)\""
            throw TraceError(path: input.path, cause: "no line is of \(wanted); there are lines of \(named(otherBuffers.sorted()))")
        }
        let shortage = shortage(unread: problems.count + moreProblems)
        if moreProblems > 0 {
            problems.append(TraceProblem(TraceError(path: input.path, cause: "\(moreProblems) more lines cannot be read")))
        }
        let container = self.container
        let count = max(header.cpus ?? 0, cpus.count)
        let descriptor = try converting(input.path) { () throws(WritingError) in try trace.finish(container, cpus: count) }
        var origin = TraceOrigin(.text)
        origin.detail = facts.detail(header)
        origin.leftOut = leftOut
        origin.otherBuffers = otherBuffers.sorted()
        if !otherBuffers.isEmpty { origin.leftOut.append("Lines of other buffers are not read: \(named(origin.otherBuffers)).") }
        origin.problems = problems + (shortage.map { [$0] } ?? [])
        if !bufferName.isEmpty { origin.buffer = bufferName }
        return (descriptor, origin)
    }

    private func named(_ buffers: [String]) -> String { buffers.map { $0.isEmpty ? "the top one (--buffer '')" : "\"\($0)\"" }.joined(separator: ", ") }

    /// The buffer that is read; the file that is made has no other.
    private var bufferName: String { options.buffer ?? "" }

    /// Throws what is wrong with the line at hand, or lists it.
    private func note(_ fault: Fault) throws(TraceError) {
        let cause: String
        switch fault {
        case .fatal(let error): throw error
        case .line(let text), .incomplete(let text): cause = text
        }
        let error = TraceError(path: input.path, line: input.lineNumber, cause: cause)
        guard options.keepGoing else { throw error }
        if problems.count < Self.problemLimit { problems.append(TraceProblem(error)) } else { moreProblems += 1 }
        // A CPU that has no record yet begins with a gap as well.
        if let cpu = lineCPU, cpu < cpus.count, let writer = cpus[cpu].writer { writer.lose(nil) } else { losses += 1 }
    }

    // MARK: lines

    private func takeLine() throws(Fault) {
        lineCPU = nil
        if input.isTooLong { throw .line("the line is longer than \(ByteInput.lineLimit) bytes, as no line of ftrace is") }
        var first: Fault
        do throws(Fault) {
            return try takeLine(trimmed(input.line))
        } catch {
            guard case .incomplete = error else { throw error }
            first = error
        }
        // A name may hold line breaks: as many as it has bytes, in the head and behind it.
        let (count, cpu) = (input.line.count, lineCPU)
        defer { isJoined = false }
        isJoined = true
        for _ in 0..<4 * NameText.limit {
            let joins: Bool
            do throws(TraceError) { joins = try input.joinNextLine(unless: { standsAlone($0) }) } catch { throw .fatal(error) }
            guard joins else { break }
            do throws(Fault) {
                return try takeLine(trimmed(input.line))
            } catch {
                guard case .incomplete = error else { break }
            }
        }
        input.separate(first: count)
        lineCPU = cpu
        if cpu == nil, isContinuation(input.line) { return }
        throw first
    }

    /// A line without a head is one of the last event, which is not read: its text has line breaks. But none that has lost its head is, as far as the names of the two events tell that no
    /// replay can do without.
    private func isContinuation(_ line: UnsafeRawBufferPointer) -> Bool {
        guard inOther, !line.isEmpty else { return inOther }
        var cursor = TextCursor(line.endPointer - line.count, line.endPointer)
        while !cursor.isAtEnd {
            if cursor.take(": sched_switch: ") || cursor.take(": tlb_flush: ") { return false }
            cursor.next += 1
        }
        return true
    }

    private func standsAlone(_ line: UnsafeRawBufferPointer) -> Bool {
        // A name may have several breaks on end.
        if line.isEmpty { return false }
        var (column, header) = (column, header)
        if case .nothing = header.take(line) { return (try? LineHead(line, column: &column, searches: false)) != nil }
        return true
    }

    private func takeLine(_ line: UnsafeRawBufferPointer) throws(Fault) {
        guard input.isWhole else { throw .line("no newline at the end of the last line: the text is cut off") }
        switch header.take(line) {
        case .nothing: break
        case .comment: return
        case .fault(let cause): throw .line(cause)
        case .loss(let cpu, let count):
            guard cpu < UInt64(Self.cpuLimit) else { throw .line("CPU \(cpu), the limit is \(Self.cpuLimit - 1)") }
            writer(Int(cpu)).lose(count)
            return
        }
        let head: LineHead
        do throws(LineHead.Fault) {
            head = try LineHead(line, column: &column, searches: !isJoined)
        } catch {
            if inStack, line.drop(while: { $0 == 0x20 || $0 == 9 }).starts(with: "=>".utf8) { return }
            if marker != nil {
                // What is written to trace_marker may have line breaks.
                marker?.text.append(10)
                marker?.text.append(contentsOf: line)
                return
            }
            switch header.take(line, reading: bufferName) {
            case .fault(let cause): throw .line(cause)
            case .comment: return
            default: break
            }
            if case .noHead = error, line.count > 16, !isJoined, isContinuation(line) { return }
            throw line.count <= 16 || isJoined ? .incomplete(describe(error, line)) : .line(describe(error, line))
        }
        try endMarker()
        lineCPU = head.cpu
        try takeRecord(head, line.endPointer)
    }

    /// A line without what carriage return a transport may have put to its end.
    private func trimmed(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        line.last == 13 ? UnsafeRawBufferPointer(rebasing: line.dropLast()) : line
    }

    // MARK: records

    private func takeRecord(_ head: LineHead, _ end: UnsafePointer<UInt8>) throws(Fault) {
        if let other = otherBuffer(head) {
            if otherBuffers.count < 64 { otherBuffers.insert(other) }
            inOther = true
            return
        }
        (inStack, inOther) = (false, false)
        facts.see(cpu: head.cpu)
        guard let event = EventPart(head, end) else { return skipNameless(TextCursor(head.rest, end)) }
        let kind = names.kind(event.name, event.nameCount)
        if kind == .other {
            names.skip(event.name, event.nameCount)
            (inStack, inOther) = (event.isStack, true)
            return
        }
        var line = Line(cpu: head.cpu, pid: head.pid, flags: head.flags, time: head.time)
        if let name = head.name { tasks.see(head.pid, name) }
        facts.see(head)
        line.time = try time(head)
        try write(line, kind, event)
        lastTime = max(lastTime, line.time)
        cpus[line.cpu].lastTime = line.time
    }

    /// What has no name before a colon: the kernel's stacks, whose lines follow, and all that the function tracer writes.
    private func skipNameless(_ text: TextCursor) {
        var cursor = text
        cursor.skipSpaces()
        let isKernels = cursor.take("<stack trace>")
        inStack = isKernels || cursor.take("<user stack trace>")
        let name: StaticString = isKernels ? "kernel_stack" : inStack ? "user_stack" : "function"
        names.skip(name.utf8Start, name.utf8CodeUnitCount)
        inOther = true
    }

    /// Name of the buffer that a line is of, if it is not the one that is wanted.
    @inline(__always)
    private func otherBuffer(_ head: LineHead) -> String? {
        guard head.hasPrefix || !bufferName.isEmpty else { return nil }
        let name = head.buffer.map { String(decoding: $0, as: UTF8.self) } ?? ""
        return name == bufferName ? nil : name
    }

    /// The time of a record: that of the line, and where several lines have the same time in microseconds, so much more that they keep their order. That
    /// changes no time by as much as it is rounded by.
    @inline(__always)
    private func time(_ head: LineHead) throws(Fault) -> UInt64 {
        if cpus.count <= head.cpu { _ = writer(head.cpu) }
        let before = cpus[head.cpu].lastTime
        let step = TextFacts.resolution(head.decimals)
        var time = head.time
        if step > 1 {
            if lastTime >= time, lastTime - time < step { time = min(lastTime + 1, time + step - 1) }
            if time < before, before - head.time < step { time = before }
        }
        guard time >= before else {
            let unit = head.decimals > 0 ? " ns" : ""
            throw .line("time of CPU \(head.cpu) goes back by \(before - head.time)\(unit), from \(before)\(unit) to \(head.time)\(unit)")
        }
        return time
    }

    /// What takes the records of a CPU.
    @inline(__always)
    func writer(_ cpu: Int) -> SubbufferWriter {
        if cpu < cpus.count, let writer = cpus[cpu].writer {
            if cpus[cpu].losses != losses { loseHere(cpu, writer) }
            return writer
        }
        return newWriter(cpu)
    }

    private func newWriter(_ cpu: Int) -> SubbufferWriter {
        if cpus.count <= cpu { cpus += [CPUState](repeating: CPUState(), count: cpu + 1 - cpus.count) }
        let writer = trace.writer(cpu: cpu)
        cpus[cpu].writer = writer
        // Which CPUs the overwritten events were on the text does not tell.
        if header.overwritten > 0 || losses > 0 { loseHere(cpu, writer) }
        return writer
    }

    private func loseHere(_ cpu: Int, _ writer: SubbufferWriter) {
        cpus[cpu].losses = losses
        writer.lose(nil)
    }

    /// Keeps a line of trace_marker until it is known where it ends.
    func begin(_ line: Line, marker text: UnsafeRawBufferPointer) { marker = (line, Array(text)) }

    private func endMarker() throws(Fault) {
        guard let (line, text) = marker else { return }
        marker = nil
        lineCPU = line.cpu
        try writeMarker(line, text)
    }

    /// Runs what writes a record.
    @inline(__always)
    func writing<R>(_ body: () throws(WritingError) -> R) throws(Fault) -> R {
        do throws(WritingError) { return try body() } catch { throw .fatal(conversionError(input.path, error)) }
    }
}

extension UnsafeRawBufferPointer {
    var endPointer: UnsafePointer<UInt8> { baseAddress!.assumingMemoryBound(to: UInt8.self) + count }
}

extension Slice<UnsafeRawBufferPointer> {
    var endPointer: UnsafePointer<UInt8> { base.baseAddress!.assumingMemoryBound(to: UInt8.self) + endIndex }
}

/// The beginning of bytes as text for an error: printable ASCII as it is, the rest escaped.
func quoted(_ bytes: UnsafeRawBufferPointer, limit: Int = 60) -> String {
    let place = ByteCursor.Place(path: "", base: 0)
    return ByteCursor(bytes, bigEndian: false, place: place).quoted(bytes, limit: limit)
}
