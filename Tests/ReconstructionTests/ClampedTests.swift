import Tables
import Testing

struct ClampedTests {
    @Test func `a count of 32 bits stays at the largest number, and does not begin again`() {
        var count = UInt32.max - 1
        count.addClamped(1)
        #expect(count == .max)
        count.addClamped(4)
        #expect(count == .max)
        var sum: UInt64 = 1
        sum.addClamped(.max)
        #expect(sum == .max)
    }
}
