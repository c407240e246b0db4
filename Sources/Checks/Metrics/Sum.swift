/// The sum of counts, or the largest number that there is if that is less: anybody can have written a report.
func sum(_ counts: some Sequence<Int>) -> Int {
    counts.reduce(0) { sum, count in
        let (result, overflow) = sum.addingReportingOverflow(count)
        return overflow ? .max : result
    }
}
