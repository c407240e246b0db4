/// From a SEND_IPI record to the last record of a CPU that answered it, ns.
public struct ShootdownLatency: Sendable {
    public private(set) var histogram = Histogram()
    /// SEND_IPI records that no record of another CPU answers (its targets had nothing to do).
    public private(set) var unanswered = 0
    private var sentAt: [UInt64]
    private var lastAnswer: [UInt64]
    private var open: [Bool]

    init(cpus: Int) {
        sentAt = [UInt64](repeating: 0, count: cpus)
        lastAnswer = sentAt
        open = [Bool](repeating: false, count: cpus)
    }

    mutating func sent(_ cpu: Int, at time: UInt64) {
        complete(cpu)
        sentAt[cpu] = time
        lastAnswer[cpu] = 0
        open[cpu] = true
    }

    mutating func answered(_ sender: Int, by cpu: Int, at time: UInt64) {
        if open[sender] { lastAnswer[sender] = max(lastAnswer[sender], time) }
    }

    mutating func complete(_ cpu: Int) {
        guard open[cpu] else { return }
        open[cpu] = false
        if lastAnswer[cpu] >= sentAt[cpu], lastAnswer[cpu] > 0 { histogram.add(lastAnswer[cpu] - sentAt[cpu]) } else { unanswered += 1 }
    }
}
