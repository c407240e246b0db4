@testable import Recording
import Testing

struct LossCountTests {
    /// As tracing_stats_read() of kernel/trace/trace.c prints it.
    @Test func `a CPU's losses are what was overwritten, what did not fit and what was dropped`() {
        let text = """
            entries: 100
            overrun: 1
            commit overrun: 2
            bytes: 4096
            oldest event ts:  2345.678901
            now ts:  2346.000000
            dropped events: 4
            read events: 8

            """
        let count = BufferCount(cpu: 3, text)
        #expect(count.lost == 7)
        #expect(count.readEvents == 8)
    }
}
