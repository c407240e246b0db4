import Tables

/// From a SEND_IPI record to the last record of a CPU that answered it, ns.
public struct ShootdownLatency: Sendable {
    public private(set) var histogram = Histogram()
    /// SEND_IPI records that no record of another CPU answers (its targets had nothing to do).
    public private(set) var unanswered = 0
    /// SEND_IPI records of which the trace does not tell all answers: it ends, or records are lost, before their sender goes on.
    public private(set) var cut = 0
    private let sentAt: Flat<UInt64>
    private let lastAnswer: Flat<UInt64>
    private let open: Flat<Bool>
    /// Records of some CPU are lost since it was sent.
    private let hasGap: Flat<Bool>

    init(cpus: Int) {
        sentAt = Flat(repeating: 0, count: cpus)
        lastAnswer = Flat(repeating: 0, count: cpus)
        open = Flat(repeating: false, count: cpus)
        hasGap = Flat(repeating: false, count: cpus)
    }

    mutating func sent(_ cpu: Int, at time: UInt64) {
        complete(cpu)
        sentAt[cpu] = time
        lastAnswer[cpu] = 0
        open[cpu] = true
        hasGap[cpu] = false
    }

    mutating func answered(_ sender: Int, by cpu: Int, at time: UInt64) {
        if open[sender] { lastAnswer[sender] = max(lastAnswer[sender], time) }
    }

    mutating func complete(_ cpu: Int) {
        guard open[cpu] else { return }
        open[cpu] = false
        if hasGap[cpu] {
            cut += 1
        } else if lastAnswer[cpu] >= sentAt[cpu], lastAnswer[cpu] > 0 { histogram.add(lastAnswer[cpu] - sentAt[cpu]) } else { unanswered += 1 }
    }

    /// Records of a CPU are lost: it may have answered any flush that is under way.
    mutating func lose() {
        for cpu in open.indices where open[cpu] { hasGap[cpu] = true }
    }

    /// The records of a flush's sender end, or are lost.
    mutating func cutOff(_ cpu: Int) {
        guard open[cpu] else { return }
        open[cpu] = false
        cut += 1
    }
}
