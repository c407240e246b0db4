import LazyTLB
@testable import Reconstruction
import Testing

/// Children of vfork() where no record of a birth is used: `switches-only`.
@Suite struct VforkTests {
    private let killable: UInt64 = 0x82

    /// Processes 10, 20 and 30 have the same name; 10 runs on CPU 0, 20 on CPU 1.
    private func script() -> Script {
        var script = Script(cpus: 3)
        for pid in [Int32(10), 11, 20, 30] { script.name(pid, "app") }
        script.run(30, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(20, on: 1, loads: true)
        script.run(10, loads: true)
        return script
    }

    private func sharesMM(_ found: Inference, _ child: Int32, _ parent: Int32) -> Bool { found.mms(of: child).first == found.mms(of: parent).first }

    @Test func ofSeveralThatSleepTheOneThatWakesUpAtTheExecIsTheParent() {
        var script = script()
        script.run(0, on: 1, state: killable)
        script.run(0, state: killable)
        script.run(11, on: 2, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        script.run(10, loads: true)
        script.wait(5_000_000)
        script.run(20, on: 1, loads: true)
        let found = script.infer(.switchesOnly)
        #expect(sharesMM(found, 11, 10))
        #expect(!sharesMM(found, 11, 20))
    }

    @Test func theParentMayFallAsleepAfterTheChildHasBegunAndWakeUpBeforeItsCR3Load() {
        var script = script()
        script.run(11, on: 2, loads: true)
        script.run(0, state: killable)
        script.run(10, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        let found = script.infer(.switchesOnly)
        #expect(sharesMM(found, 11, 10))
        #expect(!sharesMM(found, 11, 20))
    }

    /// A vfork() parent sleeps from the birth of the child on.
    @Test(arguments: [false, true]) func whoHasBegunToRunBehindTheChildsFirstRunIsNotItsParent(cameBackSince: Bool) {
        var script = script()
        script.run(11, on: 2, loads: true)
        if cameBackSince {
            script.run(0)
            script.run(10, loads: true)
        }
        script.run(0, state: killable)
        script.run(10, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        #expect(sharesMM(script.infer(.switchesOnly), 11, 10) != cameBackSince)
    }

    @Test func whoWakesUpWhileTheTaskHasNotExecdIsNotItsParent() {
        var script = script()
        script.run(0, state: killable)
        script.run(11, on: 2, loads: true)
        script.run(10, loads: true)
        script.run(0, on: 2)
        script.run(11, on: 2, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        #expect(!sharesMM(script.infer(.switchesOnly), 11, 10))
    }

    /// A forked child tears its own mm down when it exits: a CR3 load as well.
    @Test func aChildThatExitsWithAnMMOfItsOwnIsNotTakenForOne() {
        var script = script()
        script.run(0, state: killable)
        script.run(11, on: 2, loads: true)
        script.flush(.taskSwitch, on: 2)
        script.run(0, on: 2, state: 0x40)
        script.run(10, loads: true)
        #expect(!sharesMM(script.infer(.switchesOnly), 11, 10))
    }

    @Test func aThreadThatExecsSharedTheMMOfTheLeaderWhosePIDItTakes() {
        var script = script()
        script.run(11, on: 2, loads: true)
        script.run(0, state: 0x40)
        script.exec("tool", as: 10, on: 2)
        script.flush(.localMM, 1, on: 2)
        let found = script.infer(.switchesOnly)
        #expect(sharesMM(found, 11, 10))
        #expect(found.evidence.brokenChains == 0)
    }

    /// It has run exit_mm(): whatever is loaded is not its mm.
    @Test func aTaskThatComesInSilentlyForTheLastTimeIsNotJoinedWithWhoseMMIsLoaded() {
        var script = script()
        script.name(40, "ping")
        script.name(41, "tool")
        script.run(41, on: 2, loads: true)
        script.run(40, on: 2, loads: true)
        script.run(41, on: 1, loads: true)
        script.run(0, on: 1)
        script.run(41, on: 2)
        script.run(0, on: 2, state: 0x40)
        let found = script.infer(.switchesOnly)
        #expect(found.mms(of: 41).first != found.mm(of: 40))
        #expect(found.mm(of: 41) == MM.none)
    }

    @Test func aThreadThatComesInSilentlyForTheLastTimeIsJoinedWithItsProcess() {
        var script = script()
        script.run(11, on: 2, loads: true)
        script.run(10, on: 2)
        script.run(11)
        script.run(0, state: 0x40)
        #expect(sharesMM(script.infer(.switchesOnly), 11, 10))
    }

    @Test func manyMaySleepUnderOneName() {
        let count: Int32 = 50_000
        var watch = VforkWatch(killable: 0x100)
        for node in 0..<count { watch.slept(node, comm: "io", since: 0) }
        // In another order than that in which they fell asleep.
        for node in (16..<count).reversed() { watch.woke(node) }
        watch.appeared(count, comm: "io", at: 10)
        watch.ended(count, load: -1)
        for node: Int32 in [3, 0, 15, 7] { watch.woke(node) }
        #expect(watch.claims.isEmpty)
        watch.appeared(count + 1, comm: "io", at: 20)
        watch.woke(5)
        watch.ended(count + 1, load: count + 2)
        #expect(watch.claims.map(\.child) == [count + 1])
        #expect(watch.claims.map(\.parent) == [5])
    }
}
