import LazyTLB
import Tables
import TraceData

/// The second pass behind a ``Leader``, through the same records, perhaps on another thread.
final class Follower<Sink: StimulusSink>: @unchecked Sendable {
    /// At an address of its own, so that every access is one.
    private let replay: UnsafeMutablePointer<InferredReconstruction<Sink>>
    private let ahead: Lookaheads
    private let sources: Flat<Lookahead>
    private let trails: [Trail]
    private let stretches: StretchPool
    private var hasBegun = false
    /// It could not go where the first pass went.
    private(set) var hasFailed = false

    init(_ sink: Sink, behind leader: Leader, cpus: Int, rules: KernelRules, pool: BatchPool) {
        trails = leader.ahead.all.map { _ in Trail(pool: pool) }
        ahead = Lookaheads(behind: leader.ahead, trails)
        sources = Flat(ahead.all)
        stretches = leader.stretches
        replay = .allocate(apart: 1)
        replay.initialize(
            to: InferredReconstruction(
                sink: sink, sources: ahead.all, cpus: cpus, rules: rules, findings: Findings(), births: .withFlags, start: leader.ahead.firstTime))
    }

    deinit {
        replay.deinitialize(count: 1)
        replay.deallocate()
    }

    func follow(_ stretch: Stretch) {
        for (source, batch) in stretch.batches { trails[source].batches.append(batch) }
        replay.pointee.findings.take(stretch.news)
        do throws(TraceError) {
            if !hasBegun { for source in sources { _ = try source.advance() } }
            hasBegun = true
            if stretch.turns.count > 0 { try take(stretch.turns) }
        } catch {
            hasFailed = true
        }
        stretches.give(stretch)
    }

    /// As ``Leader`` does.
    private func take(_ turns: FlatList<Turn>) throws(TraceError) {
        if sources.count <= Leader.fewSources { try takeOfFew(turns) } else { try takeOfMany(turns) }
    }

    @inline(never) private func takeOfFew(_ turns: FlatList<Turn>) throws(TraceError) {
        let (sources, end) = (sources.base, turns.base + turns.count)
        var place = turns.base
        var next = sources[Int(place.pointee.source)]
        while place < end {
            let source = next
            next = sources[Int(place[1].source)]
            replay.pointee.consume(source, place.pointee)
            _ = try source.advance()
            place += 1
        }
    }

    @inline(never) private func takeOfMany(_ turns: FlatList<Turn>) throws(TraceError) {
        let (sources, end) = (sources.base, turns.base + turns.count)
        var place = turns.base
        while place < end {
            sources[Int(place[Stretch.ahead].source)].ask()
            let later = place[24]
            if later.kind == .any { sources[Int(later.source)].askForHead() }
            replay.pointee.willConsume(later)
            let soon = place[12]
            replay.pointee.willConsumeSoon(soon, sources[Int(soon.source)].cpu)
            let source = sources[Int(place.pointee.source)]
            replay.pointee.consume(source, place.pointee)
            _ = try source.advance(asking: false)
            place += 1
        }
    }

    /// What came of it, at the end of the trace; nil if the first pass has told it something that is not what it has found in the end.
    func result(_ leader: Leader, _ classes: TaskClasses) -> InferredReconstruction<Sink>? {
        guard !hasFailed, replay.pointee.findings.agree(with: classes, leader.pass.walk.tasks) else { return nil }
        replay.pointee.finish(at: leader.ahead.lastTime, classes)
        return replay.pointee
    }
}
