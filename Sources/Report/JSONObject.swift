/// Writes one JSON object member by member. Missing values are null: every key is always there.
struct JSONObject {
    private let writer: ByteWriter
    private var isFirst = true

    init(_ writer: ByteWriter) {
        self.writer = writer
        writer.byte(UInt8(ascii: "{"))
    }

    mutating func string(_ name: StaticString, _ value: String?) {
        key(name)
        if let value { writer.json(value) } else { writer.text("null") }
    }

    mutating func number(_ name: StaticString, _ value: (some BinaryInteger)?) {
        key(name)
        guard let value else { return writer.text("null") }
        if let value = UInt64(exactly: value) { writer.decimal(value) } else { writer.signed(Int64(value)) }
    }

    mutating func bool(_ name: StaticString, _ value: Bool) {
        key(name)
        if value { writer.text("true") } else { writer.text("false") }
    }

    /// A member whose value `body` writes.
    mutating func raw(_ name: StaticString, _ body: () -> Void) {
        key(name)
        body()
    }

    func end() { writer.byte(UInt8(ascii: "}")) }

    private mutating func key(_ name: StaticString) {
        if !isFirst { writer.byte(UInt8(ascii: ",")) }
        isFirst = false
        writer.byte(UInt8(ascii: "\""))
        writer.text(name)
        writer.text("\":")
    }
}
