import LazyTLB
import Reconstruction
import Replay
import TraceData

/// The replay of a window of the records, and how the recorded kernel's CPUs spend it: what a live summary is made of.
struct LiveWindow: StimulusSink {
    var replay: Replay
    private var timeline: Timeline<V413>
    private let times = Times()

    /// ns by state, of all CPUs.
    final class Times {
        var lazy: UInt64 = 0
        var unknown: UInt64 = 0
        var all: UInt64 = 0

        func add(_ interval: Interval) {
            let span = interval.end - interval.start
            all &+= span
            switch interval.state {
            case .lazy: lazy &+= span
            case .unknown: unknown &+= span
            case .user, .`init`: break
            }
        }
    }

    init(cpus: Int, start: UInt64, primary: String) {
        replay = Replay(cpus: cpus, primary: primary)
        timeline = Timeline(cpus: cpus, start: start, replaying: false, mms: nil) { [times] interval, _ in times.add(interval) }
    }

    mutating func clearLate() {
        replay.clearLate()
        timeline.clearLate()
    }

    mutating func willReplay(_ mms: MMTable) {
        replay.willReplay(mms)
        timeline.willReplay(mms)
    }

    mutating func willRun(_ task: IncomingTask, cpu: Int) {
        replay.willRun(task, cpu: cpu)
        timeline.willRun(task, cpu: cpu)
    }

    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        replay.apply(stimulus, at: moment)
        timeline.apply(stimulus, at: moment)
    }

    mutating func setBatch(_ batch: Batch, cpu: Int) {
        replay.setBatch(batch, cpu: cpu)
        timeline.setBatch(batch, cpu: cpu)
    }

    mutating func complete(cpu: Int, at moment: Moment) {
        replay.complete(cpu: cpu, at: moment)
        timeline.complete(cpu: cpu, at: moment)
    }

    mutating func completeUnsent(cpu: Int, at moment: Moment) {
        replay.completeUnsent(cpu: cpu, at: moment)
        timeline.completeUnsent(cpu: cpu, at: moment)
    }

    mutating func recorded(_ record: Held) { replay.recorded(record) }
    mutating func observedMask(_ mm: MM, _ word: UInt64, at moment: Moment) { replay.observedMask(mm, word, at: moment) }

    mutating func mayBeDown(_ cpu: Int, at time: UInt64) {
        replay.mayBeDown(cpu, at: time)
        timeline.mayBeDown(cpu, at: time)
    }

    mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) {
        replay.loaded(mm, cpu: cpu, at: time)
        timeline.loaded(mm, cpu: cpu, at: time)
    }

    /// The window ends.
    mutating func finish(at end: UInt64) -> Times {
        timeline.finish(at: end)
        return times
    }
}
