import LazyTLB
@testable import Reconstruction
import Testing

/// A process on more than three CPUs may get an ASID that all share (v6.15 and later, AMD's INVLPGB). Then each CPU takes it over with a TASK_SWITCH record of 0 pages, in
/// flush_tlb_func(), while the mm stays loaded (arch/x86/mm/tlb.c, mm_needs_global_asid()).
@Suite struct GlobalASIDTests {
    /// Threads of one process, from 10 on, on as many CPUs.
    private func script(_ release: String, cpus: Int = 4) -> Script {
        var script = Script(release, cpus: cpus)
        script.run(10, loads: true)
        for cpu in 1..<cpus {
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

    /// The sender's own half, if it `isNew`, and the answers, are the taking over.
    private func flush(_ script: inout Script, isNew: Bool) {
        script.flush(.send, 1)
        if isNew { script.flush(.taskSwitch, 0) } else { script.flush(.localMM, 1) }
        for cpu in 1...3 { script.flush(isNew ? .taskSwitch : .remote, isNew ? 0 : 1, on: cpu, inIRQ: true) }
    }

    @Test func theMMStaysLoaded() {
        var script = script("6.17.0")
        flush(&script, isNew: false)
        flush(&script, isNew: true)
        script.run(0)
        script.run(10)
        let found = script.infer()
        let mm = found.mm(of: 10)
        #expect(change(found.notes) == 0)
        #expect(mm?.isUser == true && (0...3).allSatisfy { found.loaded($0) == mm })
        // An older kernel would have flushed, and interrupted all others.
        #expect(found.notes.flushes.local.map(\.mm) == [mm, mm])
        #expect(found.notes.flushes.remote.map(\.mm) == [mm, mm])
    }

    /// Where no record tells of exits, a task's own record may be that of one; those of the others, which are interrupted, are not.
    @Test func withoutTheLifeCycleThatHoldsOfTheOthers() {
        var script = script("6.17.0")
        flush(&script, isNew: false)
        flush(&script, isNew: true)
        let found = script.infer(.switchesOnly)
        #expect((1...3).allSatisfy { found.loaded($0) == found.mm(of: 10) })
    }

    /// mm_active_cpus_exceeds(mm, 3).
    @Test func notOnThreeCPUs() {
        var script = script("6.17.0", cpus: 3)
        script.flush(.send, 1)
        script.flush(.localMM, 1)
        script.flush(.taskSwitch, 0, on: 1, inIRQ: true)
        #expect(script.infer().loaded(1) == .initMM)
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
