import Tables

/// From a SEND_IPI record to the last record of a CPU that answered it, ns.
public struct ShootdownLatency: Sendable {
    public private(set) var histogram = Histogram()
    /// SEND_IPI records that no record of another CPU answers (its targets had nothing to do).
    public private(set) var unanswered = 0
    private let sentAt: Flat<UInt64>
    private let lastAnswer: Flat<UInt64>
    private let open: Flat<Bool>

    init(cpus: Int) {
        sentAt = Flat(repeating: 0, count: cpus)
        lastAnswer = Flat(repeating: 0, count: cpus)
        open = Flat(repeating: false, count: cpus)
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
