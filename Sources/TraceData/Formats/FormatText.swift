/// Checks the text of an event format before libtraceevent sees it.
///
/// libtraceevent's parser follows null pointers when a token that it expects is missing (1.7.1: a `[` at the end of the text), and a
/// trace is untrusted. So only text of the form that kernels write is let through (kernel/trace/trace_events.c, f_show()):
///
///     name: NAME
///     ID: NUMBER
///     format:
///     <tab>field:TYPE NAME;<tab>offset:NUMBER;<tab>size:NUMBER;<tab>signed:NUMBER;
///
/// with empty lines anywhere between the fields. What may repeat in a line is bounded, since the library joins a declaration's words one
/// by one and calls itself for what stands in parentheses.
struct FormatText {
    private let text: UnsafeRawBufferPointer
    private var position = 0

    /// Says what is wrong with the text, nil if nothing is. The print format must have been cut off.
    static func fault(in text: UnsafeRawBufferPointer) -> String? {
        var scan = FormatText(text: text)
        guard scan.word("name: "), scan.identifier(), scan.byte("\n") else { return "does not begin with its name" }
        guard scan.word("ID: "), scan.number(), scan.byte("\n") else { return "has no ID after its name" }
        guard scan.word("format:\n") else { return "has no fields after its ID" }
        var line = 0
        while scan.position < text.count {
            if scan.byte("\n") { continue }
            line += 1
            guard line <= 512, scan.field() else { return "has a field that cannot be understood, the \(line)th" }
        }
        return nil
    }

    /// The name that the text begins with; nil if it does not.
    static func name(in text: UnsafeRawBufferPointer) -> String? {
        var scan = FormatText(text: text)
        guard scan.word("name: ") else { return nil }
        let start = scan.position
        guard scan.identifier(), scan.byte("\n") else { return nil }
        return String(decoding: text[start..<scan.position - 1], as: UTF8.self)
    }

    private init(text: UnsafeRawBufferPointer) { self.text = text }

    private mutating func field() -> Bool {
        guard word("\tfield:") || word("\tfield special:"), declaration() else { return false }
        guard word(";\toffset:"), number(), word(";\tsize:"), number(), byte(";") else { return false }
        if word("\tsigned:") { guard number(), byte(";") else { return false } }
        // The last line may lack its newline.
        return byte("\n") || position == text.count
    }

    /// Words and asterisks, the last one a name; brackets only behind a word.
    private mutating func declaration() -> Bool {
        var words = 0
        var endsInName = false
        let limit = position + 1024
        while position < text.count, text[position] != UInt8(ascii: ";") {
            guard position < limit else { return false }
            if byte(" ") { continue }
            if byte("*") {
                endsInName = false
                continue
            }
            guard identifier() else { return false }
            words += 1
            endsInName = true
            while byte("[") { guard position < limit, dimension() else { return false } }
        }
        return words >= 2 && words <= 32 && endsInName
    }

    /// What stands in brackets: a number, a name, an expression of these, or nothing.
    private mutating func dimension() -> Bool {
        var depth = 0
        let limit = position + 256
        while position < text.count, text[position] != UInt8(ascii: "]") {
            guard position < limit else { return false }
            switch text[position] {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"): depth -= 1
            case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: " "): break
            case let value where Self.isWord(value): break
            default: return false
            }
            guard depth >= 0 else { return false }
            position += 1
        }
        return depth == 0 && byte("]")
    }

    private mutating func byte(_ character: Unicode.Scalar) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= text.count,
            text[position..<position + count].elementsEqual(UnsafeRawBufferPointer(start: word.utf8Start, count: count))
        else { return false }
        position += count
        return true
    }

    /// Letters, digits, and what else is in the names of kernel objects and probes.
    private mutating func identifier() -> Bool {
        let start = position
        while position < text.count, Self.isWord(text[position]) { position += 1 }
        return position > start && position - start <= 256
    }

    /// Up to nine digits: nothing in a format is larger.
    private mutating func number() -> Bool {
        let start = position
        while position < text.count, 0x30...0x39 ~= text[position] { position += 1 }
        return position > start && position - start <= 9
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || 0x30...0x39 ~= byte || 0x41...0x5a ~= byte || 0x61...0x7a ~= byte
    }
}
