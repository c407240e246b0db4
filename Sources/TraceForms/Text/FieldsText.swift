import Glibc
import TraceData

/// What the kernel's option `fields` makes of events (print_fields(), kernel/trace/trace_output.c): each number twice, `prev_pid=0x64 (100)`. With each once it is what
/// `trace-cmd report -R` prints, as long as fields come in the order of the format: Linux 6.18 has them so, before they came the other way round.
final class FieldsText {
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: ByteInput.lineLimit + 64)

    deinit { scratch.deallocate() }

    /// The first event of the text that is read, and has numbers, has them twice.
    static func isUsed(in input: ByteInput, _ names: EventNames) throws(TraceError) -> Bool {
        let bytes = try input.peek(256 << 10)
        var column: Int?
        for line in bytes.split(separator: 10) {
            guard let head = try? LineHead(UnsafeRawBufferPointer(rebasing: line), column: &column), let event = EventPart(head, line.endPointer) else { continue }
            switch names.kind(event.name, event.nameCount) {
            case .other, .marker, .print: continue
            default: return isOne(event.body)
            }
        }
        return false
    }

    static func isOne(_ text: TextCursor) -> Bool {
        var cursor = text
        while !cursor.isAtEnd {
            if cursor.take(UInt8(ascii: "=")) {
                if number(&cursor) != nil { return true }
            } else {
                cursor.next += 1
            }
        }
        return false
    }

    /// Takes a number of both forms; what its bits are, and where it is.
    private static func number(_ cursor: inout TextCursor) -> (bits: UInt64, hex: TextCursor, decimal: TextCursor)? {
        var ahead = cursor
        guard ahead.take("0x") else { return nil }
        let start = ahead.next
        guard let bits = ahead.hex() else { return nil }
        let hex = TextCursor(start, ahead.next)
        guard ahead.take(" (") else { return nil }
        let first = ahead.next
        guard ahead.signed() != nil else { return nil }
        let decimal = TextCursor(first, ahead.next)
        guard ahead.take(UInt8(ascii: ")")), ahead.isAtEnd || ahead.byte == 0x20 else { return nil }
        cursor = ahead
        return (bits, hex, decimal)
    }

    /// The text with each number once, as the event's own print format or that of -R has it. Valid until the next one is wanted.
    func plain(_ text: TextCursor) -> TextCursor {
        var cursor = text
        var out = scratch
        func put(_ part: TextCursor) {
            memcpy(out, part.next, part.count)
            out += part.count
        }
        while let byte = cursor.byte {
            out.pointee = byte
            out += 1
            cursor.next += 1
            guard byte == UInt8(ascii: "="), let (bits, hex, decimal) = Self.number(&cursor) else { continue }
            var name = BackwardCursor(UnsafePointer(scratch), UnsafePointer(out))
            if name.take("clone_flags=") {
                put(hex)
            } else if name.take("oom_score_adj=") {
                // A short, printed without its sign.
                for digit in String(Int16(truncatingIfNeeded: bits)).utf8 {
                    out.pointee = digit
                    out += 1
                }
            } else {
                put(decimal)
            }
        }
        return TextCursor(UnsafePointer(scratch), UnsafePointer(out))
    }
}
