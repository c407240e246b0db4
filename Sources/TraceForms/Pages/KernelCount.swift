/// What the kernel counted of a CPU's records (per_cpu/cpuN/stats), held against what was copied of them.
struct KernelCount {
    /// Records that were in the buffer.
    let entries: UInt64
    /// Records that had been read out of it.
    let read: UInt64

    /// nil if the text does not have both, as what was cut off, or is another file.
    init?(_ text: [UInt8]) {
        var (entries, read): (UInt64?, UInt64?)
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard parts.count == 2, let number = UInt64(String(decoding: parts[1].drop { $0 == 0x20 || $0 == 9 }, as: UTF8.self)) else { continue }
            if parts[0].elementsEqual("entries".utf8) { entries = number }
            if parts[0].elementsEqual("read events".utf8) { read = number }
        }
        guard let entries, let read else { return nil }
        (self.entries, self.read) = (entries, read)
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
}
