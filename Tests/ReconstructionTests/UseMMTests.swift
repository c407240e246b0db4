import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// Kernel threads that use a process's mm, and workers of the kernel that are threads of a process.
@Suite struct UseMMTests {
    /// Task 10 runs on CPU 0; kthreadd has made kernel thread 60.
    private func script(_ release: String, _ name: Comm) -> Script {
        var script = Script(release)
        script.name(10, "app")
        script.name(60, name)
        script.run(2)
        script.fork(60, flags: 0x80_0711)
        script.run(20, on: 1, loads: true)
        script.run(10, loads: true)
        return script
    }

    /// vhost before v6.4: a kernel thread that uses its owner's mm all its life.
    @Test(arguments: ["4.12.0", "4.13.0", "5.4.0", "6.1.0"])
    func aVhostWorkerHasTheMMOfTheProcessThatItWorksFor(_ release: String) {
        var script = script(release, "vhost-10")
        script.run(20, loads: true)
        script.run(60)
        script.flush(.taskSwitch)
        script.run(10)
        script.flush(.localMM, 1)
        script.run(20, loads: true)
        script.run(60, loads: true)
        script.run(0)
        let found = script.infer()
        #expect(found.mms(of: 60).map(\.isUser) == [false, true])
        #expect(found.mm(of: 60) == found.mm(of: 10))
        #expect(found.mm(of: 20) != found.mm(of: 10))
        #expect(found.loaded() == found.mm(of: 10))
        #expect(found.notes.count { if case .useMM(0, found.mm(of: 10)) = $0 { true } else { false } } == 1)
        #expect(found.notes.count { if case .exec = $0 { true } else { false } } == 0)
        #expect(found.evidence.contradictions == 0)
    }

    @Test func aKernelThreadThatFlushesAnMMOfItsOwnUsesIt() {
        var script = script("5.8.0", "io_wqe_worker-0")
        script.run(60)
        script.flush(.localMM, 1)
        let found = script.infer()
        #expect(found.notes.count { if case .useMM(0, found.mm(of: 10)) = $0 { true } else { false } } == 1)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 10)])
        #expect(found.loaded() == found.mm(of: 10))
    }

    @Test func aKernelThreadThatAnswersAFlushBehindItsCR3LoadUsesAnMM() {
        var script = script("5.8.0", "io_wqe_worker-0")
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(20, loads: true)
        script.run(60)
        script.flush(.taskSwitch)
        script.flush(.localMM, 2, on: 1)
        script.flush(.send, 2, on: 1)
        script.flush(.remote, 2, inIRQ: true)
        let found = script.infer()
        #expect(found.loaded() == found.mm(of: 10))
        #expect(found.mm(of: 11) == found.mm(of: 10))
        #expect(found.notes.count { if case .deliver(0, 1) = $0 { true } else { false } } == 1)
    }

    @Test func aKernelThreadThatComesInOnAnotherMMUsesNoneAnyMore() {
        var script = script("5.8.0", "io_wqe_worker-0")
        script.run(60)
        script.flush(.localMM, 1)
        script.run(20, loads: true)
        script.run(60)
        let found = script.infer()
        #expect(found.mms(of: 60) == [.none, .none])
        #expect(found.loaded() == found.mm(of: 20))
    }

    /// kswapd and others flush a page of the mm that they borrow, and have init_mm loaded then.
    @Test(arguments: ["4.12.0", "5.4.0"])
    func aKernelThreadsOwnFlushIsNotTakenForItsUseOfAnMM(_ release: String) {
        var script = script(release, "kswapd0")
        for _ in 0..<3 {
            script.run(60)
            script.flush(.taskSwitch)
            script.run(10, loads: true)
            script.flush(.localMM, 1)
        }
        script.run(60)
        script.flush(.taskSwitch)
        script.flush(.send, 1)
        let found = script.infer()
        #expect(found.isKernelThread(60))
        #expect(found.loaded() == .initMM)
        #expect(found.notes.count { if case .useMM = $0 { true } else { false } } == 0)
    }

    /// With init_mm loaded a CPU is not lazy, and flush_tlb_func_remote() of v4.13 does not ask for the mm of a batch.
    @Test(arguments: [(Script.everything, 0), (2, 1)]) func aBatchesFullFlushOnAKernelThreadsCPUDoesNotTellThatItUsesAnMM(pages: UInt64, uses: Int) {
        var script = script("4.13.0", "kswapd0")
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        script.run(60)
        script.flush(.taskSwitch)
        script.flush(.remote, pages, inIRQ: true)
        #expect(script.infer().notes.count { if case .useMM = $0 { true } else { false } } == uses)
    }

    /// A new process's CR3 is not that of a kernel thread that has made it, and a kernel thread's child is one.
    @Test func aChildOfAThreadThatUsesAnMMIsAKernelThread() {
        var script = script("5.8.0", "kworker/0:1")
        script.run(60)
        script.flush(.localMM, 1)
        script.fork(61, flags: 0x80_0700)
        script.run(61)
        script.run(20, loads: true)
        script.run(61)
        #expect(script.infer().isKernelThread(61))
    }

    /// io_uring since v5.12 and vhost since v6.4: threads of the process, made by it (create_io_thread(), vhost_task_create()).
    @Test(arguments: [("6.1.0", Comm("iou-wrk-10"), UInt64(0x8081_0f00)), ("6.1.0", "iou-sqp-10", 0x8081_0f00), ("6.6.0", "vhost-10", 0x81_0b00)])
    func aUserWorkerOfTheKernelIsAThreadOfItsProcess(_ release: String, _ name: Comm, _ flags: UInt64) {
        var script = Script(release)
        script.name(10, "app")
        script.name(60, name)
        script.run(10, loads: true)
        script.fork(60, flags: flags)
        script.run(60)
        script.run(20, loads: true)
        script.run(60, loads: true)
        let found = script.infer()
        #expect(found.mm(of: 60) == found.mm(of: 10))
        #expect(found.mm(of: 60)?.isUser == true)
    }
}
