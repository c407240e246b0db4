/// The little that is taken from an event's print format: whether an integer is meant to be read as signed, unsigned or hexadecimal.
///
/// Nothing depends on it but the looks of `events`; a format that is not understood leaves the field's own type.
enum PrintFormat {
    /// Looks for `NAME=%…` or `NAME:%…` in the text, with an optional `0x` before the conversion. The first one of each name counts.
    ///
    /// - Complexity: O(*n*) in the length of the text, however many names there are.
    static func styles(of names: [String], in text: UnsafeRawBufferPointer) -> [String: EventFormats.IntegerStyle] {
        var wanted = Set(names)
        var styles: [String: EventFormats.IntegerStyle] = [:]
        var wordStart = 0
        for index in text.indices {
            if isWord(text[index]) { continue }
            defer { wordStart = index + 1 }
            guard wordStart < index, text[index] == UInt8(ascii: "=") || text[index] == UInt8(ascii: ":") else { continue }
            guard let conversion = conversion(in: text, from: index + 1) else { continue }
            guard let name = wanted.remove(String(decoding: text[wordStart..<index], as: UTF8.self)) else { continue }
            switch conversion {
            case UInt8(ascii: "d"), UInt8(ascii: "i"): styles[name] = .signed
            case UInt8(ascii: "u"): styles[name] = .unsigned
            case UInt8(ascii: "x"), UInt8(ascii: "X"), UInt8(ascii: "p"): styles[name] = .hex
            default: break
            }
        }
        return styles
    }

    /// The letter of the conversion that stands here; nil if there is none.
    private static func conversion(in text: UnsafeRawBufferPointer, from start: Int) -> UInt8? {
        var index = start
        if index < text.count, text[index] == UInt8(ascii: " ") { index += 1 }
        if index + 1 < text.count, text[index] == UInt8(ascii: "0"), text[index + 1] == UInt8(ascii: "x") { index += 2 }
        guard index < text.count, text[index] == UInt8(ascii: "%") else { return nil }
        index += 1
        // Flags, width and size: a few characters.
        let limit = min(text.count, index + 16)
        while index < limit, "0123456789.#- lhLzjt".utf8.contains(text[index]) { index += 1 }
        return index < limit ? text[index] : 0
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
}
