import LazyTLB
@testable import Reconstruction
import Testing
import TraceData

/// What the probes in switch_mm_irqs_off() tell of the kernels since v5.2: calls that are no switch of a task, and how those look of whose previous mm nothing is told (v6.10).
@Suite struct ProbeSwitchTests {
    private static let mm: UInt64 = 0xffff_8880_0000_1000
    private static let other: UInt64 = 0xffff_8880_0000_2000
    private static let initMM: UInt64 = 0xffff_ffff_82b5_c940
    private static let task: UInt64 = 0xffff_8880_0001_0000

    /// Task 10 runs on CPU 0, with an mm.
    private func script(_ release: String, prev: UInt64? = nil) -> Script {
        var script = Script(release, cpus: 1)
        script.run(10)
        script.probe(.swMM, next: Self.mm, task: Self.task, prev: prev)
        script.flush(.taskSwitch)
        script.flush(.localMM, 1)
        return script
    }

    /// __mmdrop() frees it (docs/recording.md).
    @Test(arguments: [false, true]) func theAddressOfAnMMThatIsFreedMayComeAgainAsAnother(isFreed: Bool) {
        var script = script("5.10.0")
        script.run(0)
        script.probe(.swMM, next: Self.initMM)
        script.flush(.taskSwitch)
        if isFreed { script.probe(.mmDrop, mm: Self.mm) }
        script.run(20)
        script.probe(.swMM, next: Self.mm, task: Self.task)
        script.flush(.taskSwitch)
        script.flush(.localMM, 1)
        let mms = script.followProbes().switches.filter { $0.pid != 0 }.map(\.mm)
        #expect(mms.map(\.isUser) == [true, true])
        #expect((mms.first == mms.last) != isFreed)
    }

    /// efi_switch_mm() has no task (v4.17 to v6.15), and flush_tlb_func() none either where it takes over a global ASID (v6.15 and later): what is loaded stays, or comes back.
    @Test(arguments: [("4.18.0", true), ("6.15.0", false)]) func aCallWithoutATaskIsNoExecIfTheMMStays(_ release: String, isEFI: Bool) {
        var script = script(release)
        if isEFI {
            script.probe(.swMM, next: Self.other, own: Self.mm, isLazy: false)
            script.flush(.taskSwitch)
        }
        script.probe(.swMM, next: Self.mm, own: isEFI ? Self.other : Self.mm, isLazy: false, inIRQ: !isEFI)
        script.flush(.taskSwitch, 0, inIRQ: !isEFI)
        script.flush(.localMM, 1)
        let notes = script.followProbes()
        #expect(loads(notes) == 0)
        #expect(notes.loaded[0] == notes.switches[0].mm)

        // An exec.
        var other = self.script(release)
        other.probe(.swMM, next: Self.other, own: Self.mm, isLazy: false)
        other.flush(.taskSwitch)
        other.flush(.localMM, 1)
        #expect(loads(other.followProbes()) == 1)
    }

    private func loads(_ notes: Notes) -> Int {
        notes.count {
            switch $0 {
            case .exec, .useMM: true
            default: false
            }
        }
    }

    /// No probe behind it tells how it ended. The idle task has no mm.
    @Test(arguments: [true, false], [(0, MM.none), (11, MM.unknown)] as [(Int32, MM)]) func aSwitchThatIsTheCPUsLastRecordIsOne(hasLazyProbe: Bool, next: (pid: Int32, mm: MM)) {
        var script = script("7.3.0")
        script.run(next.pid)
        let switches = script.followProbes(ProbeCoverage(lazy: hasLazyProbe)).switches
        #expect(switches.map(\.pid) == [10, next.pid])
        #expect(switches.last?.mm == next.mm)
    }

    /// So is one before a gap.
    @Test func aSwitchBeforeAGapIsOne() {
        var script = script("6.12.0")
        script.run(0)
        script.lose(3)
        script.run(10)
        #expect(script.followProbes().switches.map(\.pid) == [10, 0, 10])
    }

