/// The lines of a text that are no records: the comments of the kernel's text, and what trace-cmd prints before and between records.
struct TextHeader {
    /// CPUs of the machine, as `#P:4` or `cpus=4` tells.
    private(set) var cpus: Int?
    /// Events that were written, and of these left, by the kernel's header.
    private(set) var written: UInt64 = 0
    private(set) var left: UInt64 = 0
    /// The last header's counts.
    private var last: (left: UInt64, written: UInt64)?
    /// Headers with the same counts came one behind the other: those of per_cpu/cpuN/trace, each of which has the counts of all CPUs (print_event_info(), kernel/trace/trace.c).
    private(set) var isRepeated = false
    /// The text is the kernel's, or that of `trace-cmd report`.
    private(set) var isKernels = false
    private(set) var isTraceCmds = false

    /// What a line is.
    enum Line {
        case nothing
        case comment
        /// Events were lost on a CPU before its next record; nil for an unknown number.
        case loss(cpu: UInt64, UInt64?)
        /// It would tell of the whole text, and cannot be understood.
        case fault(String)
    }

    /// Takes a line; `nothing` if it is none of these.
    mutating func take(_ line: UnsafeRawBufferPointer) -> Line {
        guard let start = line.baseAddress?.assumingMemoryBound(to: UInt8.self), let first = line.first else { return .comment }
        var cursor = TextCursor(start, start + line.count)
        switch first {
        case UInt8(ascii: "#"):
            // A name of 16 bytes could begin like this. ("TASK-PID" stands in these columns.)
            if line.count > 17, line[16] == UInt8(ascii: "-"), line[17] &- 0x30 < 10 { return .nothing }
            return comment(cursor)
        case UInt8(ascii: "c"):
            guard cursor.take("cpus="), let count = cursor.decimal(), cursor.isAtEnd else { return .nothing }
            isTraceCmds = true
            return take(cpus: count)
        case UInt8(ascii: "v"):
            guard cursor.take("version = "), cursor.decimal() != nil, cursor.isAtEnd else { return .nothing }
            isTraceCmds = true
            return .comment
        case UInt8(ascii: "r"): return cursor.take("registering plugin: ") ? .comment : .nothing
        case UInt8(ascii: "o"): return cursor.take("overriding event (") ? .comment : .nothing
        case UInt8(ascii: "C"):
            if cursor.take("CPU ") {
                // "CPU 2 is empty"
                return cursor.decimal() != nil && cursor.take(" is empty") && cursor.isAtEnd ? .comment : .nothing
            }
            guard cursor.take("CPU:"), let cpu = cursor.decimal(), cursor.take(" [") else { return .nothing }
            if cursor.take("LOST EVENTS]") || cursor.take("EVENTS DROPPED]") || cursor.take("LOST/MISSED EVENTS]") { return .loss(cpu: cpu, nil) }
            _ = cursor.take("LOST ")
            guard let count = cursor.decimal(), cursor.take(" EVENTS") else { return .nothing }
            return .loss(cpu: cpu, count)
        default: return .nothing
        }
    }

    /// `# entries-in-buffer/entries-written: 140/200   #P:4`
    private mutating func comment(_ line: TextCursor) -> Line {
        var cursor = line
        if cursor.take("# tracer:") { isKernels = true }
        guard cursor.take("# entries-in-buffer/entries-written: ") else { return .comment }
        guard let left = cursor.decimal(), cursor.take(UInt8(ascii: "/")), let written = cursor.decimal() else {
            return .fault("the header's counts of events cannot be understood: two numbers of 64 bits were expected")
        }
        isKernels = true
        if let last, last == (left, written) {
            isRepeated = true
        } else {
            add(left, written)
        }
        cursor.skipSpaces()
        guard cursor.take("#P:") else { return .comment }
        return take(cpus: cursor.decimal() ?? .max)
    }

    private mutating func add(_ left: UInt64, _ written: UInt64) {
        last = (left, written)
        self.left = self.left.addingReportingOverflow(left).partialValue
        self.written = self.written.addingReportingOverflow(written).partialValue
    }

    /// `FILE: cpus=4`, one for each of several files that `trace-cmd report` was given; nil if the line is none. It counts if the file is the one that is read.
    mutating func take(_ line: UnsafeRawBufferPointer, reading wanted: String) -> Line? {
        guard let start = line.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
        var cursor = BackwardCursor(start, start + line.count)
        guard let count = cursor.signed(), cursor.take(": cpus=") else { return nil }
        isTraceCmds = true
        var name = TextCursor(start, cursor.end)
        name.skipSpaces()
        return String(decoding: UnsafeBufferPointer(start: name.next, count: name.count), as: UTF8.self) == wanted ? take(cpus: UInt64(clamping: count)) : .comment
    }

    private mutating func take(cpus count: UInt64) -> Line {
        guard count <= UInt64(TextConversion.cpuLimit) else { return .fault("the header's number of CPUs cannot be: the limit is \(TextConversion.cpuLimit)") }
        cpus = max(cpus ?? 0, Int(count))
        return .comment
    }

    /// Events that were overwritten before the text was made.
    var overwritten: UInt64 { written > left ? written - left : 0 }
}
