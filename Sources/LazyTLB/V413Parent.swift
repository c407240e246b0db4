/// `v4.13-parent`: the old active_mm scheme at ce4a4e565f52, after the flush code was merged and just before the rework.
public struct V413Parent: Scheme {
    public static let id = "v4.13-parent"
    var old: ActiveMMState

    public init(cpus: Int) { old = ActiveMMState(cpus: cpus) }

    private init(_ old: ActiveMMState) { self.old = old }

    public func copy() -> V413Parent { V413Parent(ActiveMMState(old)) }

    public mutating func contextSwitch(_ cpu: Int, _ mm: MM, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.contextSwitch(cpu, mm, machine, &effects)
        old.end(cpu, &effects)
    }

    public mutating func contextSwitchToLazy(_ cpu: Int, on machine: Machine) {
        old.begin(cpu, machine)
        old.contextSwitchToLazy(cpu)
    }

    public func ask(_ cpu: Int, _ mm: MM) { old.ask(cpu, mm) }
    public func holds(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool { machine.activeMM[cpu] == mm && old.holds(cpu, mm) }
    public mutating func contextSwitchToHeld(_ cpu: Int, on machine: Machine) { old.contextSwitchToHeld(cpu, machine) }
    public func leaves(_ cpu: Int, for mm: MM, on machine: Machine) -> MM { old.leaves(cpu, for: mm, machine) }
    public mutating func contextSwitch(_ cpu: Int, from left: MM, to mm: MM, on machine: Machine) { old.contextSwitch(cpu, from: left, to: mm, machine) }

    /// flush_tlb_mm_range(), the part before flush_tlb_others().
    public mutating func flushRange(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        if machine.activeMM[cpu] == mm, mm.isKnown { flushLocal(cpu, .localMMShootdown, pages, &effects) }
        old.end(cpu, &effects)
    }

    public mutating func flushOthers(_ cpu: Int, _ mm: MM, _ pages: Int64, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.flushOthers(cpu, mm, pages, machine, &effects)
        old.end(cpu, &effects)
    }

    public mutating func deliver(_ cpu: Int, from sender: Int, on machine: Machine, _ effects: inout Effects) {
        old.begin(cpu, machine)
        old.deliver(cpu, from: sender, &effects)
        old.end(cpu, &effects)
    }

    public mutating func applyOther(_ stimulus: Stimulus, on machine: Machine, _ effects: inout Effects) {
        old.begin(stimulus.cpu, machine)
        switch stimulus {
        case .flushPage(let cpu, let mm):
            if machine.activeMM[cpu] == mm, mm.isKnown { flushLocal(cpu, .localMMShootdown, 1, &effects) }
        case .batchLocal(let cpu):
            old.prepareBatch(cpu, machine)
            if old.batchMasks.contains(cpu, cpu) { flushLocal(cpu, .localShootdown, Stimulus.flushAll, &effects) }
        default: old.applyCommon(stimulus, machine, &effects)
        }
        old.end(stimulus.cpu, &effects)
    }

    /// flush_tlb_func_local(): a CPU that is not in state OK leaves and does nothing else.
    @inline(__always) mutating func flushLocal(_ cpu: Int, _ reason: FlushReason, _ pages: Int64, _ effects: inout Effects) {
        guard old.cpus[cpu].active != .unknown else { return }
        if old.cpus[cpu].state != .ok { return old.leaveMM(cpu, &effects) }
        old.countLocal(pages, &effects)
        effects.emit(reason, pages)
    }
}

/// The two old schemes differ only in what a flush does on the CPU that begins it. Until a history has such a flush they are in one state,
/// and one of them does for both.
extension V413Parent {
    /// A machine of its own in the state of the other one.
    public init(_ other: V412) { old = ActiveMMState(other.old) }

    /// In the same state as `other` this scheme may do something else with the stimulus, or write another record.
    @inline(__always) public static func differs(from other: V412, at stimulus: Stimulus, on machine: Machine) -> Bool {
        switch stimulus {
        case .flushRange(let cpu, _, _):
            let leaves = other.old.cpus[cpu].state != .ok || other.old.cpus[cpu].active == .unknown
            return leaves != (machine.mm[cpu] == .none)
        case .flushPage: return true
        case .batchLocal(let cpu): return other.old.cpus[cpu].state != .ok || other.old.cpus[cpu].active == .unknown
        default: return false
        }
    }
}

extension V413Parent {
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
