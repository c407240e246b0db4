/// The text of `events/header_page`: how a sub-buffer of the kernel is laid out, a line for each field as
/// `field: local_t commit;<tab>offset:8;<tab>size:8;<tab>signed:1;` (ring_buffer_print_page_header(), kernel/trace/ring_buffer.c).
///
/// Read without libtraceevent for the same reason as for which ``FormatText`` checks the formats.
package enum HeaderPage {
    /// Size of the kernel's `long`, that of `commit`; nil if it is neither 4 nor 8.
    package static func longSize(_ text: UnsafeRawBufferPointer) -> Int? {
        number("size:", of: " commit", text).flatMap { $0 == 4 || $0 == 8 ? $0 : nil }
    }

    /// Size of a sub-buffer, to the end of `data`.
    package static func subbufferSize(_ text: UnsafeRawBufferPointer) -> Int? {
        guard let offset = number("offset:", of: " data", text), let size = number("size:", of: " data", text) else { return nil }
        return Container.pageSizes.contains(offset + size) ? offset + size : nil
    }

    private static func number(_ key: String, of field: String, _ text: UnsafeRawBufferPointer) -> Int? {
        for line in Pieces(text, between: 10) {
            let parts = Pieces(line, between: UInt8(ascii: ";"))
            guard let name = parts.first(where: { _ in true }), name.suffix(field.utf8.count).elementsEqual(field.utf8) else { continue }
            for part in parts {
                let part = part.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
                guard part.starts(with: key.utf8) else { continue }
                let digits = part.dropFirst(key.utf8.count)
                return digits.count < 10 ? Int(String(decoding: digits, as: UTF8.self)) : nil
            }
            return nil
        }
        return nil
    }
}
