import Foundation
@testable import Reconstruction
import Testing
import TraceData
import TraceSynth

/// The way on which nearly all switches go does what the other one would do with them.
struct UsualSwitchTests {
    @Test(arguments: Recordings.all, [Births.withFlags, .withoutFlags, .untold]) func `in recordings`(path: String, births: Births) throws {
        let file = try TraceFile(path: path)
        let compared = try compare(Lookaheads(file, probes: false), cpus: (file.cpusWithData.last ?? 0) + 1, KernelRules(release: file.kernelRelease), births: births)
        #expect(compared.all < 1000 || compared.usual * 2 > compared.all, "\(compared)")
    }

    /// Of a hundred thousand tasks each look at one takes a line from memory.
    @Test func `what it looks at of a task lies in one cache line`() throws {
        #expect(MemoryLayout<TaskNode>.stride == 128)
        for (field, length) in [(\TaskNode.pid as PartialKeyPath<TaskNode>, 4), (\.switches, 4), (\.userEvidence, 4), (\.isUsual, 1), (\.uncutComm, 16)] {
            let offset = try #require(MemoryLayout<TaskNode>.offset(of: field))
            #expect(offset + length <= 64, "\(field)")
        }
    }

    @Test(arguments: 1...UInt64(60), ["4.12.0", "4.19.0", "6.1.0"]) func `in histories that are anything but usual`(seed: UInt64, release: String) throws {
        for births in [Births.withFlags, .untold] {
            let compared = try compare(history(seed, release).sources, cpus: 2, KernelRules(release: release), births: births)
            #expect(compared.usual > 5 && compared.all - compared.usual > 20, "\(compared)")
        }
    }

    /// Tasks that fork, exec, rename themselves, die, and lose records. Few pids, so that they come again.
    private func history(_ seed: UInt64, _ release: String) -> Script {
        var random = SplitMix64(seed: seed)
        func roll(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
        var script = Script(release)
        let names: [Comm] = ["a", "b", "kworker/0:1", "migration/0"]
        script.name(3, "ksoftirqd/0")
        for _ in 0..<500 {
            let cpu = roll(2)
            switch roll(16) {
            case 0: script.fork(Int32(4 + roll(6)), flags: [0, Script.vm, Script.vm | Script.vfork, Script.vm | Script.thread][roll(4)], on: cpu)
            case 1: script.exec(names[roll(4)], on: cpu, recordsLoad: roll(3) > 0)
            case 2: if roll(4) == 0 { script.exit(on: cpu) }
            case 3: script.lose(UInt64(roll(3)), on: cpu)
            case 4: script.flush(.taskSwitch, on: cpu)
            case 5: script.flush(.localMM, on: cpu)
            case 6: script.name(Int32(4 + roll(6)), names[roll(4)])
            case 7: script.run(Int32(roll(10)), on: cpu, loads: roll(2) == 0, state: [0x10, 0x20, 0x40][roll(3)])
            case 8: script.run(Int32(roll(10)), on: cpu, loads: roll(2) == 0, from: Int32(roll(10)))
            default: script.run(Int32(roll(10)), on: cpu, loads: roll(2) == 0)
            }
        }
        return script
    }

    private func compare(_ ahead: Lookaheads, cpus: Int, _ rules: KernelRules, births: Births) throws -> (usual: Int, all: Int) {
        var merge = TimeMerge(ahead.all)
        var plain = TraceWalk(cpus: cpus, rules: rules, births: births)
        var quick = TraceWalk(cpus: cpus, rules: rules, births: births)
        var (usual, all) = (0, 0)
        while try merge.next() {
            let source = merge.head
            let place = "\(source.head.time) on CPU \(source.head.cpu)"
            let isTaken = plain.takesLoad(source.cpu, source.head.isLoad)
            try #require(quick.takesLoad(source.cpu, source.head.isLoad) == isTaken, "\(place)")
            if isTaken { continue }
            guard source.head.kind == .schedSwitch else {
                let (one, other) = (plain.step(source), quick.step(source))
                try #require(one.kind == other.kind && one.node == other.node && one.next == other.next && one.broken == other.broken, "\(place)")
                continue
            }
            all += 1
            let change = quick.stepUsualSwitch(source)
            let step = plain.stepSwitch(source)
            if let change {
                usual += 1
                try #require(change.next == step.next && change.loads == step.loads && change.task == quick.tasks.place(change.next), "\(place)")
                try #require(!step.broken && !step.isCut && !plain.tasks[step.node].isDead && !plain.tasks[step.next].isDead, "\(place)")
            } else {
                let other = quick.stepSwitch(source)
                try #require(other.next == step.next && other.node == step.node && other.loads == step.loads, "\(place)")
                try #require(other.isCut == step.isCut && other.broken == step.broken && other.wasOffline == step.wasOffline, "\(place)")
            }
            let (one, other) = (plain.cpus[step.cpu], quick.cpus[step.cpu])
            try #require(one.pid == other.pid && one.node == other.node && one.awaitsLoad == other.awaitsLoad, "\(place)")
            for node in [step.node, step.next] { try #require(isSame(plain.tasks[node], quick.tasks[node]), "\(place)") }
        }
        try #require(plain.tasks.nodes.count == quick.tasks.nodes.count)
        for (one, other) in zip(plain.tasks.nodes, quick.tasks.nodes) { try #require(isSame(one, other), "\(one.pid)") }
        ahead.stayAlive()
        return (usual, all)
    }

    private func isSame(_ one: TaskNode, _ other: TaskNode) -> Bool {
        one.pid == other.pid && one.comm == other.comm && one.firstComm == other.firstComm && one.hasKernelName == other.hasKernelName
            && one.switches == other.switches && one.switchesWithMM == other.switchesWithMM && one.origin == other.origin
            && one.isExec == other.isExec && one.isDead == other.isDead && one.parent == other.parent && one.execsUnseen == other.execsUnseen
    }
}
