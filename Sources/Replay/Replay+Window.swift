import LazyTLB
import Reconstruction

/// A window of a trace: what is before it has brought the schemes where they are, and is not counted.
extension Replay {
    /// Forgets all counts, and nothing of what the schemes are in.
    ///
    /// A flush that is under way belongs to the window by what its targets do in it: they count as targets, since each of those is flushed, left or ignored in the end, but
    /// the flush is in no table of senders, and its latency is not measured. What has begun before and goes on (``Divergence/Kind/staleActiveMM``) counts from here on.
    public mutating func beginWindow(at time: UInt64) {
        lastTime = time
        // New ones: what drives the replay from another thread may still count in the old ones.
        (recorded, common) = (FlushTally(cpus: cpus), FlushTally(cpus: cpus))
        v412.beginWindow(common, outstanding: outstandingTargets(v412))
        v413.beginWindow(common, outstanding: outstandingTargets(v413))
        if haveParted { parent.beginWindow(common, outstanding: outstandingTargets(parent)) }
        besideV412.beginWindow(at: time)
        if haveParted { besideParent.beginWindow(at: time) }
        (masks, marks, marksOmitted) = (0, [], 0)
        traffic = IPITraffic(cpus: cpus, primary: traffic.primary)
        latency = ShootdownLatency(cpus: cpus)
        times.beginWindow(at: time)
    }

    /// CPUs that have not handled an IPI yet, summed over the flushes under way.
    private func outstandingTargets<Model: Scheme>(_ lane: Lane<Model>) -> Int {
        var count = 0
        for cpu in 0..<cpus { for index in 0..<stride { count += lane.scheme.pendingWord(cpu, index).nonzeroBitCount } }
        return count
    }
}
