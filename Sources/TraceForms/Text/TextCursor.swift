import Glibc

/// A place in a run of bytes of a text, which is read from the left. No step goes beyond the end.
struct TextCursor {
    var next: UnsafePointer<UInt8>
    let end: UnsafePointer<UInt8>

    init(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        next = start
        self.end = end
    }

    var isAtEnd: Bool { next >= end }
    var count: Int { end - next }

    @inline(__always)
    var byte: UInt8? { next < end ? next.pointee : nil }

    @inline(__always)
    mutating func skipSpaces() { while next < end, next.pointee == 0x20 { next += 1 } }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard next < end, next.pointee == byte else { return false }
        next += 1
        return true
    }

    @inline(__always)
    mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard end - next >= count, memcmp(next, word.utf8Start, count) == 0 else { return false }
        next += count
        return true
    }

    /// Takes a number of at least one digit; nil if there is none, or one that 64 bits do not hold.
    @inline(__always)
    mutating func decimal() -> UInt64? {
        var value: UInt64 = 0
        let start = next
        while next < end {
            let digit = next.pointee &- 0x30
            guard digit < 10 else { break }
            // Up to 19 digits always fit.
            if next - start < 19 {
                value = value &* 10 &+ UInt64(digit)
            } else {
                let (product, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
                if overflow || carry { return nil }
                value = sum
            }
            next += 1
        }
        return next > start ? value : nil
    }

    /// Takes a decimal number that may have a minus sign.
    @inline(__always)
    mutating func signed() -> Int64? {
        let isNegative = take(UInt8(ascii: "-"))
        guard let value = decimal() else { return nil }
        if isNegative { return value <= UInt64(1) << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return Int64(exactly: value)
    }

    /// Takes a hexadecimal number without 0x, of at most 64 bits.
    @inline(__always)
    mutating func hex() -> UInt64? {
        var value: UInt64 = 0
        let start = next
        while next < end, let digit = hexDigit(next.pointee) {
            guard value >> 60 == 0 else { return nil }
            value = value << 4 | UInt64(digit)
            next += 1
        }
        return next > start ? value : nil
    }

    /// Takes a number as kprobe events print it: 0x and hexadecimal, or decimal with a sign. Its 64 bits.
    @inline(__always)
    mutating func number() -> (value: UInt64, isHex: Bool)? {
        if end - next > 2, next[0] == 0x30, next[1] == UInt8(ascii: "x") {
            next += 2
            return hex().map { ($0, true) }
        }
        if byte == UInt8(ascii: "-") { return signed().map { (UInt64(bitPattern: $0), false) } }
        return decimal().map { ($0, false) }
    }
}

/// A place in a run of bytes of a text, which is read from the right: names of tasks may hold anything, what follows them may not.
struct BackwardCursor {
    let start: UnsafePointer<UInt8>
    var end: UnsafePointer<UInt8>

    init(_ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>) {
        self.start = start
        self.end = end
    }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard end > start, (end - 1).pointee == byte else { return false }
        end -= 1
        return true
    }

    @inline(__always)
    mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard end - start >= count, memcmp(end - count, word.utf8Start, count) == 0 else { return false }
        end -= count
        return true
    }

    /// Takes a decimal number that may have a minus sign.
    @inline(__always)
    mutating func signed() -> Int64? {
        let last = end
        while end > start, (end - 1).pointee &- 0x30 < 10 { end -= 1 }
        var digits = TextCursor(end, last)
        guard let value = digits.decimal() else { return nil }
        if take(UInt8(ascii: "-")) { return value <= UInt64(1) << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return Int64(exactly: value)
    }

    /// Takes a decimal number of 32 bits.
    @inline(__always)
    mutating func int32() -> Int32? { signed().flatMap { Int32(exactly: $0) } }

    /// Takes what has no space in it, at least one byte.
    @inline(__always)
    mutating func word() -> TextCursor? {
        let last = end
        while end > start, (end - 1).pointee != 0x20 { end -= 1 }
        return end < last ? TextCursor(end, last) : nil
    }

    /// Takes a hexadecimal number, with or without 0x.
    mutating func hex() -> UInt64? {
        let last = end
        while end > start, hexDigit((end - 1).pointee) != nil { end -= 1 }
        var digits = TextCursor(end, last)
        guard let value = digits.hex() else { return nil }
        if end - start >= 2, end[-1] == UInt8(ascii: "x"), end[-2] == 0x30 { end -= 2 }
        return value
    }
}

@inline(__always)
private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x61 + 10
    case 0x41...0x46: byte - 0x41 + 10
    default: nil
    }
}
