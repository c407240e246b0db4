import CPrefetch
import Tables

/// `v4.13`: the reworked scheme, cpu_tlbstate.loaded_mm (commit 3d28ebceaffa; arch/x86/mm/tlb.c as released in v4.13).
///
/// The bookkeeping names what CR3 points to at all times: there is no third state.
public struct V413: Scheme {
    public static let id = "v4.13"

    /// By CPU.
    let cpus: Flat<PerCPU>
    var masks: MaskTable
    var shootdowns: Shootdowns
    /// Row per CPU: the mask of the batched flush that it has under way.
    var batchMasks: MaskTable
    public var counters = Counters()

    struct PerCPU: Sendable {
        var state = TLBState.reset
        /// cpu_tlbstate.loaded_mm
        var loaded = MM.unknown
        /// The mm whose mask the CPU is still in after it switched away (``Machine/clearsLate``).
        var lingering = MM.none
    }

    public init(cpus: Int) {
        self.cpus = Flat(repeating: PerCPU(), count: cpus)
        masks = MaskTable(cpus: cpus)
        shootdowns = Shootdowns(cpus: cpus)
        batchMasks = MaskTable(cpus: cpus, rows: cpus)
    }

    private init(_ other: V413) {
        cpus = other.cpus.copy()
        (masks, shootdowns, batchMasks) = (other.masks.copy(), other.shootdowns.copy(), other.batchMasks.copy())
        counters = other.counters
    }

    public func copy() -> V413 { V413(self) }

    public func loadedMM(_ cpu: Int) -> MM { cpus[cpu].loaded }
    public func bookedMM(_ cpu: Int) -> MM { cpus[cpu].loaded }
    public func state(_ cpu: Int) -> TLBState { cpus[cpu].state }
    public func targetWord(_ sender: Int, _ index: Int) -> UInt64 { shootdowns.sent.word(sender, index) }
    public func pendingWord(_ sender: Int, _ index: Int) -> UInt64 { shootdowns.pending.word(sender, index) }
    public func maskWord(_ mm: MM, _ index: Int) -> UInt64 { masks.word(Int(mm.index), index) }

    @inline(__always) public mutating func contextSwitch(_ cpu: Int, _ mm: MM, on machine: Machine, _ effects: inout Effects) {
        begin(cpu, machine)
        counters.contextSwitches &+= 1
        if mm == .none {
            enterLazyTLB(cpu)
        } else {
            if machine.mm[cpu] == .none, machine.activeMM[cpu] == mm, mm.isUser { countReturn(cpu, mm) }
            switchMM(cpu, mm, machine, &effects)
        }
        end(cpu, &effects)
    }

    /// From a task that borrowed the mm, back to one that has it.
    @inline(__always) private mutating func countReturn(_ cpu: Int, _ mm: MM) {
        if cpus[cpu].loaded == mm { counters.savedLoads &+= 1 } else if cpus[cpu].loaded == .initMM { counters.reloads &+= 1 }
    }

    @inline(__always) public mutating func contextSwitchToLazy(_ cpu: Int, on machine: Machine) {
        begin(cpu, machine)
        counters.contextSwitches &+= 1
        enterLazyTLB(cpu)
    }

    @inline(__always) public func ask(_ cpu: Int, _ mm: MM) {
        prefetch_write(cpus.base + cpu)
        masks.ask(Int(mm.index))
    }

    @inline(__always) public func holds(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool { cpus[cpu].loaded == mm && cpus[cpu].lingering == .none }

    @inline(__always) public mutating func contextSwitchToHeld(_ cpu: Int, on machine: Machine) {
        counters.contextSwitches &+= 1
        counters.savedLoads &+= machine.mm[cpu] == .none ? 1 : 0
        cpus[cpu].state = .ok
    }

    @inline(__always) public func leaves(_ cpu: Int, for mm: MM, on machine: Machine) -> MM {
        let place = cpus.base + cpu
        let left = place.pointee.loaded
        // The mm that it left before, if that is still open, it leaves first.
        let isNew = !masks.contains(cpu, Int(mm.index)) || place.pointee.lingering == mm
        return left != mm && left.isKnown && isNew && (masks.contains(cpu, Int(left.index)) || left == .initMM) ? left : .unknown
    }

    @inline(__always) public mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, on machine: Machine) {
        begin(cpu, machine)
        counters.contextSwitches &+= 1
        counters.cr3Loads &+= 1
        if left == .initMM, machine.mm[cpu] == .none, machine.activeMM[cpu] == mm { counters.reloads &+= 1 }
        let place = cpus.base + cpu
        place.pointee.state = .ok
        place.pointee.loaded = mm
        masks.insert(cpu, Int(mm.index))
        if machine.clearsLate { place.pointee.lingering = left } else { masks.remove(cpu, Int(left.index)) }
    }

