import LazyTLB
import TestSupport
import Testing

/// Switches that change next to nothing, and flushes of the mm that a CPU runs, have ways of their own: they do what the usual way does.
struct QuickWaysTests {
    /// More than the histories have.
    private let mms = (0..<200).map { MM($0) }

    @Test(arguments: PropertyTests.seeds.prefix(12), [false, true])
    func `a stimulus on a way of its own is the stimulus`(seed: UInt64, clearsLate: Bool) throws {
        for model in Rig.types { try follow(model, RandomHistory(seed: seed, length: 1000, xen: seed % 2 == 0), clearsLate: clearsLate) }
    }

    private func follow<Model: Scheme>(_ model: Model.Type, _ history: RandomHistory, clearsLate: Bool) throws {
        var pair = Pair<Model>(clearsLate: clearsLate)
        for step in history.steps {
            let took = try pair.apply(step)
            try pair.expectSame(step.stimulus, mms: took ? mms : [])
        }
        let counts = pair.counts
        #expect(counts.lazy > 0 && counts.held > 0 && counts.moved > 0 && counts.flushes > 0 && counts.sends > 0 && counts.alone > 0 && counts.answers > 0, "\(counts)")
    }
}

/// A scheme that goes the usual way, and one that goes its own where it may.
private struct Pair<Model: Scheme> {
    private let machine = Machine(cpus: 4)
    private var plain = Model(cpus: 4)
    private var quick = Model(cpus: 4)
    private(set) var counts = (lazy: 0, held: 0, moved: 0, flushes: 0, sends: 0, alone: 0, answers: 0)

    init(clearsLate: Bool) { machine.clearsLate = clearsLate }

    /// Returns whether it went a way of its own.
    mutating func apply(_ step: RandomHistory.Step) throws -> Bool {
        let stimulus = step.stimulus
        let cpu = stimulus.cpu
        if let batch = step.batch { machine.batch[cpu] = batch }
        if let pid = step.incoming { machine.pid[cpu] = pid }
        var effects = Effects()
        let before = (quick.loadedMM(cpu), quick.bookedMM(cpu))
        plain.apply(stimulus, on: machine, &effects)
        var took = true
        var (records, flushed, sent, delivery): ([FlushRecord], Bool, Bool, Delivery) = ([], false, false, .notTarget)
        var moved: MM?
        switch stimulus {
        case .contextSwitch(_, .none):
            quick.contextSwitchToLazy(cpu, on: machine)
            counts.lazy += 1
        case .contextSwitch(_, let mm) where mm.isUser && quick.holds(cpu, mm, on: machine):
            quick.contextSwitchToHeld(cpu, on: machine)
            counts.held += 1
        case .contextSwitch(_, let mm) where mm.isUser && quick.leaves(cpu, for: mm, on: machine).isKnown:
            quick.contextSwitch(cpu, from: quick.leaves(cpu, for: mm, on: machine), to: mm, on: machine)
            records = [FlushRecord(reason: .taskSwitch, pages: Stimulus.flushAll)]
            moved = mm
            counts.moved += 1
        case .flushRange(_, let mm, let pages) where mm.isUser && quick.runs(cpu, mm, on: machine):
            quick.flushRangeOfRunning(cpu, pages)
            (records, flushed) = ([FlushRecord(reason: .localMMShootdown, pages: pages)], true)
            counts.flushes += 1
        case .flushOthers(_, let mm, let pages) where mm.isUser && quick.runs(cpu, mm, on: machine):
            let others = quick.othersWord(cpu, mm, 0)
            if others == 0 {
                quick.settle(cpu)
                counts.alone += 1
                break
            }
            let targets = others & machine.online.word(0, 0)
            quick.interrupt(targets, machine.receivers(targets), cpu, mm, pages)
            (records, sent) = ([FlushRecord(reason: .remoteSendIPI, pages: pages)], true)
            counts.sends += 1
        case .deliver(_, let sender) where quick.flushesRunning(cpu, from: sender):
            quick.deliverToRunning(cpu, from: sender)
            records = [FlushRecord(reason: .remoteShootdown, pages: quick.pages(sentBy: sender))]
            (flushed, delivery) = (true, .flushed)
            counts.answers += 1
        default:
            var others = Effects()
            quick.apply(stimulus, on: machine, &others)
            took = false
        }
        machine.apply(stimulus)
        guard took else { return false }
        try #require(effects.records == records, "\(stimulus)")
        try #require((effects.flushed, effects.sent, effects.delivery) == (flushed, sent, delivery), "\(stimulus)")
        try #require(effects.warnings.isEmpty && effects.cr3Load == (moved != nil) && !effects.redundantLoad && !effects.left && !effects.staleLeave, "\(stimulus)")
        // What is compared of the CPU stays as it is, or is the mm that it has gone on to.
        try #require((moved ?? before.0, moved ?? before.1) == (effects.loaded, effects.booked), "\(stimulus)")
        return true
    }

    func expectSame(_ stimulus: Stimulus, mms: [MM]) throws {
        try #require(plain.counters == quick.counters, "\(stimulus)")
        for cpu in 0..<4 {
            try #require(plain.loadedMM(cpu) == quick.loadedMM(cpu) && plain.bookedMM(cpu) == quick.bookedMM(cpu), "\(stimulus)")
            try #require(plain.state(cpu) == quick.state(cpu), "\(stimulus)")
            try #require(plain.targetWord(cpu, 0) == quick.targetWord(cpu, 0), "\(stimulus)")
            try #require(plain.pendingWord(cpu, 0) == quick.pendingWord(cpu, 0), "\(stimulus)")
        }
        let wrong = mms.first { plain.maskWord($0, 0) != quick.maskWord($0, 0) }
        try #require(wrong == nil, "\(stimulus)")
    }
}
