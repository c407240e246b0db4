import LazyTLB
import Reconstruction
import Replay
import TraceData

/// A replay of a kernel that does more shootdowns than the recorded one: a share of them is done twice, evenly spread over the recording.
///
/// What the second one finds on its receivers is what the schemes make of it; of the recorded kernel's own events the records are doubled. Or the records
/// alone: IPIs that are sent for nothing, of which no scheme would have sent one.
struct ExtraIPIs: StimulusSink, Sendable {
    private(set) var replay: Replay
    /// 0.1 is one more for every ten.
    let share: Double
    let recordsAlone: Bool
    private var sendsOwed = 0.0
    private var answersOwed = 0.0
    private var flushesOwed = 0.0
    /// The flush to be done again when that CPU's goes on.
    private var again: [Int: (Stimulus, Moment)] = [:]

    init(_ replay: Replay, share: Double, recordsAlone: Bool) {
        self.replay = replay
        self.share = share
        self.recordsAlone = recordsAlone
    }

    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        replay.apply(stimulus, at: moment)
        guard !recordsAlone, case .flushOthers(let cpu, _, _) = stimulus else { return }
        if Self.isDue(&flushesOwed, share) { again[cpu] = (stimulus, moment) }
    }

    mutating func complete(cpu: Int, at moment: Moment) {
        replay.complete(cpu: cpu, at: moment)
        guard let (stimulus, begun) = again.removeValue(forKey: cpu) else { return }
        replay.apply(stimulus, at: begun)
        replay.complete(cpu: cpu, at: moment)
    }

    mutating func completeUnsent(cpu: Int, at moment: Moment) {
        replay.completeUnsent(cpu: cpu, at: moment)
        guard let (stimulus, begun) = again.removeValue(forKey: cpu) else { return }
        replay.apply(stimulus, at: begun)
        replay.completeUnsent(cpu: cpu, at: moment)
    }

    mutating func recorded(_ record: Held) {
        replay.recorded(record)
        switch record.reason {
        case 4: if Self.isDue(&sendsOwed, share) { replay.recorded(record) }
        case 1: if Self.isDue(&answersOwed, share) { replay.recorded(record) }
        default: break
        }
    }

    private static func isDue(_ owed: inout Double, _ share: Double) -> Bool {
        owed += share
        guard owed >= 1 else { return false }
        owed -= 1
        return true
    }

    mutating func willRun(_ task: IncomingTask, cpu: Int) { replay.willRun(task, cpu: cpu) }
    mutating func clearLate() { replay.clearLate() }
    mutating func setBatch(_ batch: Batch, cpu: Int) { replay.setBatch(batch, cpu: cpu) }
    mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) { replay.observedMask(mm, word, at: moment) }
    mutating func mayBeDown(_ cpu: Int, at time: UInt64) { replay.mayBeDown(cpu, at: time) }
    mutating func marker(_ text: String, at moment: Moment) { replay.marker(text, at: moment) }
}
