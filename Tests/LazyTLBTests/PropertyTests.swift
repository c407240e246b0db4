import LazyTLB
import TestSupport
import Testing
import TraceSynth

/// What holds in every history, tried on random ones. A failure names its seed.
struct PropertyTests {
    static let seeds: [UInt64] = Array(1...40)
    /// More than the histories have user mms.
    private let mms = (1..<100).map { MM($0) }

    /// Runs a history; `check` sees the rig after each step.
    private func run(_ history: RandomHistory, _ id: String, cpus: Int = 4, _ check: (RandomHistory.Step, Rig) throws -> Void) rethrows -> Rig {
        var rig = Rig(unknown: id, cpus: cpus)
        for step in history.steps {
            if let batch = step.batch { rig.machine.batch[step.stimulus.cpu] = batch }
            if let pid = step.incoming { rig.machine.pid[step.stimulus.cpu] = pid }
            rig.apply(step.stimulus)
            try check(step, rig)
        }
        return rig
    }

    @Test(arguments: seeds) func `the histories are not dull: every kind of stimulus and every effect occurs`(seed: UInt64) {
        let history = RandomHistory(seed: seed, length: 1500)
        let rig = run(history, V413Parent.id) { _, _ in }
        let counters = rig.counters
        for count in [counters.leaveMM, counters.ipiFlushed, counters.ipiLeft, counters.ipiIgnored, counters.ipiIdle, counters.ipiKernel, counters.localFlushes] { #expect(count > 0) }
        let downs = history.steps.count { if case .cpuDown = $0.stimulus { true } else { false } }
        #expect(downs > 0)
    }

    /// What lazy TLB is for: a task comes back to the mm that others without one have borrowed meanwhile. It either has it loaded still, or loads it again.
    @Test(arguments: all, seeds) func `who comes back to a borrowed mm saves a CR3 load, or loads it again`(id: String, seed: UInt64) {
        var rig = Rig(unknown: id)
        var (saved, again) = (0, 0)
        for step in RandomHistory(seed: seed, length: 1500).steps {
            if let batch = step.batch { rig.machine.batch[step.stimulus.cpu] = batch }
            let borrowed = rig.machine.mm.map { $0 == .none }
            let active = Array(rig.machine.activeMM)
            let effects = rig.apply(step.stimulus)
            guard case .contextSwitch(let cpu, let mm) = step.stimulus, mm.isUser, borrowed[cpu], active[cpu] == mm else { continue }
            if effects.cr3Load { again += 1 } else { saved += 1 }
        }
        #expect(saved + again > 0)
        #expect(rig.counters.savedLoads == saved)
        #expect(rig.counters.reloads == again)
    }

    @Test(arguments: all, seeds) func `invariants hold after every stimulus, and no WARN or BUG fires`(id: String, seed: UInt64) throws {
        let rig = try run(RandomHistory(seed: seed, xen: seed % 2 == 0), id) { step, rig in
            for cpu in 0..<4 { try #require(rig.scheme.brokenInvariant(cpu) == nil, "\(step.stimulus)") }
            try #require(rig.effects.warnings.isEmpty, "\(step.stimulus)")
        }
        #expect(rig.counters.warnings.allSatisfy { $0 == 0 })
        #expect(rig.counters.unknownSwitches == 0)
    }

    @Test(arguments: seeds) func `with late clearing too`(seed: UInt64) throws {
        for id in all {
            var rig = Rig(unknown: id)
            rig.machine.clearsLate = true
            for step in RandomHistory(seed: seed).steps {
                if let batch = step.batch { rig.machine.batch[step.stimulus.cpu] = batch }
                rig.apply(step.stimulus)
                for cpu in 0..<4 { try #require(rig.scheme.brokenInvariant(cpu) == nil, "\(id) \(step.stimulus)") }
                try #require(rig.effects.warnings.isEmpty, "\(id) \(step.stimulus)")
            }
        }
    }

    @Test(arguments: seeds) func `v4.13: a CPU is in a user mm's mask if and only if it has it loaded`(seed: UInt64) throws {
        _ = try run(RandomHistory(seed: seed), V413.id) { step, rig in
            let wrong = mms.first { mm in
                (0..<4).contains { (rig.scheme.loadedMM($0) == mm) != (rig.scheme.maskWord(mm, 0) & 1 << UInt64($0) != 0) }
            }
            try #require(wrong == nil, "\(step.stimulus)")
        }
    }

    @Test(arguments: all, seeds) func `after a switch to a task with an mm, CR3 and bookkeeping are that mm's`(id: String, seed: UInt64) throws {
        _ = try run(RandomHistory(seed: seed), id) { step, rig in
            switch step.stimulus {
            case .contextSwitch(let cpu, let mm), .exec(let cpu, let mm), .useMM(let cpu, let mm):
                guard mm.isUser else { return }
                try #require(rig.scheme.loadedMM(cpu) == mm)
                try #require(rig.scheme.bookedMM(cpu) == mm)
                try #require(rig.scheme.state(cpu) == .ok)
                try #require(rig.mask(mm).contains(cpu))
            default: return
            }
        }
    }

    @Test(arguments: all, seeds) func `once all IPIs are handled, each target flushed, left or ignored`(id: String, seed: UInt64) {
        let counters = run(RandomHistory(seed: seed), id) { _, _ in }.counters
        #expect(counters.ipiTargets == counters.ipiFlushed + counters.ipiLeft + counters.ipiIgnored)
        #expect(counters.ipiTargets > counters.ipiIdle + counters.ipiKernel)
    }

    /// Not so of v4.12, whose extra IPIs may make a CPU leave that the others keep: docs/verify.md.
    @Test(arguments: seeds) func `v4.13 interrupts no CPU that its parent does not`(seed: UInt64) throws {
        var rigs = [Rig(unknown: V413Parent.id), Rig(unknown: V413.id)]
        for step in RandomHistory(seed: seed).steps {
            let targets = rigs.indices.map { index in
                if let batch = step.batch { rigs[index].machine.batch[step.stimulus.cpu] = batch }
                rigs[index].apply(step.stimulus)
                return Set(rigs[index].targets(step.stimulus.cpu))
            }
            try #require(targets[1].isSubset(of: targets[0]), "\(step.stimulus) \(targets)")
        }
    }

    @Test(arguments: all, seeds) func `each CR3 load writes a TASK_SWITCH record`(id: String, seed: UInt64) {
        var records = 0
        let rig = run(RandomHistory(seed: seed), id) { _, rig in records += rig.records.count { $0.reason == .taskSwitch } }
        #expect(records == rig.counters.cr3Loads)
    }

    @Test(arguments: all, seeds) func `the effects name what is loaded and booked afterwards`(id: String, seed: UInt64) throws {
        _ = try run(RandomHistory(seed: seed), id) { step, rig in
            try #require(rig.effects.loaded == rig.scheme.loadedMM(step.stimulus.cpu))
            try #require(rig.effects.booked == rig.scheme.bookedMM(step.stimulus.cpu))
        }
    }

    @Test(arguments: all) func `the same history gives the same, twice`(id: String) {
        var records: [[[FlushRecord]]] = [[], []]
        var counters: [Counters] = []
        for turn in 0..<2 {
            counters.append(run(RandomHistory(seed: 7), id) { records[turn].append($1.records) }.counters)
        }
        #expect(records[0] == records[1])
        #expect(counters[0] == counters[1])
    }

    @Test(arguments: all, seeds) func `a CPU that is forgotten is as before once it has switched to a user task`(id: String, seed: UInt64) throws {
        let history = RandomHistory(seed: seed, length: 500)
        var kept = Rig(unknown: id)
        var forgot = Rig(unknown: id)
        // Forget a CPU right before it switches to a user task, with nothing under way.
        let from = history.steps.count / 2
        let at = history.steps[from...].firstIndex {
            if case .contextSwitch(_, let mm) = $0.stimulus { mm.isUser } else { false }
        }
        for (index, step) in history.steps.enumerated() {
            let cpu = step.stimulus.cpu
            if index == at { forgot.apply(.forget(cpu: cpu)) }
            if let batch = step.batch {
                kept.machine.batch[cpu] = batch
                forgot.machine.batch[cpu] = batch
            }
            kept.apply(step.stimulus)
            forgot.apply(step.stimulus)
            guard let at, index >= at else { continue }
            if index > at { try #require(forgot.records == kept.records, "\(step.stimulus)") }
            for cpu in 0..<4 {
                try #require(forgot.scheme.loadedMM(cpu) == kept.scheme.loadedMM(cpu))
                try #require(forgot.scheme.bookedMM(cpu) == kept.scheme.bookedMM(cpu))
                try #require(forgot.scheme.state(cpu) == kept.scheme.state(cpu))
            }
            let wrong = mms.first { forgot.scheme.maskWord($0, 0) != kept.scheme.maskWord($0, 0) }
            try #require(wrong == nil, "\(step.stimulus)")
        }
        #expect(at != nil)
        #expect(forgot.counters.unknownSwitches == 1)
    }

    @Test(arguments: [NaiveKernel.Generation.v412, .parent, .v413], seeds)
    func `the models do what a literal reading of the kernel does`(generation: NaiveKernel.Generation, seed: UInt64) throws {
        let cpus = seed % 4 == 0 ? 70 : 4
        let history = RandomHistory(seed: seed, cpus: cpus, length: 500)
        var naive = NaiveKernel(generation, cpus: cpus)
        let id = generation == .v412 ? V412.id : generation == .parent ? V413Parent.id : V413.id
        let rig = try run(history, id, cpus: cpus) { step, rig in
            let cpu = step.stimulus.cpu
            naive.apply(step.stimulus, batch: step.batch, toIdle: step.incoming == 0)
            try #require(naive.log == rig.records, "\(step.stimulus)")
            try #require(naive.cpu[cpu].cr3 == rig.scheme.loadedMM(cpu), "\(step.stimulus)")
            try #require(naive.cpu[cpu].tlb == rig.scheme.bookedMM(cpu), "\(step.stimulus)")
            try #require(naive.cpu[cpu].state == rig.scheme.state(cpu), "\(step.stimulus)")
            try #require(naive.cpu[cpu].taskActive == rig.machine.activeMM[cpu], "\(step.stimulus)")
            try #require(naive.cpu[cpu].pending.sorted == rig.pending(cpu), "\(step.stimulus)")
            let wrong = naive.masks.enumerated().first { mm, mask in
                (0...(cpus - 1) / 64).contains { rig.scheme.maskWord(MM(Int32(mm)), $0) != mask.word($0) }
            }
            try #require(wrong == nil, "\(step.stimulus)")
        }
        #expect(naive.counts == NaiveCounts(rig.counters))
        #expect(naive.bugs == 0)
    }
}

extension NaiveCounts {
    /// The same of a model.
    init(_ counters: Counters) {
        self.init()
        contextSwitches = counters.contextSwitches
        cr3Loads = counters.cr3Loads
        leaveMM = counters.leaveMM
        ipiSends = counters.ipiSends
        ipiTargets = counters.ipiTargets
        ipiFlushed = counters.ipiFlushed
        ipiLeft = counters.ipiLeft
        ipiIgnored = counters.ipiIgnored
        ipiIdle = counters.ipiIdle
        ipiKernel = counters.ipiKernel
        localFlushes = counters.localFlushes
        vmstat = counters.vmstat
    }
}
