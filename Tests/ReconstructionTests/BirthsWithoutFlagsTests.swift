import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// sched_process_fork has no clone flags. What the kernel does tells them: fork() flushes the mm that it has copied (dup_mmap(), kernel/fork.c), CLONE_VM does not, and a switch between two that share
/// an mm does not load CR3.
struct BirthsWithoutFlagsTests {
    /// Task 10 runs on CPU 0, 20 on CPU 1.
    ///
    /// - Parameter isTold: the trace tells how 10 has come to its mm.
    private func script(isTold: Bool = false) -> Script {
        var script = Script(cpus: 3)
        script.name(10, isTold ? "sh" : "app")
        script.name(20, "other")
        script.run(20, on: 1, loads: true)
        script.run(10, loads: true)
        if isTold { script.exec("app") }
        return script
    }

    /// Of the task's last mm, and what the child came in with first.
    private func isThread(_ found: Inference, _ child: Int32, of parent: Int32) -> Bool { found.mm(of: parent)?.isUser == true && found.mms(of: child)[0] == found.mm(of: parent) }

    private func infer(_ script: Script) -> Inference { script.infer(.noCloneFlags) }

    private func share(_ found: Inference, _ a: Int32, _ b: Int32) -> Bool { found.mms(of: a)[0].isUser && found.mms(of: a)[0] == found.mms(of: b)[0] }

    /// With the flags at hand they are not needed, nor looked at: nothing of what follows is a clone() with other flags.
    @Test(arguments: [Record.Kind.fork, .newTask]) func `a flush of all before a birth is that of fork()`(kind: Record.Kind) {
        var script = script()
        script.flush(.localMM)
        script.fork(11, flags: Script.vm, as: kind)
        script.fork(12, as: kind)
        script.run(11, on: 2, loads: true)
        script.run(12, on: 2, loads: true)
        script.run(0, on: 2)
        let found = infer(script)
        #expect(found.mms(of: 11)[0].isUser && !share(found, 11, 10))
        #expect(share(found, 12, 10))
        #expect(found.evidence.kind == .lifeCycle)
        #expect(found.evidence.contradictions == 0)
    }

    @Test func `a flush of some pages is not`() {
        var script = script()
        script.flush(.localMM, 4)
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.run(0, on: 2)
        #expect(share(infer(script), 11, 10))
    }

    /// Fork() loses the CPU between its flush and the record; what others flush there is theirs.
    @Test func `others may run and flush between the two`() {
        var script = script()
        script.flush(.localMM)
        script.run(30, loads: true, state: 0)
        script.flush(.localMM, 1)
        script.run(10, loads: true)
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.run(0, on: 2)
        #expect(!share(infer(script), 11, 10))
    }

    /// With the flush, if there was one, in a gap it may be either.
    @Test(arguments: [false, true], [1, 2]) func `a birth behind a gap tells nothing of the mm`(hasRecordBefore: Bool, records: Int) {
        var script = script()
        script.lose(3)
        if hasRecordBefore { script.flush(.localMM, 4) }
        if records == 2 { script.fork(11) }
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        script.run(0, on: 2)
        let found = infer(script)
        #expect(found.mms(of: 11)[0] == (hasRecordBefore ? found.mm(of: 10) : .unknown))
    }

