import LazyTLB
@testable import Reconstruction
import Testing

/// Visits to a temporary mm. Kernel text is patched through one from v5.2 on: two TASK_SWITCH records, which are neither an exec nor a flush. So a 6.18 kernel writes them when a shell
/// enables an event of ftrace: `pages:-1 reason:flush on task switch (0)`, and one microsecond later `pages:0`, for each place that is patched.
@Suite struct TemporaryMMTests {
    private func script(_ release: String) -> Script {
        var script = Script(release)
        script.run(10, loads: true)
        script.fork(11, flags: Script.vm | Script.thread)
        script.run(11, on: 1, loads: true)
        return script
    }

    private func execs(_ found: Inference) -> Int { found.notes.count { if case .exec = $0 { true } else { false } } }

    @Test(arguments: [1, 3, 40], [EvidenceLevel.noProbes, .switchesOnly])
    func byATaskItIsNoExec(pokes: Int, _ level: EvidenceLevel) {
        var script = script("5.10.0")
        for _ in 0..<pokes {
            script.flush(.taskSwitch)
            script.flush(.taskSwitch, 0)
        }
        script.run(0)
        script.run(10)
        script.flush(.localMM, 1)
        script.flush(.send, 1)
        script.flush(.remote, 1, on: 1, inIRQ: true)
        script.run(0)
        let found = script.infer(level)
        #expect(execs(found) == 0)
        #expect(Set(found.mms(of: 10)).count == 1)
        #expect(found.mm(of: 10) == found.mm(of: 11))
        #expect(found.notes.flushes.remote.map(\.mm) == [found.mm(of: 10)])
    }

    /// A virtual CPU takes its time. Without the life cycle's records two loads some time apart may be an exec and an exit, but hardly more.
    @Test(arguments: [EvidenceLevel.noProbes, .switchesOnly]) func manyTakeAsLongAsTheyWant(_ level: EvidenceLevel) {
        var script = script("5.10.0")
        for _ in 0..<6 {
            script.flush(.taskSwitch)
            script.wait(500_000)
        }
        script.run(0)
        script.run(10)
        let found = script.infer(level)
        #expect(execs(found) == 0)
        #expect(Set(found.mms(of: 10)).count == 1)
    }

    /// What an exec looks like.
    @Test func oneAloneIsAnExec() {
        var script = script("5.10.0")
        script.exec("other")
        script.run(0)
        script.run(10)
        #expect(execs(script.infer()) == 1)
    }

    /// A kernel thread leaves the mm that it borrows first. The older schemes know nothing of that: text is patched without another mm there.
    @Test(arguments: [true, false], [2, 60])
    func byAKernelThreadItIsNoFlush(isLazy: Bool, pokes: Int) {
        var script = script("6.1.0")
        script.name(5, "kworker/0:1")
        if !isLazy { script.run(0, on: 0, loads: true) }
        script.run(5)
        for _ in 0..<2 * pokes + (isLazy ? 1 : 0) { script.flush(.taskSwitch) }
        script.run(0)
        let found = script.infer()
        #expect(found.evidence.flushes == 0)
        #expect(found.notes.flushes.local.isEmpty && found.notes.flushes.remote.isEmpty)
        #expect(execs(found) == 0)
        #expect(found.isKernelThread(5))
        if isLazy { #expect(found.loaded() == .initMM) }
    }

    /// Which of an odd number the exec's is, the records behind them tell. Else an exec that leaves no record of its own would be lost, and what runs then would have no mm.
    @Test(arguments: [1, 3]) func anExecBehindThemIsOne(pokes: Int) {
        var script = script("6.1.0")
        for _ in 0..<2 * pokes { script.flush(.taskSwitch) }
        script.exec("other")
        script.flush(.localMM, 1)
        script.run(0)
        let found = script.infer()
        #expect(execs(found) == 1)
        #expect(found.notes.flushes.local.last?.mm == found.loaded())
        #expect(found.loaded().isUser && found.loaded() != found.loaded(1))
    }

    /// exit_mm() tears the mm down, and what the task then closes patches text: perf's events, static keys (exit_files()). sched_process_exit comes first since v6.16.
    @Test(arguments: ["6.1.0", "6.17.0"], [0, 1, 3]) func anExitBeforeThemIsOne(_ release: String, pokes: Int) {
        var script = Script(release)
        script.run(10, loads: true)
        script.fork(11)
        script.run(11, loads: true)
        if release == "6.17.0" { script.exit() }
        for _ in 0..<1 + 2 * pokes { script.flush(.taskSwitch) }
        if release == "6.1.0" { script.exit() }
        script.run(0, state: 0x20)
        let found = script.infer()
        #expect(found.loaded() == .initMM)
        #expect(found.notes.flushes.local.map(\.mm) == [found.mm(of: 11)])
        #expect(execs(found) == 0)
    }

    /// efi_switch_mm() (v4.17 and later), for a user who reads a variable.
    @Test(arguments: [("4.18.0", 0), ("4.15.0", 2)]) func forEFI(_ release: String, wanted: Int) {
        var script = script(release)
        script.flush(.taskSwitch)
        script.wait(300_000)
        script.flush(.taskSwitch)
        script.run(0)
        script.run(10)
        #expect(execs(script.infer()) == wanted)
    }

    /// Older kernels have no such mm: each record is one of its own.
    @Test func notBeforeV417() {
        var script = script("4.16.0")
        script.name(5, "kworker/0:1")
        script.run(5)
        for _ in 0..<2 { script.flush(.taskSwitch) }
        script.run(0)
        #expect(script.infer().evidence.flushes > 0)
    }
}
