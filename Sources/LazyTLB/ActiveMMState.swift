import CPrefetch
import Tables

/// The old bookkeeping, common to `v4.12` and `v4.13-parent`: cpu_tlbstate.active_mm and state.
///
/// arch/x86/mm/tlb.c and arch/x86/include/asm/{mmu_context,tlbflush}.h at v4.12. CR3 is kept here, which the kernel does not do:
/// after leave_mm() tlb.active_mm still names the borrowed mm although CR3 points to init_mm.
struct ActiveMMState: Sendable {
    /// By CPU.
    let cpus: Flat<PerCPU>
    var masks: MaskTable
    var shootdowns: Shootdowns
    /// Row per CPU: the mask of the batched flush that it has under way.
    var batchMasks: MaskTable
    var clearsLate = false
    var counters = Counters()

    struct PerCPU: Sendable {
        var state = TLBState.reset
        /// cpu_tlbstate.active_mm
        var active = MM.unknown
        /// The mm that CR3 points to.
        var cr3 = MM.unknown
        /// The mm whose mask the CPU is still in after it switched away (``Machine/clearsLate``).
        var lingering = MM.none
        /// The mm that Xen last took out of CR3 behind the back of the bookkeeping.
        var dropped = MM.none
    }

    init(cpus: Int) {
        self.cpus = Flat(repeating: PerCPU(), count: cpus)
        masks = MaskTable(cpus: cpus)
        shootdowns = Shootdowns(cpus: cpus)
        batchMasks = MaskTable(cpus: cpus, rows: cpus)
    }

    /// A machine of its own in the same state.
    init(_ other: ActiveMMState) {
        cpus = other.cpus.copy()
        (masks, shootdowns, batchMasks) = (other.masks.copy(), other.shootdowns.copy(), other.batchMasks.copy())
        (clearsLate, counters) = (other.clearsLate, other.counters)
    }

    /// Leaves the mask of the mm that was switched away from.
    @inline(__always) mutating func settle(_ cpu: Int) {
        let place = cpus.place(cpu)
        let mm = place.pointee.lingering
        guard mm != .none else { return }
        place.pointee.lingering = .none
        masks.remove(cpu, Int(mm.index))
    }

    @inline(__always) mutating func leaveMask(_ cpu: Int, _ mm: MM) {
        if clearsLate { cpus[cpu].lingering = mm } else { masks.remove(cpu, Int(mm.index)) }
    }

    @inline(__always) func inMask(_ cpu: Int, _ mm: MM) -> Bool { mm.isKnown && masks.contains(cpu, Int(mm.index)) }

    @inline(never) mutating func warn(_ warning: Warnings, _ effects: inout Effects) {
        effects.warnings.insert(warning)
        counters.warnings[warning.rawValue.trailingZeroBitCount] += 1
    }

    @inline(__always) mutating func loadCR3(_ cpu: Int, _ mm: MM, _ effects: inout Effects) {
        let place = cpus.place(cpu)
        effects.cr3Load = true
        if place.pointee.cr3 == mm { effects.redundantLoad = true }
        place.pointee.cr3 = mm
        counters.cr3Loads &+= 1
        effects.emit(.taskSwitch, Stimulus.flushAll)
    }

    /// leave_mm(), arch/x86/mm/tlb.c. The state and tlb.active_mm stay as they were.
    mutating func leaveMM(_ cpu: Int, _ effects: inout Effects) {
        let mm = cpus[cpu].active
        guard mm != .unknown else { return }
        if cpus[cpu].state == .ok { return warn(.leaveWhileOK, &effects) }
        if inMask(cpu, mm) {
            masks.remove(cpu, Int(mm.index))
            loadCR3(cpu, .initMM, &effects)
            effects.left = true
            counters.leaveMM &+= 1
        } else if mm.isUser {
            effects.staleLeave = true
        }
    }

    /// switch_mm_irqs_off(prev, next), arch/x86/mm/tlb.c. `prev` is the outgoing task's active_mm.
    @inline(__always) mutating func switchMM(_ cpu: Int, from prev: MM, to next: MM, _ effects: inout Effects) {
        guard prev != .unknown, next.isKnown else { return switchUnknown(cpu, to: next) }
        let place = cpus.place(cpu)
        place.pointee.state = .ok
        if prev != next {
            place.pointee.active = next
            masks.insert(cpu, Int(next.index))
            loadCR3(cpu, next, &effects)
            if prev.isKnown { leaveMask(cpu, prev) }
        } else {
            if place.pointee.active != next { warn(.activeMMMismatch, &effects) }
            if !inMask(cpu, next) {
                masks.insert(cpu, Int(next.index))
                loadCR3(cpu, next, &effects)
            }
        }
    }

    /// A switch from or to an mm that is not known: whether CR3 was loaded is not known either.
    @inline(never) mutating func switchUnknown(_ cpu: Int, to next: MM) {
        forget(cpu)
        counters.unknownSwitches &+= 1
        cpus[cpu].state = .ok
        cpus[cpu].active = next
        cpus[cpu].cr3 = next
        if next.isKnown { masks.insert(cpu, Int(next.index)) }
    }