    /// Where a filter hides switches, and what came with them.
    @Test func `nor does one of a task that came to the CPU unseen`() {
        var script = script()
        script.run(30, on: 2, loads: true)
        script.run(0, on: 2)
        script.fork(11, as: .fork, by: 30)
        script.run(11, on: 2, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        script.run(0, on: 2)
        #expect(infer(script).mms(of: 11)[0] == .unknown)
    }

    /// Where flushes leave no record (INVLPGB, hypercalls).
    @Test(arguments: [false, true]) func `a CR3 load between the two shows that the child has a copy`(isTold: Bool) {
        var script = script(isTold: isTold)
        script.fork(11, as: .fork)
        script.run(11, loads: true)
        script.run(10, loads: true)
        script.run(0)
        let found = infer(script)
        #expect(found.mms(of: 11)[0].isUser && !isThread(found, 11, of: 10))
    }

    /// A process that unmaps a lot before it makes a thread.
    @Test(arguments: [false, true]) func `switches without CR3 loads show that it has none`(isTold: Bool) {
        var script = script(isTold: isTold)
        script.flush(.localMM)
        script.fork(11, flags: Script.vm, as: .fork)
        for _ in 0..<3 {
            script.run(11)
            script.flush(.localMM, 1)
            script.run(10)
        }
        script.run(0)
        #expect(isThread(infer(script), 11, of: 10))
    }

    @Test func `what a task was before its exec is its parent's, and what it is then is its own`() {
        var script = script()
        script.fork(11, flags: Script.vm | Script.vfork, as: .fork)
        script.run(11, on: 2, loads: true)
        script.exec("tool", on: 2)
        script.flush(.localMM, 1, on: 2)
        script.fork(12, flags: Script.vm, as: .fork, on: 2)
        script.run(12, loads: true)
        script.run(0)
        script.run(0, on: 2)
        script.run(11, on: 2)
        script.run(0, on: 2)
        let found = infer(script)
        #expect(share(found, 11, 10))
        #expect(found.mms(of: 11)[1].isUser)
        #expect(found.mms(of: 11)[1] != found.mms(of: 10)[0])
        #expect(found.mms(of: 12)[0] == found.mms(of: 11)[1])
    }

    /// It has fork()'s flush nowhere, and only ever comes in without a CR3 load: so it shares what was loaded, and its thread shares that.
    @Test func `a thread has the mm of a parent that never loads CR3`() {
        var script = script()
        for _ in 0..<2 {
            script.run(30)
            script.run(10)
        }
        script.run(30)
        script.fork(31, flags: Script.vm, as: .fork)
        script.run(10)
        script.run(31)
        script.run(0)
        let found = infer(script)
        #expect(share(found, 30, 10))
        #expect(share(found, 31, 30))
    }

    /// However often one comes in silently on the other's mm: records may be missing.
    @Test func `of different lines of births no two are one`() {
        var script = script()
        for pid in [Int32(11), 21] {
            script.fork(pid, flags: Script.vm, as: .fork, on: pid == 11 ? 0 : 1)
            script.run(pid, on: 2, loads: true)
            script.exec("tool", on: 2)
            script.flush(.localMM, 1, on: 2)
        }
        for _ in 0..<4 {
            script.run(11, on: 2)
            script.run(21, on: 2)
        }
        script.run(0, on: 2)
        script.run(11, loads: true)
        script.run(0)
        script.run(21, on: 1, loads: true)
        script.run(0, on: 1)
        let found = infer(script)
        #expect(found.mm(of: 11)?.isUser == true && found.mm(of: 21)?.isUser == true && found.mm(of: 11) != found.mm(of: 21))
    }

    @Test func `a pid that comes again is another task's`() {
        var script = script()
        script.fork(11, flags: Script.vm, as: .fork)
        script.run(11, on: 2, loads: true)
        script.exit(on: 2)
        script.run(0, on: 2, state: 0x40)
        script.flush(.localMM)
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.run(0, on: 2)
        let found = infer(script)
        #expect(found.mms(of: 11).count == 2)
        #expect(share(found, 11, 10))
        #expect(found.mms(of: 11)[1].isUser && found.mms(of: 11)[1] != found.mms(of: 10)[0])
    }

    @Test func `task_newtask and sched_process_fork are one birth`() {
        var script = script()
        script.flush(.localMM)
        script.fork(11, as: .newTask)
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.run(0, on: 2)
        let found = infer(script)
        #expect(found.mms(of: 11).count == 1)
        #expect(!share(found, 11, 10))
    }

    @Test func `children of the kernel's threads are such`() {
        var script = script()
        script.run(2)
        script.fork(40, as: .fork)
        script.name(40, "whatever")
        script.run(40)
        script.run(10, loads: true)
        script.run(0)
        #expect(infer(script).mms(of: 40) == [MM.none])
    }

    /// It ran when the trace began.
    @Test func `nor is that of one that ended before it was seen to come in`() {
        var script = Script(cpus: 3)
        script.name(10, "app")
        script.run(10, loads: true)
        script.flush(.localMM, 1, on: 2, pid: 11)
        script.exit(on: 2)
        script.run(0, on: 2, state: 0x40)
        script.flush(.localMM)
        script.fork(11, as: .fork)
        script.run(11, on: 2, loads: true)
        script.run(0, on: 2)
        let found = script.infer(.noCloneFlags)
        #expect(found.mms(of: 11).count == 1)
        #expect(found.mm(of: 11)?.isUser == true && found.mm(of: 11) != found.mm(of: 10))
    }
}
