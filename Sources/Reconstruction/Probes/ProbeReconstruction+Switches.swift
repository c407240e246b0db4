import LazyTLB
import TraceData

/// Context switches, and other calls of switch_mm_irqs_off() and enter_lazy_tlb().
extension ProbeReconstruction {
    mutating func beginSwitch(_ cpu: Int, _ record: Held, _ source: Lookahead, _ moment: Moment) {
        if !coverage.lazy, record.word1 & rules.deadStates != 0 { exitIfNotSeen(cpu, moment) }
        finishSwitch(cpu, nil, moment)
        clocks.switched(cpu, from: record.prevPID, to: record.nextPID)
        if state[cpu].current >= 0, state[cpu].current != record.prevPID, !state[cpu].down { evidence.brokenChains += 1 }
        state[cpu].current = record.nextPID
        names[record.nextPID] = record.comm
        if record.nextPID != 0 { switchesByName[record.comm, default: 0] += 1 }
        state[cpu].nextComm = record.comm
        if state[cpu].down {
            state[cpu].down = false
            apply(.cpuUp(cpu: cpu), moment)
            load(cpu, .initMM, moment.time)
        }
        state[cpu].switching = true
        state[cpu].begun = record.time
        state[cpu].prevPID = record.prevPID
        state[cpu].nextPID = record.nextPID
        state[cpu].nextMM = nil
        // No record tells how it ends.
        guard let next = source.peek(1), next.kind != .lost else { return finishSwitch(cpu, nil, moment) }
        // A task with an mm comes to switch_mm() at once, with interrupts off.
        if !coverage.lazy, next.kind != .swMM || isInit(source.peekDetails(1).probe.nextMM) {
            finishSwitch(cpu, 0, moment)
            goOfflineBehindStopper(cpu, source, moment)
        }
    }

    /// The switch under way reaches its end; `pointer` is the next task's mm, nil where the probes did not tell.
    mutating func finishSwitch(_ cpu: Int, _ pointer: UInt64?, _ moment: Moment) {
        guard state[cpu].switching else { return }
        state[cpu].switching = false
        let next = state[cpu].nextPID
        let mm: MM
        if let pointer = pointer ?? state[cpu].nextMM { mm = self.mm(pointer, pid: next, owner: true) } else { mm = next == 0 ? .none : .unknown }
        switched(cpu, mm, moment)
    }

    mutating func switched(_ cpu: Int, _ mm: MM, _ moment: Moment) {
        if mm == .unknown { evidence.unknown += 1 } else { evidence.exact += 1 }
        let basis = mm == .unknown ? Basis.unknown : .exact
        sink.willRun(IncomingTask(pid: state[cpu].nextPID, comm: state[cpu].nextComm, basis: basis, begun: state[cpu].begun), cpu: cpu)
        apply(.contextSwitch(cpu: cpu, mm: mm), moment)
        if mm != .none { load(cpu, mm, moment.time) }
    }

    // MARK: probes

    /// The entry of switch_mm_irqs_off().
    mutating func switchMM(_ cpu: Int, _ record: Held, _ probe: ProbeFields, _ source: Lookahead, _ moment: Moment) {
        if isLeave(probe) {
            initPointer = probe.nextMM
            if probe.hasMask { observe(.initMM, probe.mask, moment) }
            return
        }
        if state[cpu].down {
            initPointer = probe.nextMM
            return
        }
        // No kernel switches to no mm: what this record says, and what the CPU has loaded behind it, is not known.
        if probe.nextMM == 0 { return forget(cpu, moment) }
        if visitsTemporaryMM(cpu, probe, source) { return }
        // flush_tlb_func() takes over a global ASID (v6.15 and later): the mm is loaded already.
        if rules.hasGlobalASIDs, !state[cpu].switching, probe.task == 0, probe.hasOwnMM, probe.nextMM == probe.ownMM { return }
        // sched_force_init_mm() of a CPU that is about to go off (v6.14 and later). In the older schemes idle_task_exit() does that.
        if !state[cpu].switching, isInit(probe.nextMM) { return }
        if probe.task == 0 { finishSwitch(cpu, nil, moment) }
        let pid = state[cpu].switching ? state[cpu].nextPID : record.pid
        if probe.task == 0 {
            releasing.remove(record.pid)
            // A new mm, even if its pointer was used before without an mmdrop in sight.
            pointers[probe.nextMM] = nil
        }
        // (A kernel thread uses a process's mm for a while.)
        let has = state[cpu].switching || probe.task == 0
        let next = mm(probe.nextMM, pid: has ? pid : -1, owner: has)
        if probe.hasMask { observe(next, probe.mask, moment) }
        if state[cpu].switching {
            state[cpu].nextMM = probe.nextMM
            if loadFollows(source) { postpone(.contextSwitch(cpu: cpu, mm: next), moment) } else { finishSwitch(cpu, nil, moment) }
        } else {
            postpone(probe.task == 0 ? .exec(cpu: cpu, mm: next) : .useMM(cpu: cpu, mm: next), moment)
            if !loadFollows(source) { takeEffect(cpu, moment) }
        }
    }

    /// An mm is borrowed for a moment: to patch kernel text (arch/x86/kernel/alternative.c, __text_poke(), v5.2) or for EFI (efi_switch_mm(), v4.17). Two calls for the current
    /// task, or for none, to that mm and back. Older kernels do without; so nothing happens in the schemes, and what is loaded behind it is what was before.
    private mutating func visitsTemporaryMM(_ cpu: Int, _ probe: ProbeFields, _ source: Lookahead) -> Bool {
        guard rules.usesTemporaryMM, !state[cpu].switching else { return false }
        if state[cpu].pokeLoads > 0 { return true }
        // Both loads leave a record: none is waited for that does not come.
        guard source.peek(1)?.isLoad == true, source.peek(2)?.kind == .swMM, source.peek(3)?.isLoad == true else { return false }
        let back = source.peekDetails(2).probe
        guard back.task == probe.task, probe.task != 0 || probe.hasOwnMM && back.nextMM == probe.ownMM else { return false }
        pokingPointer = probe.nextMM
        state[cpu].pokeLoads = 2
        return true
    }

    /// Where no probe tells that a CPU goes off, its stopper thread does.
    private mutating func goOfflineBehindStopper(_ cpu: Int, _ source: Lookahead, _ moment: Moment) {
        guard !coverage.offline, state[cpu].nextComm.isStopper, source.comesBackIdle else { return }
        apply(.offline(cpu: cpu), moment)
        goesDown(cpu, moment)
    }

    /// In the older schemes idle_task_exit().
    mutating func goesDown(_ cpu: Int, _ moment: Moment) {
        apply(.cpuDown(cpu: cpu), moment)
        load(cpu, .initMM, moment.time)
        state[cpu].down = true
    }

    /// enter_lazy_tlb() (a probe of newer kernels): at a switch to a task without an mm, or when a task gives its mm up.
    mutating func enterLazy(_ cpu: Int, _ record: Held, _ probe: ProbeFields, _ source: Lookahead, _ moment: Moment) {
        if state[cpu].switching, probe.pid == state[cpu].nextPID {
            finishSwitch(cpu, 0, moment)
            if goesOffline(source) { apply(.offline(cpu: cpu), moment) }
            goOfflineBehindStopper(cpu, source, moment)
            return
        }
        guard machine.mm[cpu].isKnown else { return }
        apply(releasing.remove(record.pid) != nil ? .exitMM(cpu: cpu) : .unuseMM(cpu: cpu), moment)
    }
}
