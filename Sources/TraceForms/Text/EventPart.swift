/// The event of a line: its name, and what stands behind the colon.
struct EventPart {
    var name: UnsafePointer<UInt8>
    var nameCount: Int
    var body: TextCursor

    /// nil if there is no name with a colon behind it.
    @inline(__always)
    init?(_ head: LineHead, _ end: UnsafePointer<UInt8>) {
        var cursor = TextCursor(head.rest, end)
        cursor.skipSpaces()
        if _slowPath(cursor.byte == UInt8(ascii: "(")) { Self.skipDifference(&cursor) }
        name = cursor.next
        while let byte = cursor.byte, byte != UInt8(ascii: ":") {
            guard byte > 0x20 else { return nil }
            cursor.next += 1
        }
        nameCount = cursor.next - name
        guard nameCount > 0, cursor.take(UInt8(ascii: ":")) else { return nil }
        body = cursor
    }

    /// Steps over the time since the line before, which trace-cmd report --ts-diff has in the unit of the times: `(+671)`.
    private static func skipDifference(_ cursor: inout TextCursor) {
        var ahead = cursor
        guard ahead.take("(+") else { return }
        _ = ahead.take(UInt8(ascii: "-"))
        while let byte = ahead.byte, byte &- 0x30 < 10 { ahead.next += 1 }
        guard ahead.take(UInt8(ascii: ")")) else { return }
        ahead.skipSpaces()
        cursor = ahead
    }

    /// The event is one of stack traces, whose lines follow.
    var isStack: Bool {
        let text = UnsafeBufferPointer(start: name, count: nameCount)
        return text.elementsEqual("kernel_stack".utf8) || text.elementsEqual("user_stack".utf8)
    }
}
