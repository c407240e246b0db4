import LazyTLB
@testable import Reconstruction
import Testing

/// What a snapshot of the tasks, as `lazytlb record` writes it into a trace, tells of those that existed before.
@Suite struct SnapshotTests {
    /// The script begins with a snapshot of these lines (`kernel 50;`).
    private func script(_ lines: String...) -> Script {
        var script = Script()
        script.mark("lazytlb-tasks 1 begin")
        for line in lines { script.mark("lazytlb-tasks 1 \(line)") }
        script.mark("lazytlb-tasks 1 end")
        return script
    }

    @Test func tasksOfAGroupShareAnMMThoughTheyNeverMeet() {
        var script = script("mm 10 11; 20;")
        script.run(10, on: 0, loads: true)
        script.run(11, on: 1, loads: true)
        script.run(20, on: 0, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.mm(of: 20)?.isUser == true && found.mm(of: 20) != found.mm(of: 10))
        #expect(found.notes.switches.filter { $0.pid != 0 }.allSatisfy { $0.basis == .snapshot })
        #expect(found.evidence.listedTasks == 3)
    }

    @Test func anMMIsNamedAfterItsProcessThoughOnlyThreadsRun() throws {
        var script = script("mm 9 10 11;", "threads 10 9 11;")
        script.name(9, "worker")
        script.run(9, loads: true)
        let mm = try #require(script.infer().mm(of: 9))
        #expect(script.infer().mms.name(mm) == "worker:10")
        #expect(script.infer(savedNames: [10: "server", 9: "worker"]).mms.name(mm) == "server:10")
        // Where the leader runs as well, its own name is known.
        script.name(10, "leader")
        script.run(10)
        #expect(script.infer(savedNames: [10: "server"]).mms.name(mm) == "leader:10")
        #expect(script.infer().evidence.listedTasks == 3)
    }

    @Test func aThreadThatWasBornMeanwhileHasNotTheListedProcess() throws {
        var script = Script()
        script.run(5, loads: true)
        script.mark("lazytlb-tasks 1 begin")
        script.fork(11)
        script.mark("lazytlb-tasks 1 threads 10 11;")
        script.mark("lazytlb-tasks 1 end")
        script.run(11, loads: true)
        let found = script.infer()
        #expect(found.mms.name(try #require(found.mm(of: 11))).hasSuffix(":11"))
    }

