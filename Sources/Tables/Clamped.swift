/// Sums of what a file states: it may be anything, and a sum that is too large must neither trap nor begin again at zero.
extension UInt64 {
    /// Adds up to the largest number there is, and stays there.
    @inlinable @inline(__always)
    public mutating func addClamped(_ more: UInt64) {
        let (sum, overflow) = addingReportingOverflow(more)
        self = overflow ? .max : sum
    }
}
