import Reconstruction
import TestSupport
import Testing

@testable import LazyTLB
@testable import Replay

/// What most stimuli are has functions of its own in a ``Replay``: they come to what the schemes' transitions and their comparison come to.
struct RunningTests {
    @Test(arguments: Array(1...16) as [UInt64], [false, true])
    func shortWaysComeToTheSame(seed: UInt64, clearsLate: Bool) throws {
        // Above 64 CPUs masks have more than a word. Xen's exits set the schemes apart.
        for (cpus, length) in [(4, 2000), (70, 600)] {
            var (short, long) = (Replay(cpus: cpus, divergenceLimit: 1000), Replay(cpus: cpus, divergenceLimit: 1000))
            if clearsLate {
                short.clearLate()
                long.clearLate()
            }
            for (number, step) in RandomHistory(seed: seed, cpus: cpus, length: length, xen: seed % 2 == 0).steps.enumerated() {
                let cpu = step.stimulus.cpu
                let moment = Moment(time: UInt64(1000 * number), cpu: cpu, pid: Int32(100 + cpu), cause: .tlbFlush)
                if let batch = step.batch {
                    short.setBatch(batch, cpu: cpu)
                    long.setBatch(batch, cpu: cpu)
                }
                short.apply(step.stimulus, at: moment)
                long.applyOther(step.stimulus, moment)
                for id in [V412.id, V413Parent.id, V413.id] {
                    let (one, other) = (short.effects(id), long.effects(id))
                    try #require(records(one) == records(other), "\(id): \(step.stimulus)")
                    try #require(one.flags == other.flags && one.delivery == other.delivery && one.warnings == other.warnings, "\(id): \(step.stimulus)")
                    try #require(short.targets(id, cpu) == long.targets(id, cpu), "\(id): \(step.stimulus)")
                }
            }
            try expectSame(short, long)
        }
    }

    private func records(_ effects: Effects) -> [FlushRecord] {
        var records: [FlushRecord] = []
        effects.forEachRecord { records.append($0) }
        return records
    }

    private func expectSame(_ short: Replay, _ long: Replay) throws {
        #expect(short.lastTime == long.lastTime)
        #expect(short.v412.scheme.counters == long.v412.scheme.counters)
        #expect(short.v413Parent.scheme.counters == long.v413Parent.scheme.counters)
        #expect(short.v413.scheme.counters == long.v413.scheme.counters)
        #expect(short.v412.predicted.differences(long.v412.predicted).isEmpty)
        #expect(short.v413Parent.predicted.differences(long.v413Parent.predicted).isEmpty)
        #expect(short.v413.predicted.differences(long.v413.predicted).isEmpty)
        #expect(short.v413.predicted.count(reason: 1) > 0)
        for (one, other) in zip(short.comparisons, long.comparisons) {
            #expect(one.counts == other.counts && one.staleNs == other.staleNs)
            #expect(one.extraIPITargets == other.extraIPITargets && one.missingIPITargets == other.missingIPITargets)
            #expect(one.divergences.map { String(describing: $0) } == other.divergences.map { String(describing: $0) })
        }
        #expect(Set(short.traffic.processes.keys) == Set(long.traffic.processes.keys))
        for (process, sums) in short.traffic.processes {
            let other = try #require(long.traffic.processes[process])
            #expect(sums.flushes == other.flushes && sums.targets == other.targets)
        }
        for sender in 0..<short.cpus { for receiver in 0..<short.cpus { #expect(short.traffic[sender, receiver] == long.traffic[sender, receiver]) } }
    }
}