    @inline(__always) public mutating func flushRange(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        begin(cpu, machine)
        if cpus[cpu].loaded == mm, mm.isKnown { flushLocal(cpu, .localMMShootdown, pages, machine, &effects) }
        end(cpu, &effects)
    }

    @inline(__always) public mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        begin(cpu, machine)
        if mm.isKnown { flushOthers(cpu, mm, pages, Int(mm.index), masks, machine, &effects) } else { counters.unknownFlushes &+= 1 }
        end(cpu, &effects)
    }

    @inline(__always) public mutating func deliver(_ cpu: Int, from sender: Int, on machine: Machine, _ effects: inout Effects) {
        begin(cpu, machine)
        handle(cpu, from: sender, machine, &effects)
        end(cpu, &effects)
    }

    /// Settles what the CPU's previous switch left open.
    @inline(__always) private mutating func begin(_ cpu: Int, _ machine: Machine) {
        if machine.clearsLate { settle(cpu) }
    }

    /// Tells what the CPU has now.
    @inline(__always) private mutating func end(_ cpu: Int, _ effects: inout Effects) {
        effects.loaded = cpus[cpu].loaded
        effects.booked = effects.loaded
    }

    public mutating func applyOther(_ stimulus: Stimulus, on machine: Machine, _ effects: inout Effects) {
        begin(stimulus.cpu, machine)
        defer { end(stimulus.cpu, &effects) }
        switch stimulus {
        case .exec(let cpu, let mm), .useMM(let cpu, let mm): switchMM(cpu, mm, machine, &effects)
        case .exitMM(let cpu), .unuseMM(let cpu): enterLazyTLB(cpu)
        case .idleLeave(let cpu): leaveMM(cpu, machine, &effects)
        case .flushPage(let cpu, let mm):
            if cpus[cpu].loaded == mm, mm.isKnown { flushLocal(cpu, .localMMShootdown, 1, machine, &effects) }
        case .batchLocal(let cpu):
            prepareBatch(cpu, machine)
            if batchMasks.contains(cpu, cpu) { flushLocal(cpu, .localShootdown, Stimulus.flushAll, machine, &effects) }
        case .batchOthers(let cpu): flushOthers(cpu, .none, Stimulus.flushAll, cpu, batchMasks, machine, &effects)
        case .flushAll(_, let kernelRange): if !kernelRange { counters.vmstat.remoteFlush &+= 1 }
        case .doFlushAll(let cpu): doFlushAll(cpu, machine, &effects)
        case .xenExitMmap(let cpu, let mm): xenExitMmap(cpu, mm, machine, &effects)
        case .cpuDown(let cpu): cpuDown(cpu, machine, &effects)
        case .cpuUp(let cpu):
            reset(cpu)
            // setup_fixmap_gdt(), arch/x86/kernel/cpu/common.c: __set_fixmap() invalidates the page of the CPU's GDT.
            counters.vmstat.localFlushOne &+= 1
        case .forget(let cpu): forget(cpu)
        // A CPU that is out of the mask of the mm it borrows has left it.
        case .observe(let cpu, let mm, let lazy, let mask): observe(cpu, mask ? mm : .initMM, lazy)
        case .offline, .settled: break
        case .contextSwitch, .flushRange, .flushOthers, .deliver: preconditionFailure("a transition that has a function of its own")
        }
    }

    @inline(never) mutating func warn(_ warning: Warnings, _ effects: inout Effects) {
        effects.warnings.insert(warning)
        counters.warnings[warning.rawValue.trailingZeroBitCount] += 1
    }

    @inline(__always) func inMask(_ cpu: Int, _ mm: MM) -> Bool { mm.isKnown && masks.contains(cpu, Int(mm.index)) }

    /// enter_lazy_tlb(), arch/x86/include/asm/mmu_context.h.
    @inline(__always) mutating func enterLazyTLB(_ cpu: Int) {
        if cpus[cpu].state == .ok { cpus[cpu].state = .lazy }
    }

    /// switch_mm_irqs_off(), arch/x86/mm/tlb.c: compares with loaded_mm and ignores `prev`. init_mm's mask is kept as well.
    @inline(__always) mutating func switchMM(_ cpu: Int, _ next: MM, _ machine: Machine, _ effects: inout Effects) {
        let place = cpus.place(cpu)
        let previous = place.pointee.loaded
        guard previous != .unknown, next.isKnown else { return switchUnknown(cpu, next) }
        place.pointee.state = .ok
        if previous == next {
            if !inMask(cpu, next) {
                warn(.loadedNotInMask, &effects)
                masks.insert(cpu, Int(next.index))
            }
            return
        }
        place.pointee.loaded = next
        if masks.insert(cpu, Int(next.index)) { warn(.nextAlreadyInMask, &effects) }
        effects.cr3Load = true
        counters.cr3Loads &+= 1
        effects.emit(.taskSwitch, Stimulus.flushAll)
        let wasIn: Bool
        if machine.clearsLate {
            wasIn = inMask(cpu, previous)
            place.pointee.lingering = previous
        } else {
            wasIn = masks.remove(cpu, Int(previous.index))
        }
        if !wasIn && previous != .initMM { warn(.previousNotInMask, &effects) }
    }

    /// Leaves the mask of the mm that was switched away from.
    @inline(__always) public mutating func settle(_ cpu: Int) {
        let place = cpus.place(cpu)
        let mm = place.pointee.lingering
        guard mm != .none else { return }
        place.pointee.lingering = .none
        masks.remove(cpu, Int(mm.index))
    }

    @inline(never) mutating func switchUnknown(_ cpu: Int, _ next: MM) {
        forget(cpu)
        counters.unknownSwitches &+= 1
        cpus[cpu].state = .ok
        cpus[cpu].loaded = next
        if next.isKnown { masks.insert(cpu, Int(next.index)) }
    }

    mutating func forget(_ cpu: Int) {
        if cpus[cpu].loaded.isKnown { masks.remove(cpu, Int(cpus[cpu].loaded.index)) }
        cpus[cpu].loaded = .unknown
    }

    mutating func observe(_ cpu: Int, _ mm: MM, _ lazy: Bool) {
        guard cpus[cpu].loaded == .unknown else { return }
        cpus[cpu].loaded = mm
        cpus[cpu].state = lazy ? .lazy : .ok
        if mm.isKnown { masks.insert(cpu, Int(mm.index)) }
    }

    /// leave_mm(), arch/x86/mm/tlb.c: a switch_mm() to init_mm, after which the state is OK.
    mutating func leaveMM(_ cpu: Int, _ machine: Machine, _ effects: inout Effects) {
        if cpus[cpu].loaded == .initMM || cpus[cpu].loaded == .unknown { return }
        if cpus[cpu].state == .ok { return warn(.leaveWhileOK, &effects) }
        switchMM(cpu, .initMM, machine, &effects)
        settle(cpu)
        effects.left = true
        counters.leaveMM &+= 1
    }

    /// flush_tlb_func_common() for this CPU itself: a lazy CPU leaves and does nothing else.
    @inline(__always) mutating func flushLocal(_ cpu: Int, _ reason: FlushReason, _ pages: Int64, _ machine: Machine, _ effects: inout Effects) {
        guard cpus[cpu].loaded != .unknown else { return }
        if cpus[cpu].state != .ok { return leaveMM(cpu, machine, &effects) }
        effects.flushed = true
        effects.emit(reason, pages)
        counters.countLocal(pages)
    }

    /// flush_tlb_others(): one SEND_IPI record, then an IPI to each online CPU of the row but the sender.
    @inline(__always) mutating func flushOthers(
        _ cpu: Int, _ mm: MM, _ pages: Int64, _ row: Int, _ rows: MaskTable, _ machine: Machine, _ effects: inout Effects
    ) {
        guard rows.hasOther(than: cpu, row) else { return }
        effects.emit(.remoteSendIPI, pages)
        effects.sent = true
        counters.countSend(shootdowns.open(cpu, mm, pages, row: row, in: rows, on: machine))
    }

    /// flush_tlb_func_remote() on a CPU that was interrupted.
    @inline(__always) mutating func handle(_ cpu: Int, from sender: Int, _ machine: Machine, _ effects: inout Effects) {
        guard shootdowns.take(cpu, from: sender) else { return }
        let mm = shootdowns[sender].mm
        if shootdowns[sender].isXen {
            if cpus[cpu].loaded == mm { leaveMM(cpu, machine, &effects) }
            effects.delivery = effects.left ? .left : .ignored
            return
        }
        if mm != .none && mm != cpus[cpu].loaded || cpus[cpu].loaded == .unknown {
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
            leaveMM(cpu, machine, &effects)
            effects.delivery = effects.left ? .left : .ignored
            if effects.left { counters.ipiLeft &+= 1 } else { counters.ipiIgnored &+= 1 }
        }
    }

    /// do_flush_tlb_all().
    mutating func doFlushAll(_ cpu: Int, _ machine: Machine, _ effects: inout Effects) {
        counters.vmstat.remoteFlushReceived &+= 1
        effects.flushed = true
        if cpus[cpu].state == .lazy { leaveMM(cpu, machine, &effects) }
    }

    /// arch_tlbbatch_flush(): the batch's mask is the union of mm_cpumask() of its mms at unmap time.
    mutating func prepareBatch(_ cpu: Int, _ machine: Machine) {
        let batch = machine.batch[cpu]
        for index in 0..<masks.stride {
            var word = batch.others.word(0, index)
            for mm in batch.mms where mm.isKnown { word |= masks.word(Int(mm.index), index) }
            batchMasks.setWord(cpu, index, word)
        }
    }

    /// idle_task_exit(), then reset_lazy_tlbstate(), which WARNs if CR3 is not swapper_pg_dir.
    mutating func cpuDown(_ cpu: Int, _ machine: Machine, _ effects: inout Effects) {
        let borrowed = machine.activeMM[cpu]
        if borrowed == .unknown { forget(cpu) }
        if borrowed.isUser { switchMM(cpu, .initMM, machine, &effects) }
        if cpus[cpu].loaded.isUser { warn(.downWithUserCR3, &effects) }
        reset(cpu)
    }

    mutating func reset(_ cpu: Int) {
        settle(cpu)
        if cpus[cpu].loaded.isUser { masks.remove(cpu, Int(cpus[cpu].loaded.index)) }
        cpus[cpu].state = .reset
        cpus[cpu].loaded = .initMM
    }

    /// xen_exit_mmap(), arch/x86/xen/mmu_pv.c: the same function on this CPU and on all others in the mask.
    mutating func xenExitMmap(_ cpu: Int, _ mm: MM, _ machine: Machine, _ effects: inout Effects) {
        guard mm.isKnown else { return }
        if cpus[cpu].loaded == mm { leaveMM(cpu, machine, &effects) }
        guard masks.hasOther(than: cpu, Int(mm.index)) else { return }
        effects.sent = true
        _ = shootdowns.open(cpu, mm, Stimulus.flushAll, row: Int(mm.index), in: masks, on: machine, xen: true)
    }

    /// CR3 is always loaded_mm's, so what remains is that the mask agrees with it.
    public func brokenInvariant(_ cpu: Int) -> String? {
        if cpus[cpu].loaded.isUser && !inMask(cpu, cpus[cpu].loaded) { return "the CPU is not in mm_cpumask(loaded_mm)" }
        if cpus[cpu].state == .lazy && cpus[cpu].loaded == .none { return "lazy without a loaded mm" }
        return nil
    }
}