    mutating func forget(_ cpu: Int) {
        if cpus[cpu].active.isKnown { masks.remove(cpu, Int(cpus[cpu].active.index)) }
        cpus[cpu].active = .unknown
        cpus[cpu].cr3 = .unknown
    }

    mutating func observe(_ cpu: Int, _ mm: MM, lazy: Bool, mask: Bool) {
        guard cpus[cpu].active == .unknown else { return }
        // A reworked kernel that has left its mm: which one the old bookkeeping would still name is not known.
        if mm == .initMM, !lazy { return }
        cpus[cpu].active = mm
        // The reworked kernel's leave_mm() ends with state OK and init_mm; here that is a CPU that has left the mm it borrows.
        cpus[cpu].state = lazy || mm == .initMM ? .lazy : .ok
        cpus[cpu].cr3 = mask ? mm : .initMM
        if mask, mm.isUser { masks.insert(cpu, Int(mm.index)) }
    }

    @inline(__always) mutating func enterLazyTLB(_ cpu: Int) {
        if cpus[cpu].state == .ok { cpus[cpu].state = .lazy }
    }

    @inline(__always) mutating func contextSwitchToLazy(_ cpu: Int) {
        counters.contextSwitches &+= 1
        enterLazyTLB(cpu)
    }

    @inline(__always) func ask(_ cpu: Int, _ mm: MM) {
        prefetch_write(cpus.base + cpu)
        masks.ask(Int(mm.index))
    }

    @inline(__always) func holds(_ cpu: Int, _ mm: MM) -> Bool {
        let place = cpus.base + cpu
        return place.pointee.cr3 == mm && place.pointee.active == mm && place.pointee.lingering == .none
    }

    @inline(__always) mutating func contextSwitchToHeld(_ cpu: Int, _ machine: Machine) {
        counters.contextSwitches &+= 1
        counters.savedLoads &+= machine.mm[cpu] == .none ? 1 : 0
        cpus[cpu].state = .ok
    }

    @inline(__always) func leaves(_ cpu: Int, for mm: MM, _ machine: Machine) -> MM {
        let place = cpus.base + cpu
        let left = place.pointee.cr3
        return left == place.pointee.active && left == machine.activeMM.base[cpu] && left != mm && left.isKnown ? left : .unknown
    }

