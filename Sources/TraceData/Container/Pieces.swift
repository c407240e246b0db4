import Glibc

/// The pieces of a text between bytes of one kind, as split(separator:) gives them, without the empty ones: but one after another, since a file may hold millions that nothing is done with.
struct Pieces: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer
    private let separator: UInt8

    init(_ text: UnsafeRawBufferPointer, between separator: UInt8) {
        rest = text
        self.separator = separator
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        while let base = rest.baseAddress, rest.count > 0 {
            let length = memchr(base, Int32(separator), rest.count).map { UnsafeRawPointer($0) - base } ?? rest.count
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(length + 1))
            if length > 0 { return UnsafeRawBufferPointer(start: base, count: length) }
        }
        return nil
    }
}
