/// Sums of what a file states, and counts that are kept small: a sum that is too large must neither trap nor begin again at zero.
extension UnsignedInteger where Self: FixedWidthInteger {
    /// Adds up to the largest number there is, and stays there.
    @inlinable @inline(__always)
    public mutating func addClamped(_ more: Self) {
        let (sum, overflow) = addingReportingOverflow(more)
        self = overflow ? .max : sum
    }
}
