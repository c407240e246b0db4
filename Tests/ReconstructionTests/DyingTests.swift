import LazyTLB
@testable import Reconstruction
import Testing

/// Tasks that come in silently since they have no mm any more, where no record says that they exit: `switches-only`.
@Suite struct DyingTests {
    private let dead: UInt64 = 0x10

    /// A process that tears its mm down is preempted, and comes in again without one, behind whoever runs there. Here nothing tells but its death, and that CR3 loads have set the two apart.
    @Test func whoDiesHasComeInWithoutAnMMSinceItLastShowedOne() {
        var script = Script("6.12.0")
        script.name(11, "task-10")
        script.run(10, loads: true)
        for _ in 0..<4 {
            script.run(11, loads: true)
            script.flush(.localMM, 1)
            script.run(10, loads: true)
            script.flush(.localMM, 1)
        }
        for _ in 0..<9 {
            script.run(11)
            script.run(10)
        }
        script.run(11)
        script.run(10, state: 0x10)
        script.flush(.localMM, 1)
        let found = script.infer(.switchesOnly)
        let (mine, others) = (Set(found.mms(of: 10)), Set(found.mms(of: 11)))
        #expect(mine.count == 1 && mine.first?.isUser == true)
        #expect(mine.isDisjoint(with: others))
    }

    /// No CR3 load has set it apart from any of them, but them from each other: it has an mm of its own, and has given that up. It may not live to the end of the trace.
    @Test(arguments: [false, true]) func whoComesInSilentlyOnTheMMsOfStrangersHasNone(dies: Bool) {
        var script = Script("6.12.0")
        script.run(30, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(10, loads: true)
        script.run(20, loads: true)
        for _ in 0..<3 {
            script.run(30)
            script.run(20)
        }
        script.run(10, loads: true)
        for _ in 0..<3 {
            script.run(30)
            script.run(10)
        }
        script.run(30)
        if dies { script.run(10, state: 0x10) }
        let found = script.infer(.switchesOnly)
        let mms = [10, 20, 30].compactMap { found.mms(of: $0).first }
        #expect(mms.allSatisfy(\.isUser) && Set(mms).count == 3)
    }

    /// Threads of one mm come in silently on each other now and then; a process does only when it has given its mm up.
    @Test(arguments: [("task-10", 6, 2, false), ("task-10", 6, 2, true), ("task-10", 2, 2, false), ("other", 4, 2, false), ("other", 2, 2, false)])
    func whoComesInSilentlyOnlyInTheEndHadAnMMOfItsOwn(name: String, loads: Int, silent: Int, before: Bool) {
        var script = Script("6.12.0")
        script.name(11, .init(name))
        if before {
            script.run(10, loads: true)
            script.run(11)
            script.flush(.localMM, 1)
        }
        for _ in 0..<loads {
            script.run(20, loads: true)
            script.run(11, loads: true)
        }
        script.run(20, loads: true)
        script.run(10, loads: true)
        for _ in 0..<silent {
            script.run(11)
            script.run(10)
        }
        script.run(11)
        script.run(10, state: dead)
        let found = script.infer(.switchesOnly)
        // Of as many loads as silent switches nothing follows.
        #expect((found.mms(of: 11).first == found.mm(of: 10)) == (before || loads <= silent + 1))
    }

    /// Processes that die after one another, each tearing its mm down, and one of them is preempted. Up to v5.12 that loads CR3 outside of a switch; since then it may be a
    /// flush by CPUs that are all lazy, without a half of its own.
    @Test(arguments: [("4.12.0", 0), ("4.12.0", 3), ("6.12.0", 3)]) func whatTheOthersOfItsNameWereItWasToo(release: String, others: Int) {
        var script = Script(release)
        for pid in [Int32(10), 11, 31, 32, 33] { script.name(pid, "app") }
        script.run(10, loads: true)
        for pid in Int32(31)..<Int32(31 + others) {
            script.run(pid, loads: true)
            script.flush(.localMM, 1)
            if release == "4.12.0" { script.flush(.taskSwitch) } else { script.flush(.send) }
            script.run(10, loads: true, state: dead)
        }
        script.run(11, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(11)
        script.run(10, state: dead)
        let found = script.infer(.switchesOnly)
        #expect((found.mms(of: 11).first == found.mm(of: 10)) == (others == 0))
        if others > 0 { #expect(found.mms(of: 11).last == MM.none) }
    }

    /// A child of vfork() that has let its parent go on has no mm any more: what it comes in on is not the parent's.
    @Test func aVforkChildJoinsNobodyWithItsParent() {
        var script = Script("4.12.0")
        for pid in [Int32(10), 11] { script.name(pid, "app") }
        script.run(20, on: 1, loads: true)
        script.run(10, loads: true)
        script.run(11, state: 0x82)
        script.run(10)
        script.run(11, on: 1)
        script.run(20, on: 1, state: dead)
        script.run(20)
        let found = script.infer(.switchesOnly)
        #expect(found.mms(of: 11).first == found.mm(of: 10))
        #expect(found.mm(of: 20)?.isUser == true)
        #expect(found.mm(of: 20) != found.mm(of: 10))
    }

    /// Its chain of switches is broken: it is switched out dead a second time, and the name of whom it came in on has changed meanwhile.
    @Test func whoDiesTwiceIsTakenBackOnce() {
        var script = Script("6.12.0")
        script.name(11, "app")
        for _ in 0..<3 {
            script.run(20, loads: true)
            script.run(11, loads: true)
        }
        script.run(20, loads: true)
        script.run(10, loads: true)
        script.run(11)
        script.run(10, state: dead)
        script.name(10, "app")
        script.run(0)
        script.run(10)
        script.run(20, loads: true, state: dead, from: 11)
        script.run(10, loads: true)
        let found = script.infer(.switchesOnly)
        #expect(found.mms(of: 11).first?.isUser == true)
        #expect(found.mms(of: 11).first != found.mm(of: 10))
    }

    @Test(arguments: [(2, false), (3, true)]) func twoThatTearTheirMMsDownMayBeChance(others: Int, wereProcesses: Bool) {
        var script = Script("4.12.0")
        for pid in [Int32(10), 11, 31, 32, 33] { script.name(pid, "app") }
        script.run(10, loads: true)
        for pid in Int32(31)..<Int32(31 + others) {
            script.run(pid, loads: true)
            script.flush(.localMM, 1)
            script.flush(.taskSwitch)
            script.run(10, loads: true, state: 0x10)
        }
        script.run(11, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(11)
        script.run(10, state: 0x10)
        let found = script.infer(.switchesOnly)
        #expect((found.mms(of: 11).first == found.mm(of: 10)) == !wereProcesses)
    }

    @Test func aRunKnowsHowOftenItHasMetEachOfMany() {
        var runs = SilentRuns()
        var task = TaskNode(pid: 1, origin: .existing, comm: "app", parent: -1)
        for _ in 0..<2 {
            for other in Int32(10)..<30 { withUnsafeMutablePointer(to: &task) { runs.add($0, on: other) } }
        }
        let run = runs[task.silentRun]
        #expect(run.others == Array(10..<30))
        #expect(run.others.allSatisfy { run[$0] == 2 })
    }
}