    @Test func withoutItTheyAreTwoMMs() {
        var script = Script()
        script.run(10, on: 0, loads: true)
        script.run(11, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 11) != found.mm(of: 10))
        #expect(found.evidence.listedTasks == nil)
    }

    @Test func aKernelThreadHasNoMMWhateverItsName() {
        var script = script("kernel 50;", "mm 10;")
        script.name(50, "worker")
        script.run(10, loads: true)
        script.run(50)
        script.run(10)
        let found = script.infer()
        #expect(found.isKernelThread(50))
        #expect(found.notes.switches.first { $0.pid == 50 }?.basis == .snapshot)
    }

    @Test func theChildOfAListedKernelThreadIsOne() {
        var script = script("kernel 50;")
        script.run(50)
        script.fork(51)
        script.run(51)
        #expect(script.infer().isKernelThread(51))
    }

    /// 11 comes in on 10's mm without a CR3 load, as a task without an mm does; else it would be joined with 10.
    @Test func groupsOfDifferentMMsAreNotJoined() {
        var script = script("mm 10; 11;")
        script.run(10, loads: true)
        for _ in 0..<3 {
            script.run(11)
            script.run(10)
        }
        let found = script.infer()
        #expect(found.mms(of: 11).allSatisfy { $0 != found.mm(of: 10) })
        #expect(found.mm(of: 10)?.isUser == true)
    }

    @Test func processesThatAreNotToldApartMayShareAnMM() {
        var script = script("process 10; 11;")
        script.run(10, loads: true)
        script.run(11)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 11) == found.mm(of: 10))
    }

    @Test func aGroupGoesOnInAnotherLineWithOneOfItsTasks() {
        var script = script("mm 10 11;", "mm 11 12; 20;")
        script.run(10, on: 0, loads: true)
        script.run(12, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 12) == found.mm(of: 10))
    }

    @Test func aTaskThatExecsBeforeItsLineIsNotListed() {
        var script = Script()
        script.run(11, loads: true)
        script.mark("lazytlb-tasks 1 begin")
        script.exec("other")
        script.mark("lazytlb-tasks 1 mm 10 11;")
        script.mark("lazytlb-tasks 1 end")
        script.run(10, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 10)?.isUser == true)
        script.run(11, loads: true)
        #expect(script.infer().mm(of: 11) != found.mm(of: 10))
        #expect(found.evidence.notes.contains { $0.hasPrefix("Of 2 tasks that the trace's snapshot lists 1 ") })
    }

    /// Its pid may be another task's by then.
    @Test func aTaskThatEndsBeforeItsLineIsNotListed() {
        var script = Script()
        script.run(5, loads: true)
        script.fork(11)
        script.run(11, loads: true)
        script.mark("lazytlb-tasks 1 begin")
        script.exit()
        script.run(0, state: 0x40)
        script.mark("lazytlb-tasks 1 mm 10 11;")
        script.mark("lazytlb-tasks 1 end")
        script.run(10, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 11)?.isUser == true && found.mm(of: 10)?.isUser == true)
        #expect(found.mm(of: 11) != found.mm(of: 10))
        #expect(found.evidence.notes.contains { $0.hasPrefix("Of 2 tasks that the trace's snapshot lists 1 ") })
    }

    @Test func anExecBehindItsLineGivesTheTaskAnMMOfItsOwn() {
        var script = script("mm 10 11;")
        script.run(11, loads: true)
        script.exec("other")
        script.run(10, loads: true)
        script.run(11, loads: true)
        let found = script.infer()
        #expect(found.mms(of: 11).count == 2)
        #expect(found.mms(of: 11)[0] == found.mm(of: 10))
        #expect(found.mms(of: 11)[1] != found.mm(of: 10))
    }

    @Test(arguments: [
        "mm 10 11", "mm 10 1x;", "mm 10 -11;", "mm 0;", "mm 99999999999;", "mm", "mm ;", "user 10 11;", "mm 10,11;", "mm 5000000;",
    ])
    func aLineThatIsCutOffOrNoneTellsNothing(_ line: String) {
        var script = script(line)
        script.run(10, on: 0, loads: true)
        script.run(11, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 10) != found.mm(of: 11))
        #expect(found.evidence.notes.contains { $0.hasPrefix("1 lines of trace_marker look like") })
    }

    @Test func otherVersionsAndLinesOutsideOfASnapshotTellNothing() {
        var script = Script()
        script.mark("lazytlb-tasks 1 mm 10 11;")
        script.mark("lazytlb-tasks 2 begin")
        script.mark("lazytlb-tasks 1 end")
        script.run(10, on: 0, loads: true)
        script.run(11, on: 1, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 10) != found.mm(of: 11))
        #expect(found.evidence.notes.contains { $0.hasPrefix("3 lines of trace_marker look like") })
        #expect(found.evidence.listedTasks == nil)
    }

    @Test func switchesOnlyDoesWithoutIt() {
        var script = script("mm 10 11;")
        script.run(10, on: 0, loads: true)
        script.run(11, on: 1, loads: true)
        let found = script.infer(.switchesOnly)
        #expect(found.mm(of: 10) != found.mm(of: 11))
    }

    /// kthreadd is 2 everywhere; that the list names it first is no birth.
    @Test func kthreaddIsNotBornWhileTheListIsWritten() {
        var script = script("kernel 2 50;", "mm 10;")
        script.run(10, loads: true)
        script.run(0)
        let found = script.infer()
        #expect(found.evidence.listedTasks == 3)
        #expect(!found.evidence.notes.contains { $0.contains("were born") })
    }

    /// Nothing has overtaken the list.
    @Test func aTaskThatExecdInAGapBeforeItIsListed() {
        var script = Script()
        script.name(10, "app")
        script.run(10, loads: true)
        script.run(0)
        script.lose(3)
        script.name(10, "tool")
        script.run(10, loads: true, from: 0)
        script.mark("lazytlb-tasks 1 begin")
        script.mark("lazytlb-tasks 1 mm 10;")
        script.mark("lazytlb-tasks 1 end")
        script.run(0)
        script.run(10)
        let found = script.infer()
        #expect(found.notes.switches.last?.basis == .snapshot)
        #expect(!found.evidence.notes.contains { $0.contains("were born") })
    }
}
