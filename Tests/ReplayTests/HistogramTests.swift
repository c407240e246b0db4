import Replay
import Testing
import TraceSynth

struct HistogramTests {
    private static let shares = [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1]

    /// The smallest value that at least `share` of all do not exceed.
    private func exact(_ sorted: [UInt64], _ share: Double) -> UInt64 {
        sorted[max(1, Int((Double(sorted.count) * share).rounded(.up))) - 1]
    }

    @Test(arguments: 1...20) func `percentiles are within 1.6 % of the exact ones`(seed: Int) {
        var generator = SplitMix64(seed: UInt64(seed))
        // Durations over many orders of magnitude.
        let values = (0..<2000).map { _ in UInt64.random(in: 0...UInt64.max, using: &generator) >> UInt64.random(in: 0..<64, using: &generator) }
        var histogram = Histogram()
        for value in values { histogram.add(value) }
        let sorted = values.sorted()
        for share in HistogramTests.shares {
            let want = Double(exact(sorted, share))
            let got = Double(histogram.percentile(share)!)
            // As many values as that do not exceed it.
            #expect(got >= want && got - want <= want * 0.016, "\(share)")
        }
        #expect(histogram.count == 2000)
        #expect(histogram.min == sorted.first)
        #expect(histogram.max == sorted.last)
        // Durations as large as these would sum up to more than there is.
        #expect(histogram.sum == values.reduce(0) { $0.addingReportingOverflow($1).overflow ? .max : $0 &+ $1 })
    }

    @Test func `values below 128 are exact`() {
        var histogram = Histogram()
        for value: UInt64 in 0..<128 { histogram.add(value) }
        #expect(histogram.percentile(0.5) == 63)
        #expect(histogram.percentile(0) == 0)
        #expect(histogram.percentile(1) == 127)
    }

    @Test(arguments: [0, 1, 63, 64, 65, 1000, UInt64.max]) func `a single value is its own percentile`(value: UInt64) {
        var histogram = Histogram()
        histogram.add(value)
        for share in HistogramTests.shares { #expect(histogram.percentile(share) == value) }
    }

    @Test func `without values there is no percentile`() {
        #expect(Histogram().percentile(0.5) == nil)
    }
}
