/// An option of the file: the metadata that trace-cmd writes beside the records.
public struct TraceOption: Sendable, Equatable {
    public var id: Int
    public var size: Int

    /// trace-cmd's name; nil for one that is newer than this program, which skips it.
    public var name: String? { Self.names.indices.contains(id) ? Self.names[id] : nil }

    /// By id (lib/trace-cmd/include/private/trace-cmd-private.h of trace-cmd 3.4).
    private static let names = [
        "DONE", "DATE", "CPUSTAT", "BUFFER", "TRACECLOCK", "UNAME", "HOOK", "OFFSET", "CPUCOUNT", "VERSION", "PROCMAPS",
        "TRACEID", "TIME_SHIFT", "GUEST", "TSC2NSEC", "STRINGS", "HEADER_INFO", "FTRACE_EVENTS", "EVENT_FORMATS", "KALLSYMS",
        "PRINTK", "CMDLINES", "BUFFER_TEXT", "BTF_FILE", "LAST_BOOT_INFO", "MODULES_FILE",
    ]
}

/// Option numbers, and those of the sections that they point to.
enum OptionID {
    static let done: UInt16 = 0
    static let date: UInt16 = 1
    static let cpuStat: UInt16 = 2
    static let buffer: UInt16 = 3
    static let traceClock: UInt16 = 4
    static let uname: UInt16 = 5
    static let offset: UInt16 = 7
    static let cpuCount: UInt16 = 8
    static let version: UInt16 = 9
    static let traceID: UInt16 = 11
    static let timeShift: UInt16 = 12
    static let tscToNs: UInt16 = 14
    static let strings: UInt16 = 15
    static let headerInfo: UInt16 = 16
    static let ftraceEvents: UInt16 = 17
    static let eventFormats: UInt16 = 18
    static let commandLines: UInt16 = 21
    static let bufferText: UInt16 = 22
}

extension Container {
    /// Takes an option that means the same in both versions of the file. The others are left to the caller.
    mutating func take(_ id: UInt16, _ data: ByteCursor) throws(TraceError) {
        var cursor = data
        let text = ByteCursor.text(data.bytes)
        switch id {
        case OptionID.date:
            // Microseconds, the rest of the file has nanoseconds.
            guard let value = number(text) else { throw data.error("DATE option \"\(text)\" is no number") }
            try add(value.multipliedReportingOverflow(by: 1000), "DATE", data)
        case OptionID.offset:
            guard let value = number(text) else { throw data.error("OFFSET option \"\(text)\" is no number") }
            try add((value, false), "OFFSET", data)
        case OptionID.cpuStat:
            guard cpuStats.count < Self.extentLimit else { throw data.error("more than \(Self.extentLimit) CPUSTAT options") }
            if let name = CPUStats.bufferName(text) {
                countedBuffer = name
            } else if let stats = CPUStats(text, buffer: countedBuffer) {
                cpuStats.append(stats)
            }
        case OptionID.traceClock:
            traceClock = Clock(traceClockFile: text)
        case OptionID.uname:
            uname = text
        case OptionID.version:
            traceCmdVersion = text
        case OptionID.cpuCount:
            let count = Int(try cursor.u32("the number of CPUs"))
            guard count <= Self.cpuLimit else { throw data.error("CPUCOUNT option states \(count) CPUs") }
            cpuCount = max(cpuCount, count)
        case OptionID.traceID:
            // Of no use here, but what is too short for one is damage.
            _ = try cursor.u64("the trace id")
        case OptionID.timeShift:
            time.shift = try TimeShift(&cursor)
        case OptionID.tscToNs:
            let mult = try cursor.u32("TSC2NSEC's multiplier")
            let shift = try cursor.u32("TSC2NSEC's shift")
            guard shift < 96 else { throw data.error("TSC2NSEC shifts by \(shift) bits") }
            if mult != 0 { time.scale = (mult, shift) }
        default:
            break
        }
    }

    /// Takes note of an option of the file.
    mutating func add(_ option: TraceOption, at cursor: ByteCursor) throws(TraceError) {
        guard options.count < Self.optionLimit else { throw cursor.error("more than \(Self.optionLimit) options") }
        options.append(option)
    }

    /// Adds to what all times are moved by.
    private mutating func add(_ part: (partialValue: Int64, overflow: Bool), _ option: String, _ data: ByteCursor) throws(TraceError) {
        let sum = Int64(bitPattern: time.offset).addingReportingOverflow(part.partialValue)
        guard !part.overflow, !sum.overflow else { throw data.error("\(option) option moves times by more than 63 bits hold") }
        time.offset = UInt64(bitPattern: sum.partialValue)
    }

    /// A number as strtoll() with base 0 reads it: 0x for hexadecimal, 0 for octal.
    private func number(_ text: String) -> Int64? {
        var digits = Substring(text).drop { $0 == " " || $0 == "\n" }
        let negative = digits.first == "-"
        if digits.first == "-" || digits.first == "+" { digits = digits.dropFirst() }
        let value: UInt64?
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            value = UInt64(digits.dropFirst(2).prefix { $0.isHexDigit }, radix: 16)
        } else if digits.hasPrefix("0") {
            value = UInt64(digits.prefix { ("0"..."7").contains($0) }, radix: 8)
        } else {
            value = UInt64(digits.prefix { $0.isASCII && $0.isNumber })
        }
        guard let value, value <= UInt64(Int64.max) else { return nil }
        return negative ? -Int64(value) : Int64(value)
    }
}