    /// As a 5.10 kernel records it when an event is enabled: to the mm through which text is patched and back, and a flush of that.
    @Test(arguments: [("5.10.0", 0), ("4.16.0", 2)])
    func aPatchOfTextIsNoSwitch(_ release: String, wanted: Int) {
        var script = script(release, prev: Self.other)
        for next in [Self.other, Self.mm] {
            script.probe(.swMM, next: next, task: Self.task, prev: 0)
            script.flush(.taskSwitch)
        }
        script.probe(.flushRange, mm: Self.other)
        script.probe(.flushRange, mm: Self.mm)
        script.flush(.localMM, 1)
        let notes = script.followProbes()
        #expect(loads(notes) == wanted)
        if wanted == 0 { #expect(notes.flushes.local.map(\.mm) == [notes.switches[0].mm]) }
        #expect(notes.loaded[0] == notes.switches[0].mm)
    }

    /// Without a task either it is an exec, or leave_mm(), which goes to init_mm.
    @Test(arguments: [nil, other] as [UInt64?])
    func anExecIsToldFromLeaveMM(prev: UInt64?) {
        var script = script("6.12.0", prev: prev)
        script.probe(.swMM, next: Self.other, prev: prev)
        script.flush(.taskSwitch)
        script.flush(.localMM, 1)
        script.run(0)
        script.probe(.enterLazy)
        script.probe(.leave)
        script.probe(.swMM, next: Self.initMM, prev: prev.map { _ in 0 })
        script.flush(.taskSwitch)
        script.flush(.localMM, 1)
        let notes = script.followProbes()
        #expect(notes.count { if case .exec = $0 { true } else { false } } == 1)
        #expect(notes.count { if case .idleLeave = $0 { true } else { false } } == 1)
        #expect(notes.loaded[0] == .initMM)
    }

    /// sched_force_init_mm(), v6.14 and later: the CPU's mm goes, and no older scheme would do that here.
    @Test func aCPUThatGoesOffTakesInitMM() {
        var script = script("6.18.0")
        script.run(20)
        script.probe(.enterLazy)
        script.probe(.swMM, next: Self.initMM, task: Self.task)
        script.flush(.taskSwitch)
        let notes = script.followProbes()
        #expect(loads(notes) == 0)
    }

    /// v6.14 and later have no idle_task_exit(): the stopper thread's next switch is missing, and the idle task is the first to be switched from.
    @Test(arguments: [true, false])
    func aCPUThatGoesOffShowsByItsMissingSwitch(isMissing: Bool) {
        var script = script("6.18.0")
        script.name(20, "migration/0")
        script.run(20)
        script.probe(.enterLazy)
        if !isMissing { script.run(0) }
        script.run(isMissing ? 20 : 10, from: isMissing ? 0 : nil)
        let notes = script.followProbes(ProbeCoverage(offline: false))
        #expect(notes.count { if case .cpuDown = $0 { true } else { false } } == (isMissing ? 1 : 0))
        #expect(notes.count { if case .cpuUp = $0 { true } else { false } } == (isMissing ? 1 : 0))
    }

    /// Up to v6.13 a mask or the CPU's next record tells when switch_mm() has cleared the CPU's bit; later kernels do not clear it.
    @Test(arguments: [("6.1.0", 1), ("6.18.0", 2)])
    func whereMasksTellNothingACPULeavesThePreviousMMWithItsLoad(_ release: String, settled: Int) {
        var script = script(release)
        script.run(20)
        script.probe(.swMM, next: Self.other, task: Self.task + 64)
        // The last record: the first switch is settled with the records behind it.
        script.flush(.taskSwitch)
        #expect(script.followProbes().count { if case .settled = $0 { true } else { false } } == settled)
    }

    /// v7.3, where enter_lazy_tlb() is inline: switch_mm_irqs_off() is not called for a task without an mm.
    @Test func withoutAProbeOfItsOwnASwitchWithoutSwitchMMIsOneToNone() {
        var script = script("7.3.0")
        script.run(20)
        script.run(10)
        script.probe(.swMM, next: Self.mm, task: Self.task)
        let notes = script.followProbes(ProbeCoverage(lazy: false))
        #expect(notes.switches.map(\.mm.isUser) == [true, false, true])
        #expect(notes.switches[1].mm == .none)
        #expect(notes.switches[2].mm == notes.switches[0].mm)
        #expect(notes.switches.allSatisfy { $0.basis == .exact })
    }

    /// And a task that has run exit_mm() shows so by its CPU's is_lazy, or dies.
    @Test(arguments: [true, false])
    func withoutAProbeOfItsOwnAnExitShowsByTheCPUsState(isSeen: Bool) {
        var script = script("7.3.0")
        if isSeen { script.probe(.flushRange, mm: Self.mm, isLazy: true) }
        script.run(0, state: 0x10)
        script.run(10)
        let notes = script.followProbes(ProbeCoverage(lazy: false))
        let exits = notes.stimuli.indices { if case .exitMM = $0 { true } else { false } }
        #expect(exits.ranges.count == 1)
        // Before the flush of the mm that it has given up.
        if isSeen, let exit = exits.ranges.first?.lowerBound, let flush = notes.stimuli.lastIndex(where: { if case .flushRange = $0 { true } else { false } }) { #expect(exit < flush) }
    }

    /// What an idle CPU has loaded when the trace begins is named after who has it, if that is seen, and not after who borrows it.
    @Test(arguments: [true, false]) func anMMIsNamedAfterATaskThatHasIt(isSeen: Bool) {
        var script = Script("6.1.0")
        script.name(10, "app")
        script.run(50, from: 0)
        script.probe(.ctxsw, next: 0)
        script.probe(.flushRange, mm: Self.borrowed)
        if isSeen {
            script.run(10)
            script.probe(.ctxsw, next: Self.borrowed)
        }
        let mms = script.followProbes().mms
        #expect(mms.name(MM(1)) == (isSeen ? "app:10" : "?"))
    }

    /// A task that runs when the trace begins gets its name with its next switch.
    @Test func theFirstTasksNameComesLater() {
        var script = Script("6.1.0")
        script.name(10, "app")
        script.run(10, from: 0)
        script.probe(.ctxsw, next: Self.borrowed)
        #expect(script.followProbes().mms.name(MM(1)) == "app:10")
        var other = Script("6.1.0")
        other.name(10, "app")
        other.flush(.localMM, 1, pid: 10)
        other.probe(.flushRange, mm: Self.borrowed, isLazy: false)
        other.run(50)
        other.probe(.ctxsw, next: 0)
        other.run(10)
        other.probe(.ctxsw, next: Self.borrowed)
        #expect(other.followProbes().mms.name(MM(1)) == "app:10")
        // What the kernel saved may be a later name.
        #expect(other.followProbes(savedNames: [10: "later"]).mms.name(MM(1)) == "app:10")
    }

    /// As in reports without probes: the process's name, and its leader's pid, where a snapshot tells them, though only threads run.
    @Test(arguments: [true, false]) func anMMIsNamedAfterItsProcess(isSaved: Bool) {
        var script = Script("6.1.0")
        script.mark("lazytlb-tasks 1 begin")
        script.mark("lazytlb-tasks 1 threads 10 9 11;")
        script.mark("lazytlb-tasks 1 end")
        script.name(9, "worker")
        script.run(9)
        script.probe(.ctxsw, next: Self.borrowed)
        let savedNames: [Int32: Comm] = isSaved ? [10: "server"] : [:]
        #expect(script.followProbes(savedNames: savedNames).mms.name(MM(1)) == (isSaved ? "server:10" : "worker:10"))
        // Where the leader runs as well, its own name is known.
        script.name(10, "leader")
        script.run(10)
        script.probe(.ctxsw, next: Self.borrowed)
        if !isSaved { #expect(script.followProbes().mms.name(MM(1)) == "leader:10") }
    }

    @Test func aThreadThatWasBornMeanwhileHasNotTheListedProcess() {
        var script = Script("6.1.0")
        script.mark("lazytlb-tasks 1 begin")
        script.run(5)
        script.fork(11)
        script.mark("lazytlb-tasks 1 threads 10 11 12;")
        script.mark("lazytlb-tasks 1 end")
        script.fork(12)
        script.run(11)
        script.probe(.ctxsw, next: Self.borrowed)
        script.run(12)
        script.probe(.ctxsw, next: Self.borrowed + 0x1000)
        let mms = script.followProbes().mms
        #expect(mms.name(MM(1)).hasSuffix(":11"))
        #expect(mms.name(MM(2)).hasSuffix(":12"))
    }

    private static let borrowed: UInt64 = 0xffff_8880_0000_7000

    /// switch_mm() has cleared the CPU's bit before its TASK_SWITCH record is written.
    @Test(arguments: [(UInt64(0b01), true), (0b11, false)]) func aMaskTellsWhetherASwitchUnderWayHasLeftIt(mask: UInt64, hasLeft: Bool) throws {
        var script = Script("4.12.0")
        for cpu in 0..<2 {
            script.run(10 + Int32(cpu), on: cpu)
            script.probe(.ctxsw, next: Self.mm, on: cpu)
        }
        script.run(12, on: 1)
        script.probe(.swMM, next: Self.other, task: Self.task, on: 1)
        script.probe(.flushRange, mm: Self.mm, mask: mask)
        script.flush(.localMM, 1)
        script.flush(.taskSwitch, on: 1)
        let stimuli = script.followProbes().stimuli
        let left = try #require(stimuli.lastIndex { if case .contextSwitch(1, _) = $0 { true } else { false } })
        let flushed = try #require(stimuli.firstIndex { if case .flushRange(0, _, _) = $0 { true } else { false } })
        #expect((left < flushed) == hasLeft)
    }

    /// Its mmdrop may be lost, or not recorded: exec_mmap() has a new mm always.
    @Test func anExecsMMIsNewThoughItsAddressWasSeenBefore() throws {
        var script = Script("5.10.0", cpus: 1)
        for (pid, mm) in [(Int32(10), Self.mm), (20, Self.other)] {
            script.run(pid)
            script.probe(.swMM, next: mm, task: Self.task + UInt64(pid))
            script.flush(.taskSwitch)
            script.flush(.localMM, 1)
        }
        script.probe(.swMM, next: Self.mm, own: Self.other, isLazy: false)
        script.flush(.taskSwitch)
        script.flush(.localMM, 1)
        let notes = script.followProbes()
        let exec = try #require(notes.stimuli.compactMap { if case .exec(0, let mm) = $0 { mm } else { nil } }.first)
        #expect(exec.isUser && !notes.switches.map(\.mm).contains(exec))
    }
}
