import Glibc

/// What stands on a line of ftrace's text before the event (trace_print_context(), kernel/trace/trace_output.c; tep_print_event(),
/// lib/trace-cmd and libtraceevent's event-parse.c):
///
///     NAME-PID     [CPU] FLAGS SECONDS.MICROSECONDS:        with irq-info
///     NAME-PID     (TGID) [CPU] FLAGS SECONDS.MICROSECONDS:  with record-tgid besides
///     NAME-PID     [CPU] SECONDS.MICROSECONDS:               without irq-info, and `trace-cmd report`
///     NAME-PID    CPUFLAGS SECONDS.MICROSECONDS:             `trace-cmd report -l`, names cut to 8 bytes
///
/// A name may hold anything, what looks like the rest of the line too. But its column has a fixed width: the dash behind it is in the same
/// place on each line of a text.
struct LineHead {
    var nameStart: UnsafePointer<UInt8>
    var nameEnd: UnsafePointer<UInt8>
    /// Where the line begins: what stands before the column of the name is a buffer's name.
    var lineStart: UnsafePointer<UInt8>
    var pid: Int32 = 0
    var cpu = 0
    /// TRACE_FLAG_* of include/linux/trace_events.h; IRQS_NOSUPPORT if the line has none.
    var flags = LineHead.noFlags
    var hasFlags = false
    /// ns, or what the text has where it has no point.
    var time: UInt64 = 0
    /// Digits behind the point; 0 if there is none.
    var decimals = 0
    var isLatency = false
    /// What follows the colon behind the time.
    var rest: UnsafePointer<UInt8>

    /// TRACE_FLAG_IRQS_NOSUPPORT: whether interrupts were off is not known.
    static let noFlags: UInt8 = 0x02

    /// Why a line has no head that can be understood.
    enum Fault: Error {
        case noHead
        /// The CPU's number is beyond what can be.
        case cpu(UInt64)
        case pid, time
        /// `latency-format` of the kernel: times count from the first event, in whole microseconds.
        case relativeTime
    }

    /// Bytes of a name's column: `%16s-%-7d`, `%8.8s-%-7d`.
    private static let widths = (name: 16, latency: 8)

    /// - Parameters:
    ///   - column: where the dash behind the name was on the lines before; is set for those that follow.
    ///   - searches: the dash may be somewhere else: behind the name of a buffer, or with the spaces before the name lost.
    init(_ line: UnsafeRawBufferPointer, column: inout Int?, searches: Bool = true) throws(Fault) {
        let start = line.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let end = start + line.count
        (lineStart, nameStart, nameEnd, rest) = (start, start, start, end)
        if let known = column, known < line.count, try parse(start, start + known, end) { return }
        var fault = Fault.noHead
        for candidate in [Self.widths.name, Self.widths.latency] where candidate < line.count {
            do throws(Fault) {
                if try parse(start, start + candidate, end) {
                    if column == nil { column = candidate }
                    return
                }
            } catch { fault = error }
        }
        guard searches else { throw fault }
        for candidate in 0..<min(line.count, 256) where start[candidate] == UInt8(ascii: "-") {
            do throws(Fault) {
                if try parse(start, start + candidate, end) {
                    column = candidate
                    return
                }
            } catch { fault = error }
        }
        throw fault
    }

    /// Reads what follows a name that ends here. False if there is no pid, or no CPU.
    @inline(__always)
    private mutating func parse(
        _ start: UnsafePointer<UInt8>, _ dash: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
    ) throws(Fault) -> Bool {
        var cursor = TextCursor(dash, end)
        guard cursor.take(UInt8(ascii: "-")), let pid = cursor.signed(), cursor.take(UInt8(ascii: " ")) else { return false }
        cursor.skipSpaces()
        if cursor.take(UInt8(ascii: "(")) {
            // What the tgid is does not matter to anybody yet.
            while let byte = cursor.byte, byte == 0x20 || byte == UInt8(ascii: "-") || byte &- 0x30 < 10 { cursor.next += 1 }
            guard cursor.take(UInt8(ascii: ")")) else { return false }
            cursor.skipSpaces()
        }
        let number: UInt64
        if cursor.take(UInt8(ascii: "[")) {
            guard let found = cursor.decimal(), cursor.take(UInt8(ascii: "]")) else { return false }
            number = found
            isLatency = false
            cursor.skipSpaces()
            guard let byte = cursor.byte else { return false }
            hasFlags = byte &- 0x30 >= 10
            if hasFlags { guard takeFlags(&cursor) else { return false } }
        } else {
            (isLatency, hasFlags) = (true, true)
            guard let found = cursor.decimal(), takeFlags(&cursor) else { return false }
            number = found
        }
        if !hasFlags { flags = Self.noFlags }
        cursor.skipSpaces()
        guard let whole = cursor.decimal() else { throw .time }
        if cursor.take(UInt8(ascii: ".")) {
            let point = cursor.next
            guard var fraction = cursor.decimal() else { throw .time }
            decimals = cursor.next - point
            guard decimals <= 9, whole < 18_000_000_000 else { throw .time }
            for _ in decimals..<9 { fraction *= 10 }
            time = whole * 1_000_000_000 + fraction
        } else {
            if cursor.take("us") { throw .relativeTime }
            // Beyond it sums of times could leave 64 bits.
            guard whole <= UInt64(Int64.max) else { throw .time }
            (time, decimals) = (whole, 0)
        }
        guard cursor.take(UInt8(ascii: ":")) else { throw .time }
        guard number < UInt64(TextConversion.cpuLimit) else { throw .cpu(number) }
        guard let small = Int32(exactly: pid) else { throw .pid }
        self.pid = small
        cpu = Int(number)
        rest = cursor.next
        nameStart = start
        nameEnd = dash
        return true
    }

