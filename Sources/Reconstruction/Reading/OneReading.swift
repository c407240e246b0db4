import Dispatch
import Synchronization
import TraceData

/// Both passes in one reading of the trace, the second some thousand records behind the first.
///
/// What the second pass asks it is told as it looks by then (``Leader``). If one thing turns out to be different in the end, all that the second pass has done is thrown away
/// and it has to be made again, as ``Reconstruction/init(_:sink:evidence:kernel:workers:after:)`` does: so the result is the same, however it came about.
public enum OneReading<Sink: StimulusSink> {
    case done(Reconstruction<Sink>)
    /// The second pass is still to be made.
    case needsAnother(FirstPass)

    /// - Parameters:
    ///   - sink: needs no names of mms (``StimulusSink/willReplay(_:)``) and not what they are known from (``IncomingTask/basis``), which is not known for sure meanwhile.
    ///   - workers: threads that may work beside the caller's.
    /// - Returns: nil if the trace cannot be read so: what mms are is told by probe events, or not all of the life cycle is to be used. Where births do not show soon, or not with their flags, the first pass alone is made.
    public init?(_ file: TraceFile, sink: Sink, evidence level: EvidenceLevel, kernel: String? = nil, workers: Workers = Workers(jobs: 1)) throws(TraceError) {
        try self.init(file, sink: sink, evidence: level, kernel: kernel, workers: workers, pace: Leader.Pace())
    }

    init?(_ file: TraceFile, sink: Sink, evidence level: EvidenceLevel, kernel: String? = nil, workers: Workers = Workers(jobs: 1), pace: Leader.Pace) throws(TraceError) {
        guard level == .noProbes || level == .all && !file.hasProbes else { return nil }
        file.willBeRead(times: 1)
        let cpus = Reconstruction<Sink>.cpuCount(file)
        let rules = KernelRules(file, kernel: kernel)
        let known = file.birthRecordsEarly()
        guard known.births(by: level) == .withFlags else {
            self = .needsAnother(try FirstPass.make(file, cpus: cpus, rules: rules, by: level, births: known, on: workers.queues))
            return
        }
        let queues = workers.ahead
        let pool = pace.batch.map { BatchPool(capacity: $0) } ?? Lookaheads.pool(file, isConcurrent: !queues.isEmpty, readers: 2, in: workers.slab)
        var leader = try Leader(file, cpus: cpus, rules: rules, births: .withFlags, pace: pace, on: queues, pool: pool)
        let follower = Follower(sink, behind: leader, cpus: cpus, rules: rules, pool: pool)
        let road = Road(follower, behind: leader.ahead, on: workers.last)
        defer { road.end() }
        var goesOn = true
        while goesOn {
            goesOn = try leader.readOn()
            let told = max(known, leader.pass.walk.birthRecords)
            if told.births(by: level) != .withFlags {
                file.willBeRead(times: 1)
                self = .needsAnother(try FirstPass.make(file, cpus: cpus, rules: rules, by: level, births: told, on: workers.queues))
                return
            }
            while let stretch = leader.next() { road.follow(stretch) }
        }
        let first = FirstPass(leader, leader.conclusion(savedNames: file.commands), pool)
        road.end()
        if leader.isFollowed, let replay = follower.result(leader, first.classes) {
            self = .done(Reconstruction(replay, first, leader.ahead))
        } else {
            self = .needsAnother(first)
        }
    }
}

/// Where a ``Follower`` follows: here, or on another thread, and then not too far behind.
private final class Road<Sink: StimulusSink>: @unchecked Sendable {
    private let follower: Follower<Sink>
    private let ahead: Lookaheads
    private let queue: DispatchQueue?
    /// Room for stretches that wait, whose batches are kept meanwhile: for eight short ones, so that both threads seldom wait for one another, or four with large batches.
    private let room = DispatchSemaphore(value: 16)
    /// Stretches that are to be followed.
    private let waiting = Atomic(0)

    init(_ follower: Follower<Sink>, behind ahead: Lookaheads, on queue: DispatchQueue?) {
        (self.follower, self.ahead, self.queue) = (follower, ahead, queue)
        // It will be a while until there is anything to follow.
        queue?.async { [self] in help() }
    }

    func follow(_ stretch: Stretch) {
        guard let queue else { return follower.follow(stretch) }
        let taken = min(4, 1 + stretch.turns.count / Leader.Pace().stretch)
        for _ in 0..<taken { room.wait() }
        waiting.add(1, ordering: .relaxed)
        queue.async { [self] in
            follower.follow(stretch)
            for _ in 0..<taken { room.signal() }
            waiting.subtract(1, ordering: .relaxed)
            help()
        }
    }

    /// While nothing waits: whoever follows is faster than the one in front, then.
    private func help() { ahead.help { waiting.load(ordering: .relaxed) == 0 } }

    /// Waits until the follower has come to the end of what it was given.
    func end() { queue?.sync {} }
}
