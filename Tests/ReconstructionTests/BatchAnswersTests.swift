import LazyTLB
@testable import Reconstruction
import Testing

/// Whose mms a batched flush is of, where several flushes are under way at once: so 5.10 kernels record a reclaim, whose answers flush everything or nothing.
@Suite struct BatchAnswersTests {
    /// kswapd on CPU 0, task 10 on CPU 1, the threads 20 and 21 of another process on CPUs 2 and 3.
    private func script(_ release: String = "5.10.0", cpus: Int = 4) -> Script {
        var script = Script(release, cpus: cpus)
        script.name(66, "kswapd0")
        script.fork(66)
        script.run(2)
        script.fork(66)
        script.run(66)
        script.run(10, on: 1, loads: true)
        script.run(20, on: 2, loads: true)
        script.fork(21, flags: Script.vm | Script.thread, on: 2)
        script.run(21, on: 3, loads: true)
        return script
    }

    private func goOn(_ script: inout Script) {
        script.run(0)
        for (cpu, pid) in [(1, Int32(10)), (2, 20), (3, 21)] {
            script.run(0, on: cpu)
            script.run(pid, on: cpu)
        }
    }

    /// Of each batch the processes, and the CPUs that are of none of them.
    private func contents(_ found: Inference) -> [[Int32]] {
        found.notes.batches.map { batch in
            [Int32(10), 20, 30].filter { pid in found.mm(of: pid).map { batch.mms.contains($0) } == true } + batch.others.cpus(0).map { Int32($0) }
        }
    }

    @Test(arguments: ["4.12.0", "4.13.0", "5.10.0"], [true, false])
    func answersToAFlushUnderWayAreNotTheBatchs(_ release: String, beginsBefore: Bool) {
        var script = script(release)
        func other() {
            script.flush(.localMM, on: 2)
            script.flush(.send, on: 2)
        }
        if beginsBefore { other() }
        script.flush(.send)
        if !beginsBefore { other() }
        script.flush(.remote, on: 3, inIRQ: true)
        script.flush(.remote, on: 1, inIRQ: true)
        goOn(&script)
        #expect(contents(script.infer()) == [[10]])
    }

    /// A CPU that has missed several flushes answers one of a page by flushing everything, v4.14 and later.
    @Test func norAreThoseThatCatchUp() {
        var script = script()
        script.flush(.localMM, 1, on: 2)
        script.flush(.send, 1, on: 2)
        script.flush(.send)
        script.flush(.remote, on: 3, inIRQ: true)
        script.flush(.remote, on: 1, inIRQ: true)
        goOn(&script)
        #expect(contents(script.infer()) == [[10]])
    }

    /// Each CPU answers each flush once.
    @Test func twoBatchesOfOneMMAreAnsweredTwice() {
        var script = script()
        script.flush(.send)
        script.flush(.send, on: 1)
        for cpu in 2..<4 {
            script.flush(.remote, on: cpu, inIRQ: true)
            script.flush(.remote, 0, on: cpu, inIRQ: true)
        }
        goOn(&script)
        #expect(contents(script.infer()) == [[20], [20]])
    }

    /// CPU 2's answer may be to the second batch. But 20 and 21 have one mm: what CPU 3 has answered, CPU 2 has answered as well.
    @Test func aBatchIsOfWholeMMs() {
        var script = script(cpus: 5)
        script.run(30, on: 4, loads: true)
        script.flush(.send)
        script.flush(.remote, on: 3, inIRQ: true)
        script.flush(.send, on: 1)
        script.flush(.remote, on: 2, inIRQ: true)
        script.flush(.remote, on: 4, inIRQ: true)
        goOn(&script)
        script.run(0, on: 4)
        script.run(30, on: 4)
        #expect(contents(script.infer()) == [[20], [30]])
    }

    /// v4.20 and later: nobody answers where all that have the mm loaded are lazy.
    @Test(arguments: [("5.10.0", true), ("4.19.0", false)])
    func aBatchThatNobodyAnswersIsOfTheOnlyMMWithoutACPUThatRunsIt(_ release: String, isFound: Bool) {
        var script = script(release)
        script.run(0, on: 1)
        script.flush(.send)
        script.run(0)
        script.run(10, on: 1)
        let found = script.infer()
        #expect(contents(found) == (isFound ? [[10]] : []))
        #expect(found.evidence.unknownFlushes == (isFound ? 0 : 1))
    }

    @Test func ofSeveralSuchMMsNoneIsTaken() {
        var script = script()
        for cpu in 1..<4 { script.run(0, on: cpu) }
        script.flush(.send)
        script.run(0)
        for (cpu, pid) in [(1, Int32(10)), (2, 20), (3, 21)] { script.run(pid, on: cpu) }
        let found = script.infer()
        #expect(found.notes.batches.isEmpty)
        #expect(found.evidence.unknownFlushes == 1)
    }

    /// v6.14 and later: a CPU that has left an mm stays in its mask, and finds nothing to flush.
    @Test(arguments: [0, Script.everything] as [UInt64]) func whoFindsNothingToFlushHasNoMMOfTheBatch(_ pages: UInt64) {
        var script = script("7.3.0")
        script.flush(.send)
        script.flush(.remote, on: 1, inIRQ: true)
        script.flush(.remote, pages, on: 2, inIRQ: true)
        script.flush(.remote, pages, on: 3, inIRQ: true)
        goOn(&script)
        #expect(contents(script.infer()) == (pages == 0 ? [[10]] : [[10, 20]]))
    }

    /// One of two threads was brought up to date by another flush.
    @Test func ofAnMMAllCPUsCountOfWhichOneFlushes() {
        var script = script("7.3.0")
        script.flush(.send)
        script.flush(.remote, 0, on: 1, inIRQ: true)
        script.flush(.remote, 0, on: 2, inIRQ: true)
        script.flush(.remote, on: 3, inIRQ: true)
        goOn(&script)
        #expect(contents(script.infer()) == [[20]])
    }

    @Test func ifNobodyFlushesItIsUnknown() {
        var script = script("7.3.0")
        script.flush(.send)
        for cpu in 1..<4 { script.flush(.remote, 0, on: cpu, inIRQ: true) }
        goOn(&script)
        let found = script.infer()
        #expect(contents(found) == [[]])
        #expect(found.evidence.unknownFlushes == 1)
    }
}
