import LazyTLB
import Testing

/// The two switches that change next to nothing have ways of their own: they do what the usual way does.
struct QuickSwitchTests {
    /// More than the histories have.
    private let mms = (0..<200).map { MM($0) }

    @Test(arguments: PropertyTests.seeds.prefix(12), [false, true])
    func `a switch on a way of its own is a switch`(seed: UInt64, clearsLate: Bool) throws {
        for model in Rig.types { try follow(model, RandomHistory(seed: seed, length: 1000, xen: seed % 2 == 0), clearsLate: clearsLate) }
    }

    private func follow<Model: Scheme>(_ model: Model.Type, _ history: RandomHistory, clearsLate: Bool) throws {
        let machine = Machine(cpus: 4)
        machine.clearsLate = clearsLate
        var (plain, quick) = (Model(cpus: 4), Model(cpus: 4))
        var (effects, others) = (Effects(), Effects())
        var (lazy, held) = (0, 0)
        for step in history.steps {
            let cpu = step.stimulus.cpu
            if let batch = step.batch { machine.batch[cpu] = batch }
            effects.reset()
            others.reset()
            plain.apply(step.stimulus, on: machine, &effects)
            switch step.stimulus {
            case .contextSwitch(_, .none):
                let before = (quick.loadedMM(cpu), quick.bookedMM(cpu))
                quick.contextSwitchToLazy(cpu, on: machine)
                try #require(before == (effects.loaded, effects.booked), "\(step.stimulus)")
                try expectNothing(effects)
                lazy += 1
            case .contextSwitch(_, let mm) where mm.isUser && quick.holds(cpu, mm, on: machine):
                quick.contextSwitchToHeld(cpu)
                try #require(effects.loaded == mm && effects.booked == mm, "\(step.stimulus)")
                try expectNothing(effects)
                held += 1
            default: quick.apply(step.stimulus, on: machine, &others)
            }
            machine.apply(step.stimulus)
            try #require(plain.counters == quick.counters, "\(step.stimulus)")
            for cpu in 0..<4 {
                try #require(plain.loadedMM(cpu) == quick.loadedMM(cpu) && plain.bookedMM(cpu) == quick.bookedMM(cpu), "\(step.stimulus)")
                try #require(plain.state(cpu) == quick.state(cpu), "\(step.stimulus)")
                try #require(plain.targetWord(cpu, 0) == quick.targetWord(cpu, 0), "\(step.stimulus)")
                try #require(plain.pendingWord(cpu, 0) == quick.pendingWord(cpu, 0), "\(step.stimulus)")
            }
            guard case .contextSwitch = step.stimulus else { continue }
            let wrong = mms.first { plain.maskWord($0, 0) != quick.maskWord($0, 0) }
            try #require(wrong == nil, "\(step.stimulus)")
        }
        #expect(lazy > 0 && held > 0)
    }

    private func expectNothing(_ effects: Effects) throws {
        try #require(effects.records.isEmpty && effects.warnings.isEmpty)
        try #require(!effects.cr3Load && !effects.redundantLoad && !effects.left && !effects.flushed && !effects.sent && !effects.staleLeave)
    }
}
