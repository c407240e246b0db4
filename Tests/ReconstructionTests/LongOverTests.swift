import LazyTLB
@testable import Reconstruction
import Testing

/// A sender that computes behind its flush writes nothing for long: its flush seems to be under way when other CPUs leave, or flush, for other reasons.
@Suite struct LongOverTests {
    // MARK: what leaves without a flush of its mm

    /// Two threads of one process on CPUs 0 and 1, of which the other one has gone to sleep, and a task of another process on CPU 2.
    private func script(_ release: String = "4.12.0") -> Script {
        var script = Script(release, cpus: 3)
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(20, on: 2, loads: true)
        return script
    }

    /// do_flush_tlb_all(), arch/x86/mm/tlb.c up to v4.13: a lazy CPU leaves. The flush of CPU 0 was sent before CPU 1 came to the mm, and no scheme waits for it.
    @Test(arguments: [false, true]) func whoCameToTheMMBehindTheFlushDoesNotAnswerIt(isWaiting: Bool) {
        var script = script()
        if !isWaiting { script.run(30, on: 1, loads: true) }
        script.flush(.localMM, 1)
        script.flush(.send, 1)
        if !isWaiting { script.run(11, on: 1, loads: true) }
        script.run(0, on: 1)
        script.wait(3_000_000)
        script.flush(.taskSwitch, on: 1, inIRQ: true)
        let stimuli = script.infer().notes.stimuli
        #expect(stimuli.contains { if case .deliver(1, 0) = $0 { true } else { false } } == isWaiting)
        #expect(stimuli.contains { if case .doFlushAll(1) = $0 { true } else { false } } != isWaiting)
    }

    /// on_each_cpu() runs do_flush_tlb_all() in the caller, as a kworker that purges vmalloc; play_idle() calls leave_mm() in the thread that injects idle time.
    /// Neither sends an IPI, as a flush of an mm that a task runs with elsewhere does.
    @Test(arguments: ["4.12.0", "4.14.0", "5.10.0", "6.1.0"], [false, true]) func aKernelThreadThatLeavesNeedNotFlushTheMM(_ release: String, isElsewhere: Bool) {
        var script = script(release)
        script.name(60, "kworker/1:1")
        script.run(60, on: 1)
        if !isElsewhere { script.run(20, loads: true) }
        script.flush(.taskSwitch, on: 1)
        script.run(0, on: 1)
        let found = script.infer()
        #expect(found.notes.flushes.remote.count == (isElsewhere ? 0 : 1))
        #expect(found.notes.loaded[1] == .initMM)
        let left = found.notes.count { if case .doFlushAll(1) = $0 { true } else if case .idleLeave(1) = $0 { true } else { false } }
        #expect(left == (isElsewhere ? 1 : 0))
    }

    // MARK: what shows that tasks share an mm

    /// Tasks 10 and 11 share an mm, 20 has another one, all older than the trace. 10 flushes, 11 answers, 10 computes; `meanwhile` is what happens then.
    private func strangers(_ release: String = "4.12.0", _ meanwhile: (inout Script) -> Void) -> Inference {
        var script = Script(release, cpus: 3)
        for (cpu, pid) in [(0, Int32(10)), (1, 11), (2, 20)] { script.run(pid, on: cpu, loads: true) }
        for _ in 0..<3 {
            if script.rules.sendsFirst { script.flush(.send) }
            script.flush(.localMM)
            if !script.rules.sendsFirst { script.flush(.send) }
            script.flush(.remote, on: 1, inIRQ: true)
        }
        meanwhile(&script)
        script.run(0)
        script.run(0, on: 1)
        script.run(20, on: 2)
        return script.infer()
    }

    @Test func aCPUThatLeavesLongAfterAFlushHasNotAnsweredIt() {
        let later = strangers {
            $0.run(0, on: 2)
            $0.wait(20_000_000)
            $0.flush(.taskSwitch, on: 2, inIRQ: true)
        }
        #expect(later.mm(of: 11) == later.mm(of: 10))
        #expect(later.mm(of: 20) != later.mm(of: 10))
        let soon = strangers {
            $0.run(0, on: 2)
            $0.flush(.taskSwitch, on: 2, inIRQ: true)
        }
        #expect(soon.mms(of: 20).first == soon.mm(of: 10))
    }

    /// Behind a switch no IPI is pending any more.
    @Test func aCPUThatHasSwitchedSinceTheFlushHasAnsweredItOrNeverWill() {
        let found = strangers {
            $0.wait(2_000_000)
            $0.run(0, on: 2)
            $0.flush(.taskSwitch, on: 2, inIRQ: true)
        }
        #expect(found.mm(of: 20) != found.mm(of: 10))
    }

    /// flush_tlb_func(), v4.14 and later: a CPU that has missed more than one flush of its mm flushes everything, whatever the last one asked for.
    @Test(arguments: ["4.14.0", "6.1.0"]) func whoFlushesEverythingMayAnswerAnyFlush(_ release: String) {
        var script = Script(release, cpus: 4)
        for (cpu, pid) in [(0, Int32(10)), (1, 11), (2, 20), (3, 21)] { script.run(pid, on: cpu, loads: true) }
        func flush(_ cpu: Int, _ pages: UInt64) {
            for reason in script.rules.sendsFirst ? [Script.Reason.send, .localMM] : [.localMM, .send] { script.flush(reason, pages, on: cpu) }
        }
        // 10 flushes everything, and computes; 20 flushes two pages, and 21 catches up.
        flush(0, Script.everything)
        script.flush(.remote, on: 1, inIRQ: true)
        flush(2, 2)
        script.flush(.remote, on: 3, inIRQ: true)
        for cpu in 0..<4 { script.run(0, on: cpu) }
        script.run(21)
        let found = script.infer()
        #expect(found.mm(of: 21) != found.mms(of: 10).first)
    }
}
