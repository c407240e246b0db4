/// The little that is taken from an event's print format: whether an integer is meant to be read as signed, unsigned or hexadecimal.
///
/// Nothing depends on it but the looks of `events`; a format that is not understood leaves the field's own type.
enum PrintFormat {
    /// Looks for `NAME=%…` or `NAME:%…` in the text, with an optional `0x` before the conversion.
    static func style(of name: String, in text: UnsafeRawBufferPointer) -> EventFormats.IntegerStyle? {
        let name = Array(name.utf8)
        guard !name.isEmpty, text.count > name.count else { return nil }
        var start = 0
        while let end = find(name, in: text, from: start) {
            start = end
            guard !isWord(text, end - name.count - 1) else { continue }
            var index = end
            guard index < text.count, text[index] == UInt8(ascii: "=") || text[index] == UInt8(ascii: ":") else { continue }
            index += 1
            if index < text.count, text[index] == UInt8(ascii: " ") { index += 1 }
            if index + 1 < text.count, text[index] == UInt8(ascii: "0"), text[index + 1] == UInt8(ascii: "x") { index += 2 }
            guard index < text.count, text[index] == UInt8(ascii: "%") else { continue }
            index += 1
            while index < text.count, "0123456789.#- lhLzjt".utf8.contains(text[index]) { index += 1 }
            guard index < text.count else { return nil }
            switch text[index] {
            case UInt8(ascii: "d"), UInt8(ascii: "i"): return .signed
            case UInt8(ascii: "u"): return .unsigned
            case UInt8(ascii: "x"), UInt8(ascii: "X"), UInt8(ascii: "p"): return .hex
            default: return nil
            }
        }
        return nil
    }

    /// Index after the next occurrence of `word`.
    private static func find(_ word: [UInt8], in text: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var index = start
        while index + word.count <= text.count {
            if text[index] == word[0], text[index..<index + word.count].elementsEqual(word) { return index + word.count }
            index += 1
        }
        return nil
    }

    private static func isWord(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard index >= 0 else { return false }
        let byte = text[index]
        return byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
}
