import LazyTLB
import Testing

/// Masks of more than one word.
struct ManyCPUsTests {
    @Test(arguments: all) func `IPIs reach CPUs 63, 64 and 511, and not the sender`(id: String) {
        var rig = Rig(id, cpus: 512)
        for cpu in [0, 63, 64, 127, 128, 511] { rig.apply(.user(cpu, a)) }
        rig.apply(.user(65, b), .kernel(64))
        #expect(rig.mask(a) == [0, 63, 64, 127, 128, 511])
        #expect(rig.flush(63, a) == [0, 64, 127, 128, 511])
        #expect(rig.counters.ipiTargets == 5)
        #expect(rig.counters.ipiFlushed == 4)
        #expect(rig.counters.ipiLeft == 1)
        #expect(rig.mask(a) == [0, 63, 127, 128, 511])
    }

    @Test(arguments: all) func `a sender beyond CPU 63 counts itself out of its own word only`(id: String) {
        var rig = Rig(id, cpus: 130)
        rig.apply(.user(129, a), .flushOthers(cpu: 129, mm: a, pages: 1))
        #expect(!rig.effects.sent)
        rig.apply(.user(1, a), .user(65, a))
        #expect(rig.flush(129, a) == [1, 65])
    }

    @Test(arguments: all) func `batches span words`(id: String) {
        var rig = Rig(id, cpus: 200)
        rig.apply(.user(3, a), .user(70, b), .user(199, b))
        rig.setBatch(3, a, b, others: [130])
        rig.apply(.batchLocal(cpu: 3), .batchOthers(cpu: 3))
        #expect(rig.targets(3) == [70, 130, 199])
    }

    @Test(arguments: all) func `the high CPUs go down and up`(id: String) {
        var rig = Rig(id, cpus: 512)
        rig.apply(.user(0, a), .user(511, a), .kernel(511), .offline(cpu: 511), .cpuDown(cpu: 511))
        #expect(rig.flush(0, a) == [])
        rig.apply(.cpuUp(cpu: 511), .user(511, a))
        #expect(rig.flush(0, a) == [511])
    }
}

struct MaskTableTests {
    @Test(arguments: [1, 63, 64, 65, 128, 512]) func `rows do not touch each other`(cpus: Int) {
        var table = MaskTable(cpus: cpus, rows: 1)
        for row in [0, 5, 100] { table.insert(cpus - 1, row) }
        table.remove(cpus - 1, 5)
        #expect(table.cpus(0) == [cpus - 1])
        #expect(table.cpus(5) == [])
        #expect(table.cpus(4) == [])
        #expect(table.cpus(100) == [cpus - 1])
        #expect(table.count(100) == 1)
        #expect(table.stride == (cpus + 63) / 64)
    }

    @Test func `rows that were never written to are empty`() {
        var table = MaskTable(cpus: 100, rows: 1)
        #expect(table.word(1000, 1) == 0)
        #expect(!table.contains(99, 1000))
        table.remove(99, 1000)
        table.setWord(1000, 1, 0)
        table.setWord(3, 1, 1)
        #expect(table.cpus(3) == [64])
    }
}
