/// `v4.12`: the old active_mm scheme as released (arch/x86/mm/tlb.c, mm/rmap.c at v4.12; the same states since about v4.9, but up to v4.11 a flush by a lazy CPU, or of another mm than
/// its own, asks for everything, whatever its range: flush_tlb_mm_range() before ce27374fabf5).
public struct V412: Scheme {
    public static let id = "v4.12"
    var old: ActiveMMState

    public init(cpus: Int) { old = ActiveMMState(cpus: cpus) }

    private init(_ old: ActiveMMState) { self.old = old }

    public func copy() -> V412 { V412(ActiveMMState(old)) }

    @inline(__always) public mutating func contextSwitch(_ cpu: Int, _ mm: MM, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.contextSwitch(cpu, mm, machine, &effects)
        old.end(cpu, &effects)
    }

    @inline(__always) public mutating func contextSwitchToLazy(_ cpu: Int, on machine: Machine) {
        old.begin(cpu, machine)
        old.contextSwitchToLazy(cpu)
    }

    @inline(__always) public func ask(_ cpu: Int, _ mm: MM) { old.ask(cpu, mm) }
    @inline(__always) public func holds(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool { machine.activeMM[cpu] == mm && old.holds(cpu, mm) }
    @inline(__always) public mutating func contextSwitchToHeld(_ cpu: Int, on machine: Machine) { old.contextSwitchToHeld(cpu, machine) }
    @inline(__always) public func leaves(_ cpu: Int, for mm: MM, on machine: Machine) -> MM { old.leaves(cpu, for: mm, machine) }
    @inline(__always) public mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, on machine: Machine) {
        old.contextSwitch(cpu, from: left, to: mm, machine)
    }

    /// flush_tlb_mm_range(), the part before flush_tlb_others().
    @inline(__always) public mutating func flushRange(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        if machine.activeMM[cpu] == mm, mm.isKnown {
            if machine.mm[cpu] == .none {
                old.leaveMM(cpu, &effects)
            } else {
                old.countLocal(pages, &effects)
                effects.emit(.localMMShootdown, pages)
            }
        }
        old.end(cpu, &effects)
    }

    @inline(__always) public mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.flushOthers(cpu, mm, pages, machine, &effects)
        old.end(cpu, &effects)
    }

    @inline(__always) public mutating func deliver(_ cpu: Int, from sender: Int, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.deliver(cpu, from: sender, &effects)
        old.end(cpu, &effects)
    }

    public mutating func applyOther(_ stimulus: Stimulus, on machine: Machine, _ effects: inout Effects) {
        old.begin(stimulus.cpu, machine)
        switch stimulus {
        case .flushPage(let cpu, let mm): flushPage(cpu, mm, machine, &effects)
        case .batchLocal(let cpu): batchLocal(cpu, machine, &effects)
        default: old.applyCommon(stimulus, machine, &effects)
        }
        old.end(stimulus.cpu, &effects)
    }

    /// flush_tlb_page(): its local invalidation writes no record.
    mutating func flushPage(_ cpu: Int, _ mm: MM, _ machine: Machine, _ effects: inout Effects) {
        guard machine.activeMM[cpu] == mm, mm.isKnown else { return }
        if machine.mm[cpu] == .none { return old.leaveMM(cpu, &effects) }
        old.countLocal(1, &effects)
    }

    /// try_to_unmap_flush(), mm/rmap.c: flushes even when lazy, so that the CPU stays in the mask of the mm that it borrows.
    mutating func batchLocal(_ cpu: Int, _ machine: Machine, _ effects: inout Effects) {
        old.prepareBatch(cpu, machine)
        guard old.batchMasks.contains(cpu, cpu) else { return }
        old.countLocal(Stimulus.flushAll, &effects)
        effects.emit(.localShootdown, Stimulus.flushAll)
    }
}

extension V412 {
    public var counters: Counters {
        get { old.counters }
        set { old.counters = newValue }
    }
    public func targetWord(_ sender: Int, _ index: Int) -> UInt64 { old.shootdowns.sent.word(sender, index) }
    public func pendingWord(_ sender: Int, _ index: Int) -> UInt64 { old.shootdowns.pending.word(sender, index) }
    public func maskWord(_ mm: MM, _ index: Int) -> UInt64 { old.masks.word(Int(mm.index), index) }
    public func loadedMM(_ cpu: Int) -> MM { old.cpus[cpu].cr3 }
    public func bookedMM(_ cpu: Int) -> MM { old.cpus[cpu].active }
    public func state(_ cpu: Int) -> TLBState { old.cpus[cpu].state }
    public func brokenInvariant(_ cpu: Int) -> String? { old.brokenInvariant(cpu) }
}

extension ActiveMMState {
    /// Takes note of whether masks are cleared late, and settles what the CPU's previous switch left open.
    @inline(__always) mutating func begin(_ cpu: Int, _ machine: Machine) {
        guard machine.clearsLate else { return }
        clearsLate = true
        settle(cpu)
    }

    /// Tells what the CPU has now.
    @inline(__always) func end(_ cpu: Int, _ effects: inout Effects) {
        effects.loaded = cpus[cpu].cr3
        effects.booked = cpus[cpu].active
    }

    /// The transitions in which `v4.12` and `v4.13-parent` do not differ, those with a function of their own aside.
    mutating func applyCommon(_ stimulus: Stimulus, _ machine: Machine, _ effects: inout Effects) {
        switch stimulus {
        case .exec(let cpu, let mm), .useMM(let cpu, let mm): switchMM(cpu, from: machine.activeMM[cpu], to: mm, &effects)
        case .exitMM(let cpu), .unuseMM(let cpu): enterLazyTLB(cpu)
        case .idleLeave(let cpu): leaveMM(cpu, &effects)
        case .batchOthers(let cpu):
            flushOthers(cpu, .none, Stimulus.flushAll, row: cpu, in: batchMasks, machine, &effects)
        case .flushAll(_, let kernelRange): if !kernelRange { counters.vmstat.remoteFlush &+= 1 }
        case .doFlushAll(let cpu): doFlushAll(cpu, &effects)
        case .xenExitMmap(let cpu, let mm): xenExitMmap(cpu, mm, machine, &effects)
        case .offline, .settled: break
        case .cpuDown(let cpu): cpuDown(cpu, machine, &effects)
        case .cpuUp(let cpu):
            reset(cpu)
            // setup_fixmap_gdt(), arch/x86/kernel/cpu/common.c: __set_fixmap() invalidates the page of the CPU's GDT.
            counters.vmstat.localFlushOne &+= 1
        case .forget(let cpu): forget(cpu)
        case .observe(let cpu, let mm, let lazy, let mask): observe(cpu, mm, lazy: lazy, mask: mask)
        case .contextSwitch, .flushRange, .flushPage, .batchLocal, .flushOthers, .deliver:
            preconditionFailure("a transition of the scheme itself, or with a function of its own")
        }
    }
}
