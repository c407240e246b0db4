import LazyTLB
import TestSupport
import Testing

/// One of the two old schemes is run for both until ``V413Parent/differs(from:at:on:)`` tells them apart.
struct PartingTests {
    @Test(arguments: PropertyTests.seeds, [false, true])
    func `where the old schemes are not told apart they do the same`(seed: UInt64, clearsLate: Bool) throws {
        let machine = Machine(cpus: 4)
        machine.clearsLate = clearsLate
        var (older, parent) = (V412(cpus: 4), V413Parent(cpus: 4))
        var (first, second) = (Effects(), Effects())
        var partings = 0
        for step in RandomHistory(seed: seed, xen: seed % 2 == 0).steps {
            if let batch = step.batch { machine.batch[step.stimulus.cpu] = batch }
            let differs = V413Parent.differs(from: older, at: step.stimulus, on: machine)
            first.reset()
            second.reset()
            older.apply(step.stimulus, on: machine, &first)
            parent.apply(step.stimulus, on: machine, &second)
            machine.apply(step.stimulus)
            if differs {
                // On from here as one again, in tables of its own.
                partings += 1
                parent = V413Parent(older)
                continue
            }
            try #require(first.records == second.records, "\(step.stimulus)")
            try #require(first.flushed == second.flushed && first.left == second.left && first.sent == second.sent, "\(step.stimulus)")
            try #require(first.redundantLoad == second.redundantLoad && first.staleLeave == second.staleLeave, "\(step.stimulus)")
            try #require(first.delivery == second.delivery && first.warnings == second.warnings, "\(step.stimulus)")
            try #require(older.counters == parent.counters, "\(step.stimulus)")
            for cpu in 0..<4 {
                try #require(older.loadedMM(cpu) == parent.loadedMM(cpu) && older.bookedMM(cpu) == parent.bookedMM(cpu), "\(step.stimulus)")
                try #require(older.state(cpu) == parent.state(cpu), "\(step.stimulus)")
                try #require(older.targetWord(cpu, 0) == parent.targetWord(cpu, 0), "\(step.stimulus)")
                try #require(older.pendingWord(cpu, 0) == parent.pendingWord(cpu, 0), "\(step.stimulus)")
            }
            for mm in (0..<100).map({ MM($0) }) { try #require(older.maskWord(mm, 0) == parent.maskWord(mm, 0), "\(step.stimulus)") }
        }
        #expect(partings > 0)
    }

    /// v4.12 flushes for a batch whatever its state, v4.13-parent asks for that first.
    @Test func `where an mm is not known a batch parts the old schemes`() {
        let machine = Machine(cpus: 1)
        var older = V412(cpus: 1)
        var effects = Effects()
        for stimulus in [Stimulus.cpuUp(cpu: 0), .user(0, a), .user(0, .unknown)] {
            effects.reset()
            older.apply(stimulus, on: machine, &effects)
            machine.apply(stimulus)
        }
        var batch = Batch(cpus: 1)
        batch.others.insert(0, 0)
        machine.batch[0] = batch
        #expect(V413Parent.differs(from: older, at: .batchLocal(cpu: 0), on: machine))
    }
}
