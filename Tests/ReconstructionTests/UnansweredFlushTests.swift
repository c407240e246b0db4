import LazyTLB
@testable import Reconstruction
import Testing

/// SEND_IPI records that nobody answers: v4.20 and later leave out lazy CPUs once it is written, and up to v6.13 only those that have the mm loaded are in its mask.
@Suite struct UnansweredFlushTests {
    /// Task 10 flushes on CPU 0. Tasks 11 and 12 have run on CPUs 1 and 2 before.
    private func script(_ release: String = "6.1.0", names: [Int32: String] = [10: "app", 11: "app", 12: "other"], idle: Bool = true, wait: UInt64 = 200_000) -> Script {
        var script = Script(release, cpus: 3)
        for (pid, name) in names { script.name(pid, .init(name)) }
        for cpu in 0..<3 {
            script.run(20 + Int32(cpu), on: cpu, loads: true)
            script.run(10 + Int32(cpu), on: cpu, loads: true)
        }
        for cpu in 1..<3 where idle { script.run(0, on: cpu) }
        script.wait(wait)
        if script.rules.sendsFirst {
            script.flush(.send, 1)
            script.flush(.localMM, 1)
        } else {
            script.flush(.localMM, 1)
            script.flush(.send, 1)
        }
        for cpu in 0..<3 { script.run(20 + Int32(cpu), on: cpu, loads: true) }
        return script
    }

    private func isJoined(_ script: Script, _ pid: Int32 = 11) -> Bool {
        let found = script.infer(.switchesOnly)
        return found.mms(of: pid).first == found.mms(of: 10).first
    }

    @Test(arguments: [("4.19.0", false), ("4.20.0", true), ("5.13.0", true), ("6.13.0", true), ("6.14.0", false)])
    func aLazyCPUThatIsSentAnIPIAndSparedHasTheSendersMM(_ release: String, _ tells: Bool) { #expect(isJoined(script(release)) == tells) }

    @Test func whoRunsWouldHaveAnswered() { #expect(!isJoined(script(idle: false))) }

    /// In a switch a CPU may be in the masks of both mms.
    @Test func aSwitchJustBeforeTellsNothing() { #expect(!isJoined(script(wait: 0))) }

    /// That the name is the sender's is what tells suspects apart, and what a single one has to have: another task may have come in unseen.
    @Test(arguments: [([10: "app", 11: "app", 12: "app"], 11, false), ([10: "app", 11: "other", 12: "another"], 11, false), ([10: "app", 11: "other", 12: "app"], 12, true)] as [([Int32: String], Int32, Bool)])
    func ofSeveralItIsTheNamesake(names: [Int32: String], pid: Int32, isIt: Bool) { #expect(isJoined(script(names: names), pid) == isIt) }

    /// A process that renames itself before it has a child, and one that does so after: the child begins with the name that its parent has then.
    @Test(arguments: [true, false]) func aNameMayBeTheParentsOrTheChildsLater(isChild: Bool) {
        var script = Script("6.1.0", cpus: 3)
        for cpu in 0..<3 { script.run(20 + Int32(cpu), on: cpu, loads: true) }
        script.name(10, isChild ? "forkexec" : "workload")
        script.name(11, isChild ? "workload" : "forkexec")
        script.run(11, on: 1, loads: true)
        script.run(10, loads: true)
        // As the next switch shows.
        script.name(isChild ? 11 : 10, "forkexec")
        for cpu in 0..<2 {
            script.run(0, on: cpu)
            script.run(10 + Int32(cpu), on: cpu)
        }
        script.run(0, on: 1)
        script.wait(200_000)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        for cpu in 0..<3 { script.run(20 + Int32(cpu), on: cpu, loads: true) }
        #expect(isJoined(script))
    }

    /// It has answered, so it explains the SEND_IPI.
    @Test func anAnswerIsEnough() {
        var script = Script("6.1.0", cpus: 3)
        for pid in Int32(10)...12 { script.name(pid, "app") }
        for cpu in 0..<3 { script.run(10 + Int32(cpu), on: cpu, loads: true) }
        script.run(0, on: 2)
        script.wait(200_000)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        for cpu in 0..<3 { script.run(20 + Int32(cpu), on: cpu, loads: true) }
        #expect(isJoined(script, 11))
        #expect(!isJoined(script, 12))
    }

    /// A damaged recording may hold any time.
    @Test func timesUpToTheLastAreTaken() {
        var script = Script("6.1.0", cpus: 2)
        for pid in Int32(10)...11 { script.name(pid, "app") }
        script.wait(UInt64.max - script.time - 50_000)
        for cpu in 0..<2 { script.run(10 + Int32(cpu), on: cpu, loads: true) }
        script.run(0, on: 1)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        for cpu in 0..<2 { script.run(20 + Int32(cpu), on: cpu, loads: true) }
        #expect(!isJoined(script))
    }

    /// They all have the same suspects for the same reason, and do not outweigh a CR3 load.
    @Test(arguments: [true, false]) func manyFlushesInARowAreOneWhereNothingChanges(haveMet: Bool) {
        var script = Script("6.1.0", cpus: 2)
        for pid in Int32(10)...11 { script.name(pid, "app") }
        // (A CPU that comes from a task of which nothing is known may have been lazy, and then a CR3 load does not tell the two apart.)
        for pid in haveMet ? [Int32(11), 20, 11] : [] { script.run(pid, loads: true) }
        script.run(10, loads: true)
        script.run(11, on: 1, loads: true)
        script.run(0, on: 1)
        script.wait(200_000)
        for _ in 0..<3 {
            script.flush(.send, 1)
            script.flush(.localMM, 1)
        }
        for cpu in 0..<2 { script.run(30 + Int32(cpu), on: cpu, loads: true) }
        let found = script.infer(.switchesOnly)
        #expect((found.mm(of: 11) == found.mm(of: 10)) != haveMet)
    }
}