    /// Takes the columns of irq-info (trace_print_lat_fmt(), kernel/trace/trace_output.c; trace-cmd's are the same), or the number that
    /// `trace-cmd report -R -l` has for them.
    @inline(__always)
    private mutating func takeFlags(_ cursor: inout TextCursor) -> Bool {
        flags = 0
        if cursor.take("-0x") {
            guard let value = cursor.hex(), value < 256 else { return false }
            flags = UInt8(value)
            return cursor.byte == 0x20
        }
        guard cursor.count >= 4 else { return false }
        let columns = cursor.next
        switch columns[0] {
        case UInt8(ascii: "."): break
        case UInt8(ascii: "d"): flags |= 0x01
        // TRACE_FLAG_BH_OFF.
        case UInt8(ascii: "D"): flags |= 0x81
        case UInt8(ascii: "b"): flags |= 0x80
        case UInt8(ascii: "X"): flags |= 0x02
        default: return false
        }
        switch columns[1] {
        case UInt8(ascii: "."): break
        // TRACE_FLAG_NEED_RESCHED and TRACE_FLAG_PREEMPT_RESCHED.
        case UInt8(ascii: "N"), UInt8(ascii: "B"): flags |= 0x24
        case UInt8(ascii: "n"), UInt8(ascii: "L"), UInt8(ascii: "l"), UInt8(ascii: "b"): flags |= 0x04
        case UInt8(ascii: "p"): flags |= 0x20
        default: return false
        }
        switch columns[2] {
        case UInt8(ascii: "."): break
        case UInt8(ascii: "h"): flags |= 0x08
        case UInt8(ascii: "s"): flags |= 0x10
        case UInt8(ascii: "H"): flags |= 0x18
        case UInt8(ascii: "z"): flags |= 0x40
        case UInt8(ascii: "Z"): flags |= 0x48
        default: return false
        }
        while let byte = cursor.byte, byte != 0x20 {
            // `trace-cmd report -l` has five columns, and no space before a time that is a long number.
            if isLatency, cursor.next - columns == 5, byte &- 0x30 < 10 { break }
            guard byte > 0x20, cursor.next - columns < 8 else { return false }
            cursor.next += 1
        }
        return true
    }

    /// The name, without the spaces before it; nil for `<...>`, which stands for one that is not known. The last 16 bytes, if there are more.
    @inline(__always)
    var name: UnsafeRawBufferPointer? {
        var first = nameEnd - nameStart > 16 ? nameEnd - 16 : nameStart
        while first < nameEnd, first.pointee == 0x20 { first += 1 }
        let bytes = UnsafeRawBufferPointer(start: first, count: nameEnd - first)
        return bytes.count == 5 && memcmp(first, "<...>", 5) == 0 ? nil : bytes
    }

    /// Something stands before the column of the name.
    @inline(__always)
    var hasPrefix: Bool { nameEnd - lineStart > (isLatency ? Self.widths.latency : Self.widths.name) }

    /// Name of the buffer, or of the file, that the line is of, which `trace-cmd report` puts before it if there are several: with a colon and a space, and filled up on the left to the longest
    /// one's (print_handle_file(), tracecmd/trace-read.c). nil for the top one.
    var buffer: UnsafeRawBufferPointer? {
        let width = isLatency ? Self.widths.latency : Self.widths.name
        guard hasPrefix else { return nil }
        let prefix = UnsafeRawBufferPointer(start: lineStart, count: nameEnd - lineStart - width)
        guard let colon = prefix.lastIndex(where: { $0 != 0x20 }), prefix[colon] == UInt8(ascii: ":"), colon < prefix.count - 1 else { return nil }
        return UnsafeRawBufferPointer(rebasing: prefix[prefix.firstIndex { $0 != 0x20 }!..<colon])
    }
}
