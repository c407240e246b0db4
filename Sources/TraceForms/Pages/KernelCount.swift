import TraceWriting

/// What the kernel counted of a CPU's records (per_cpu/cpuN/stats), held against what was copied of them.
struct KernelCount {
    /// Records that were in the buffer.
    var entries: UInt64 = 0
    /// Records that had been read out of it.
    var read: UInt64 = 0

    init(_ text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard parts.count == 2, let number = UInt64(String(decoding: parts[1].drop { $0 == 0x20 || $0 == 9 }, as: UTF8.self)) else { continue }
            if parts[0].elementsEqual("entries".utf8) { entries = number }
            if parts[0].elementsEqual("read events".utf8) { read = number }
        }
    }

    /// So many records the kernel had, and the copy lacks; nil if nothing says so.
    ///
    /// Reading takes records from `entries` to `read`, so that their sum is the same before and after it. If `entries` alone is what was copied (and it is not 0), `stats` was
    /// looked at before, and what had been read by then was another reader's.
    func missing(copied: UInt64) -> UInt64? {
        guard copied != entries || copied == 0 else { return nil }
        let (sum, overflow) = entries.addingReportingOverflow(read)
        let all = overflow ? .max : sum
        return all > copied ? all - copied : nil
    }

    /// The records in raw sub-buffers, by their headers; nil if they are damaged, of which those who read them tell more.
    ///
    /// - Complexity: O(*n*) in the number of records.
    static func records(in bytes: UnsafeRawBufferPointer, _ geometry: SubbufferGeometry) -> UInt64? {
        func word(_ place: Int) -> UInt32 {
            let raw = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
            return geometry.bigEndian ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw)
        }
        let header = 8 + geometry.longSize
        var count: UInt64 = 0
        for page in stride(from: 0, to: bytes.count, by: geometry.size) {
            guard bytes.count - page >= header else { return nil }
            // The length is in the low bits of a long, above it are marks.
            let length = Int(word(page + 8 + (geometry.bigEndian ? geometry.longSize - 4 : 0)) & 0x7ff_ffff)
            var place = page + header
            let end = place + length
            guard end <= min(bytes.count, page + geometry.size) else { return nil }
            while end - place >= 4 {
                let head = word(place)
                let type = geometry.bigEndian ? head >> 27 : head & 31
                if 1...28 ~= type {
                    (place, count) = (place + 4 + Int(type) * 4, count + 1)
                    continue
                }
                // Nothing follows.
                if type == 29, (geometry.bigEndian ? head & 0x7ff_ffff : head >> 5) == 0 { place = end }
                guard place < end else { break }
                guard end - place >= 8 else { return nil }
                switch type {
                case 0:
                    (place, count) = (place + 4 + ((Int(word(place + 4)) + 3) & ~3), count + 1)
                case 29: place += 4 + Int(word(place + 4))
                default: place += 8
                }
            }
            guard place == end else { return nil }
        }
        return count
    }
}
