import LazyTLB
@testable import Reconstruction
import Testing

/// Which of several flushes under way a CPU answers.
struct DeliveryTests {
    /// On each of four CPUs a thread of the process 10 runs.
    private func script(_ release: String = "4.12.0") -> Script {
        var script = Script(release, cpus: 4)
        script.run(10, loads: true)
        for cpu in 1..<4 {
            script.fork(10 + Int32(cpu), flags: Script.vm | Script.thread)
            script.run(10 + Int32(cpu), on: cpu, loads: true)
        }
        return script
    }

    private func flush(_ script: inout Script, _ pages: UInt64 = 1, on cpu: Int) {
        script.flush(.localMM, pages, on: cpu)
        script.flush(.send, pages, on: cpu)
    }

    /// The senders of the IPIs that the CPU handles.
    private func senders(_ script: Script, of cpu: Int = 1) -> [Int] {
        script.infer().notes.stimuli.compactMap { if case .deliver(cpu, let sender) = $0 { sender } else { nil } }
    }

    /// flush_smp_call_function_queue(), kernel/smp.c: in the order in which they were sent.
    @Test(arguments: [[0, 2], [2, 0], [3, 0, 2]]) func `of flushes of as many pages the first is answered first`(order: [Int]) {
        var script = script()
        for cpu in order { flush(&script, on: cpu) }
        for _ in order { script.flush(.remote, 1, on: 1, inIRQ: true) }
        #expect(senders(script) == order)
    }

    /// leave_mm() finds the CPU out of the mask the next time, and writes no record. A sender of which nothing was recorded for long may have gone on.
    @Test(arguments: [(0, [0, 2]), (1_000_000, [0])] as [(UInt64, [Int])])
    func `a lazy CPU that leaves has nothing left to do for other flushes that wait for it`(wait: UInt64, wanted: [Int]) {
        var script = script()
        script.run(0, on: 1)
        for cpu in [0, 2] { flush(&script, on: cpu) }
        script.wait(wait)
        script.flush(.taskSwitch, on: 1, inIRQ: true)
        #expect(senders(script) == wanted)
    }

    /// flush_tlb_func() returns early for a CPU that is up to date (v6.0), and leave_mm() of one that has left. When that was no record tells.
    @Test func `what has nothing to do has left no record`() {
        var later = script("6.1.0")
        for reason in [Script.Reason.send, .localMM] { later.flush(reason, 1, on: 0) }
        later.run(20, on: 1, loads: true)
        #expect(later.infer().notes.silent.contains { if case .deliver(1, 0) = $0 { true } else { false } })
        var left = script()
        left.run(0, on: 1)
        for cpu in [0, 2] { flush(&left, on: cpu) }
        left.flush(.taskSwitch, on: 1, inIRQ: true)
        let silent = left.infer().notes.silent
        #expect(silent.count == 1)
        #expect(silent.contains { if case .deliver(1, 2) = $0 { true } else { false } })
    }

    /// v6.14 and later: REMOTE_WRONG_CPU does not tell whose flush it answers. Of the other the CPU has the mm loaded when it answers it.
    @Test func `where two flushes may be meant a wrong CPU has answered none for sure`() {
        var script = Script("6.14.0", cpus: 4)
        for (cpu, pid) in [(0, Int32(10)), (1, 30), (2, 20)] { script.run(pid, on: cpu, loads: true) }
        script.fork(21, flags: Script.vm | Script.thread, on: 2)
        for cpu in [0, 2] {
            script.flush(.send, 1, on: cpu)
            script.flush(.localMM, 1, on: cpu)
        }
        script.flush(.wrongCPU, 0, on: 1, inIRQ: true)
        script.run(21, on: 1, loads: true)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        #expect(senders(script) == [2])
    }

    /// A handler that was queued for an idle CPU without an IPI may be run by the stopper thread (flush_smp_call_function_queue(), v5.8), in task context.
    @Test func `a stopper thread that leaves while a flush waits has answered it`() {
        var script = script("5.10.0")
        script.name(17, "migration/1")
        script.run(17, on: 1)
        flush(&script, Script.everything, on: 0)
        script.flush(.taskSwitch, on: 1)
        script.run(0)
        #expect(senders(script) == [0])
        #expect(script.infer().evidence.flushes == 1)
    }

    /// leave_mm() is a BUG for a CPU in state OK, so exit_mm() came before, whatever its record says.
    @Test func `a CPU that leaves in an interrupt is lazy by then`() throws {
        var script = Script()
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.flush(.localMM, 1)
        script.flush(.send, 1)
        script.flush(.taskSwitch, on: 1, inIRQ: true)
        script.exit(on: 1)
        script.run(0, on: 1, state: 0x40)
        let stimuli = script.infer().notes.stimuli
        let exited = try #require(stimuli.firstIndex { if case .exitMM(1) = $0 { true } else { false } })
        let delivered = try #require(stimuli.firstIndex { if case .deliver(1, 0) = $0 { true } else { false } })
        #expect(exited < delivered)
    }
}
