import LazyTLB
@testable import Reconstruction
import Testing

/// A process on more than three CPUs may get an ASID that all share (v6.15 and later, AMD's INVLPGB). Then each CPU takes it over with a TASK_SWITCH record of 0 pages, in
/// flush_tlb_func(), while the mm stays loaded (arch/x86/mm/tlb.c, mm_needs_global_asid()).
@Suite struct GlobalASIDTests {
    /// Threads 10 to 12 of one process, on CPUs 0 to 2.
    private func script(_ release: String) -> Script {
        var script = Script(release, cpus: 3)
        script.run(10, loads: true)
        for cpu in 1...2 {
            script.fork(10 + Int32(cpu), flags: Script.vm | Script.thread)
            script.run(10 + Int32(cpu), on: cpu, loads: true)
        }
        return script
    }

    private func change(_ notes: Notes) -> Int {
        notes.count {
            switch $0 {
            case .exec, .exitMM, .doFlushAll, .idleLeave: true
            default: false
            }
        }
    }

    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly]) func theMMStaysLoaded(_ level: EvidenceLevel) {
        var script = script("6.17.0")
        for isNew in [false, true] {
            script.flush(.send, 1)
            if isNew { script.flush(.taskSwitch, 0) } else { script.flush(.localMM, 1) }
            for cpu in 1...2 { script.flush(isNew ? .taskSwitch : .remote, isNew ? 0 : 1, on: cpu, inIRQ: true) }
        }
        script.run(0)
        script.run(10)
        let found = script.infer(level)
        let mm = found.mm(of: 10)
        #expect(change(found.notes) == 0)
        #expect(mm?.isUser == true && (0...2).allSatisfy { found.loaded($0) == mm })
        // An older kernel would have flushed, and interrupted both.
        #expect(found.notes.flushes.local.map(\.mm) == [mm, mm])
        #expect(found.notes.flushes.remote.map(\.mm) == [mm, mm])
    }

    /// A task that ends leaves, whatever it flushes (PCID); so does one that execs.
    @Test(arguments: ["6.15.0", "6.17.0"]) func anExitIsOne(_ release: String) {
        var script = script(release)
        script.fork(20)
        script.run(20, loads: true)
        if release == "6.17.0" { script.exit() }
        script.flush(.taskSwitch, 0)
        if release == "6.15.0" { script.exit() }
        script.run(0, state: 0x20)
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 20)])
    }

    @Test func notBeforeV615() {
        var script = script("6.14.0")
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.flush(.taskSwitch, 0, on: 1, inIRQ: true)
        #expect(script.infer().loaded(1) == .initMM)
    }
}
