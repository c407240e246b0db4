import LazyTLB
@testable import Reconstruction
import Testing

/// Kernel text is patched through an mm of its own from v5.2 on: two TASK_SWITCH records, which are neither an exec nor a flush. So a 6.18 kernel writes them when a shell
/// enables an event of ftrace: `pages:-1 reason:flush on task switch (0)`, and one microsecond later `pages:0`, for each place that is patched.
@Suite struct TextPokeTests {
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

    /// Older kernels have no such mm: each record is one of its own.
    @Test func notBeforeV52() {
        var script = script("4.20.0")
        script.name(5, "kworker/0:1")
        script.run(5)
        for _ in 0..<2 { script.flush(.taskSwitch) }
        script.run(0)
        #expect(script.infer().evidence.flushes > 0)
    }
}
