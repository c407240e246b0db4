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

    /// A member that is an object.
    mutating func object(_ name: StaticString, _ body: (inout JSONObject) -> Void) {
        key(name)
        Self.part(writer, body)
    }

    /// A member that is a list of objects.
    mutating func objects<S: Sequence>(_ name: StaticString, _ items: S, _ body: (inout JSONObject, S.Element) -> Void) {
        list(name, items) { writer, item in Self.part(writer) { body(&$0, item) } }
    }

    /// A member that is a list of texts.
    mutating func strings(_ name: StaticString, _ items: some Sequence<String>) { list(name, items) { $0.json($1) } }

    private static func part(_ writer: ByteWriter, _ body: (inout JSONObject) -> Void) {
        var object = JSONObject(writer)
        body(&object)
        object.end()
    }

    private mutating func list<S: Sequence>(_ name: StaticString, _ items: S, _ body: (ByteWriter, S.Element) -> Void) {
        key(name)
        writer.byte(UInt8(ascii: "["))
        for (index, item) in items.enumerated() {
            if index > 0 { writer.byte(UInt8(ascii: ",")) }
            body(writer, item)
        }
        writer.byte(UInt8(ascii: "]"))
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