    @inline(__always) mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, _ machine: Machine) {
        begin(cpu, machine)
        counters.contextSwitches &+= 1
        counters.cr3Loads &+= 1
        let place = cpus.base + cpu
        place.pointee.state = .ok
        place.pointee.active = mm
        place.pointee.cr3 = mm
        masks.insert(cpu, Int(mm.index))
        leaveMask(cpu, left)
    }

    @inline(__always) mutating func contextSwitch(_ cpu: Int, _ next: MM, _ machine: Machine, _ effects: inout Effects) {
        if next == .none { return contextSwitchToLazy(cpu) }
        counters.contextSwitches &+= 1
        if machine.mm[cpu] == .none, machine.activeMM[cpu] == next, next.isUser { countReturn(cpu, next) }
        switchMM(cpu, from: machine.activeMM[cpu], to: next, &effects)
    }

    /// From a task that borrowed the mm, back to one that has it.
    @inline(__always) private mutating func countReturn(_ cpu: Int, _ mm: MM) {
        if inMask(cpu, mm) { counters.savedLoads &+= 1 } else { counters.reloads &+= 1 }
    }

    /// idle_task_exit(), kernel/sched/core.c, then reset_lazy_tlbstate().
    mutating func cpuDown(_ cpu: Int, _ machine: Machine, _ effects: inout Effects) {
        let borrowed = machine.activeMM[cpu]
        if borrowed == .unknown { forget(cpu) }
        if borrowed.isUser { switchMM(cpu, from: borrowed, to: .initMM, &effects) }
        reset(cpu)
    }

    /// The CPU comes up with init_mm; enter_lazy_tlb() finds state 0 and leaves it.
    mutating func reset(_ cpu: Int) {
        settle(cpu)
        if cpus[cpu].active.isUser { masks.remove(cpu, Int(cpus[cpu].active.index)) }
        cpus[cpu].state = .reset
        cpus[cpu].active = .initMM
        cpus[cpu].cr3 = .initMM
    }

    /// flush_tlb_others(): one SEND_IPI record, then an IPI to each online CPU of the row but the sender.
    @inline(__always) mutating func flushOthers(
        _ cpu: Int, _ mm: MM, _ pages: Int64, row: Int, in rows: MaskTable, _ machine: Machine, _ effects: inout Effects
    ) {
        guard rows.hasOther(than: cpu, row) else { return }
        effects.emit(.remoteSendIPI, pages)
        effects.sent = true
        counters.countSend(shootdowns.open(cpu, mm, pages, row: row, in: rows, on: machine))
    }

    @inline(__always) mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, _ machine: Machine, _ effects: inout Effects) {
        guard mm.isKnown else {
            counters.unknownFlushes &+= 1
            return
        }
        flushOthers(cpu, mm, pages, row: Int(mm.index), in: masks, machine, &effects)
    }

    /// flush_tlb_func() on a CPU that was interrupted, arch/x86/mm/tlb.c.
    @inline(__always) mutating func deliver(_ cpu: Int, from sender: Int, _ effects: inout Effects) {
        guard shootdowns.take(cpu, from: sender) else { return }
        let mm = shootdowns[sender].mm
        if shootdowns[sender].isXen { return dropOtherMMRef(cpu, mm, &effects) }
        if mm != .none && mm != cpus[cpu].active || cpus[cpu].active == .unknown {
            effects.delivery = .ignored
            counters.ipiIgnored &+= 1
            return
        }
        if cpus[cpu].state == .ok {
            effects.flushed = true
            effects.delivery = .flushed
            counters.countAnswer()
            effects.emit(.remoteShootdown, shootdowns[sender].pages)
        } else {
            counters.vmstat.remoteFlushReceived &+= 1
            leaveMM(cpu, &effects)
            // A batch flushes no mm in particular, so none that the CPU would have left.
            if mm == .none { effects.staleLeave = false }
            effects.delivery = effects.left ? .left : .ignored
            if effects.left { counters.ipiLeft &+= 1 } else { counters.ipiIgnored &+= 1 }
        }
    }

    /// do_flush_tlb_all(), arch/x86/mm/tlb.c.
    mutating func doFlushAll(_ cpu: Int, _ effects: inout Effects) {
        counters.vmstat.remoteFlushReceived &+= 1
        effects.flushed = true
        if cpus[cpu].state == .lazy { leaveMM(cpu, &effects) }
    }

    mutating func prepareBatch(_ cpu: Int, _ machine: Machine) {
        let batch = machine.batch[cpu]
        for index in 0..<masks.stride {
            var word = batch.others.word(0, index)
            for mm in batch.mms where mm.isKnown { word |= masks.word(Int(mm.index), index) }
            batchMasks.setWord(cpu, index, word)
        }
    }

    @inline(__always) mutating func countLocal(_ pages: Int64, _ effects: inout Effects) {
        effects.flushed = true
        counters.countLocal(pages)
    }

    /// xen_exit_mmap(), arch/x86/xen/mmu_pv.c: this CPU's part, then IPIs to the CPUs in the mask or with a stale CR3.
    mutating func xenExitMmap(_ cpu: Int, _ mm: MM, _ machine: Machine, _ effects: inout Effects) {
        guard mm.isKnown else { return }
        if machine.activeMM[cpu] == mm {
            if machine.mm[cpu] == mm { drop(cpu, mm) } else { leaveMM(cpu, &effects) }
        }
        for other in cpus.indices where other != cpu && (inMask(other, mm) || cpus[other].cr3 == mm) { batchMasks.insert(other, cpu) }
        if batchMasks.hasOther(than: cpu, cpu) {
            effects.sent = true
            _ = shootdowns.open(cpu, mm, Stimulus.flushAll, row: cpu, in: batchMasks, on: machine, xen: true)
        }
        for index in 0..<batchMasks.stride { batchMasks.setWord(cpu, index, 0) }
    }

    /// drop_other_mm_ref(), arch/x86/xen/mmu_pv.c.
    mutating func dropOtherMMRef(_ cpu: Int, _ mm: MM, _ effects: inout Effects) {
        if cpus[cpu].active == mm && cpus[cpu].state != .ok { leaveMM(cpu, &effects) }
        if cpus[cpu].cr3 == mm { drop(cpu, mm) }
        effects.delivery = effects.left ? .left : .ignored
    }

    /// Takes a page table that is about to be unpinned out of CR3, and out of nothing else: no record, tlb.active_mm and mask as they were.
    private mutating func drop(_ cpu: Int, _ mm: MM) {
        cpus[cpu].cr3 = .initMM
        cpus[cpu].dropped = mm
    }

    /// CR3 is tlb.active_mm's while the CPU is in its mask, and in state OK it is; else the CPU has left and CR3 is init_mm. Only Xen,
    /// where an mm dies, parts CR3 from the mask.
    func brokenInvariant(_ cpu: Int) -> String? {
        let mm = cpus[cpu].active
        guard mm.isUser, cpus[cpu].dropped != mm else { return nil }
        if !inMask(cpu, mm) {
            if cpus[cpu].state == .ok { return "state OK, but the CPU is not in mm_cpumask(active_mm)" }
            if cpus[cpu].cr3 != .initMM { return "lazy and left, but CR3 is not init_mm" }
        } else if cpus[cpu].cr3 != mm {
            return "in mm_cpumask(active_mm), but CR3 is another"
        }
        return nil
    }
}
