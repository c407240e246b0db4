import LazyTLB
import Reconstruction
import Replay

/// A machine with a few CPUs and mms, the three schemes on it, and the entries that a TLB may hold and should not.
///
/// Histories are made up here, so all is known: nothing of a scheme's state is unknown, and masks change at once. Each CPU has as many threads of each process as it needs.
struct World {
    let cpus: Int
    /// User mms are 1 to this.
    let mms: Int
    let machine: Machine
    var v412: V412
    var parent: V413Parent
    var v413: V413
    /// By CPU.
    private(set) var phases: [Phase]
    /// By scheme and CPU: for which senders' flushes its TLB may hold entries that are to go, a bit each.
    private(set) var stale: [[UInt64]]
    private var effects = [Effects](repeating: Effects(), count: World.schemes.count)

    static let schemes = Replay.schemes

    /// Where a CPU is.
    enum Phase: Equatable {
        case free
        /// Between the halves of a flush, with preemption off.
        case betweenHalves(Flush)
        /// Behind them: it waits until all targets have answered.
        case waiting(Flush)
        /// Marked offline, and on its way to idle_task_exit().
        case goingDown
        case down
    }

    struct Flush: Equatable {
        /// More than one only in a batch.
        var mms: [MM]
        var isBatch = false
        /// Of a batch: the CPUs in its mask under each scheme, as it began.
        var masks: [UInt64] = []
    }

    /// All CPUs are up, and run tasks without an mm on init_mm.
    init(cpus: Int, mms: Int) {
        (self.cpus, self.mms) = (cpus, mms)
        machine = Machine(cpus: cpus)
        (v412, parent, v413) = (V412(cpus: cpus), V413Parent(cpus: cpus), V413(cpus: cpus))
        phases = [Phase](repeating: .free, count: cpus)
        stale = [[UInt64]](repeating: [UInt64](repeating: 0, count: cpus), count: Self.schemes.count)
        for cpu in 0..<cpus { apply(.cpuUp(cpu: cpu)) }
    }

    private init(_ other: World) {
        (cpus, mms) = (other.cpus, other.mms)
        machine = other.machine.copy()
        (v412, parent, v413) = (other.v412.copy(), other.parent.copy(), other.v413.copy())
        (phases, stale) = (other.phases, other.stale)
    }

    func copy() -> World { World(self) }

    // MARK: What schemes have

    func loaded(_ scheme: Int, _ cpu: Int) -> MM { scheme == 0 ? v412.loadedMM(cpu) : scheme == 1 ? parent.loadedMM(cpu) : v413.loadedMM(cpu) }
    func booked(_ scheme: Int, _ cpu: Int) -> MM { scheme == 0 ? v412.bookedMM(cpu) : scheme == 1 ? parent.bookedMM(cpu) : v413.bookedMM(cpu) }
    func state(_ scheme: Int, _ cpu: Int) -> TLBState { scheme == 0 ? v412.state(cpu) : scheme == 1 ? parent.state(cpu) : v413.state(cpu) }
    func pending(_ scheme: Int, _ sender: Int) -> UInt64 { scheme == 0 ? v412.pendingWord(sender, 0) : scheme == 1 ? parent.pendingWord(sender, 0) : v413.pendingWord(sender, 0) }
    func mask(_ scheme: Int, _ mm: MM) -> UInt64 { scheme == 0 ? v412.maskWord(mm, 0) : scheme == 1 ? parent.maskWord(mm, 0) : v413.maskWord(mm, 0) }

    func brokenInvariant(_ scheme: Int, _ cpu: Int) -> String? {
        scheme == 0 ? v412.brokenInvariant(cpu) : scheme == 1 ? parent.brokenInvariant(cpu) : v413.brokenInvariant(cpu)
    }

    /// Those whom a scheme's latest step interrupted.
    private func targets(_ scheme: Int, _ sender: Int) -> UInt64 {
        guard effects[scheme].sent else { return 0 }
        return scheme == 0 ? v412.targetWord(sender, 0) : scheme == 1 ? parent.targetWord(sender, 0) : v413.targetWord(sender, 0)
    }

    /// The CPUs that have not answered the sender yet, under any scheme.
    func unanswered(_ sender: Int) -> UInt64 { World.schemes.indices.reduce(0) { $0 | pending($1, sender) } }

    func isOnline(_ cpu: Int) -> Bool { machine.online.contains(cpu, 0) }

    /// A task runs on it, or borrows it.
    func isUsed(_ mm: MM) -> Bool { (0..<cpus).contains { machine.mm[$0] == mm || machine.activeMM[$0] == mm } }

    // MARK: Steps

    /// Does the step, and tells what was wrong with it, and in what the schemes differ.
    mutating func take(_ step: Step) -> Outcome {
        let cpu = step.stimulus.cpu
        let wasStale = Self.schemes.indices.map { isStale($0, cpu) }
        var outcome = Outcome()
        make(step, &outcome)
        for scheme in Self.schemes.indices { check(scheme, &outcome) }
        for old in Self.schemes.indices.dropLast() { compare(old, step.stimulus, wasStale: wasStale[old], &outcome) }
        return outcome
    }

    /// Does the step, and tells only what a flush that ends with it leaves behind.
    mutating func make(_ step: Step, _ outcome: inout Outcome) {
        begin(step)
        apply(step.stimulus)
        for scheme in Self.schemes.indices { clean(scheme, step.stimulus) }
        advance(step, &outcome)
    }

    /// What a step showed.
    struct Outcome {
        /// By scheme.
        var violations: [(scheme: Int, what: String)] = []
        /// Beside the newest scheme.
        var differences: [(old: Int, kind: Divergence.Kind)] = []
    }

    private mutating func apply(_ stimulus: Stimulus) {
        for scheme in effects.indices { effects[scheme].reset() }
        v412.apply(stimulus, on: machine, &effects[0])
        parent.apply(stimulus, on: machine, &effects[1])
        v413.apply(stimulus, on: machine, &effects[2])
        machine.apply(stimulus)
    }

    /// The page tables of an mm have changed before its flush begins: the TLBs of the CPUs that have it loaded may still have what was there.
    private mutating func begin(_ step: Step) {
        guard let flush = flush(step) else { return }
        let cpu = step.stimulus.cpu
        phases[cpu] = .betweenHalves(flush)
        if flush.isBatch {
            var batch = Batch(cpus: cpus)
            batch.mms = flush.mms
            machine.batch[cpu] = batch
        }
        for scheme in Self.schemes.indices {
            for other in 0..<cpus where flush.mms.contains(loaded(scheme, other)) { stale[scheme][other] |= 1 << UInt64(cpu) }
        }
    }

    /// The flush that begins with the step.
    private func flush(_ step: Step) -> Flush? {
        switch step.stimulus {
        case .flushRange(_, let mm, _), .flushPage(_, let mm): return Flush(mms: [mm])
        case .batchLocal:
            let masks = Self.schemes.indices.map { scheme in step.batch.reduce(UInt64(0)) { $0 | mask(scheme, $1) } }
            return Flush(mms: step.batch, isBatch: true, masks: masks)
        default: return nil
        }
    }

    /// What the step has thrown out of its CPU's TLB: all with a CR3 load (there are no PCIDs), what a flush is of with that.
    private mutating func clean(_ scheme: Int, _ stimulus: Stimulus) {
        let cpu = stimulus.cpu
        if effects[scheme].cr3Load { stale[scheme][cpu] = 0 }
        guard effects[scheme].flushed else { return }
        switch stimulus {
        case .deliver(_, let sender): stale[scheme][cpu] &= ~(1 << UInt64(sender))
        case .flushRange, .flushPage: stale[scheme][cpu] &= ~(1 << UInt64(cpu))
        default: stale[scheme][cpu] = 0
        }
    }

    private mutating func advance(_ step: Step, _ outcome: inout Outcome) {
        let cpu = step.stimulus.cpu
        switch step.stimulus {
        case .flushOthers, .batchOthers:
            guard case .betweenHalves(var flush) = phases[cpu] else { return }
            flush.masks = []
            phases[cpu] = .waiting(flush)
            for scheme in Self.schemes.indices where pending(scheme, cpu) == 0 { endFlush(scheme, cpu, &outcome) }
            if unanswered(cpu) == 0 { phases[cpu] = .free }
        case .deliver(_, let sender):
            for scheme in Self.schemes.indices where effects[scheme].delivery != .notTarget && pending(scheme, sender) == 0 { endFlush(scheme, sender, &outcome) }
            if unanswered(sender) == 0 { phases[sender] = .free }
        case .offline: phases[cpu] = .goingDown
        case .cpuDown:
            phases[cpu] = .down
            for scheme in Self.schemes.indices { stale[scheme][cpu] = 0 }
        case .cpuUp: phases[cpu] = .free
        default: break
        }
    }

    /// The sender goes on: what it has unmapped is given away now.
    private mutating func endFlush(_ scheme: Int, _ sender: Int, _ outcome: inout Outcome) {
        let bit = UInt64(1) << UInt64(sender)
        // A CPU on its way down runs nothing but its stopper and its idle task.
        if (0..<cpus).contains(where: { stale[scheme][$0] & bit != 0 && isOnline($0) }) { outcome.violations.append((scheme, "a TLB may hold entries of a flush that has ended")) }
        for cpu in 0..<cpus { stale[scheme][cpu] &= ~bit }
    }

    /// What a scheme did with the latest step, in a few words.
    func effect(_ scheme: Int, _ stimulus: Stimulus) -> String {
        let effects = effects[scheme]
        var words: [String] = []
        if effects.sent {
            let names = (0..<cpus).filter { targets(scheme, stimulus.cpu) & 1 << UInt64($0) != 0 }.map(String.init)
            words.append(names.isEmpty ? "IPI to nobody" : "IPI to CPU \(names.joined(separator: ", "))")
        }
        if effects.left { words.append("leaves the mm") } else if effects.redundantLoad { words.append("loads CR3 again") } else if effects.cr3Load { words.append("loads CR3") }
        if effects.flushed { words.append("flushes") }
        if effects.staleLeave { words.append("leave_mm() in vain") }
        if !words.isEmpty { return words.joined(separator: ", ") }
        switch stimulus {
        case .flushOthers, .batchOthers: return "no IPI"
        case .deliver: return effects.delivery == .notTarget ? "none was sent" : "ignores it"
        default: return "nothing"
        }
    }

    // MARK: Checks

    private func check(_ scheme: Int, _ outcome: inout Outcome) {
        for cpu in 0..<cpus {
            let (mm, loaded) = (machine.mm[cpu], loaded(scheme, cpu))
            if mm.isUser, loaded != mm || booked(scheme, cpu) != mm || state(scheme, cpu) != .ok {
                outcome.violations.append((scheme, "a task runs with an mm that is not loaded, not booked, or not in state OK"))
            }
            if loaded != machine.activeMM[cpu], loaded != .initMM { outcome.violations.append((scheme, "an mm is loaded that the current task neither has nor borrows: it may be freed")) }
            if let broken = brokenInvariant(scheme, cpu) { outcome.violations.append((scheme, broken)) }
            for mm in 1...mms where mask(scheme, MM(Int32(mm))) & 1 << UInt64(cpu) != 0 && booked(scheme, cpu) != MM(Int32(mm)) {
                outcome.violations.append((scheme, "in the mask of an mm that the bookkeeping does not name"))
            }
        }
        for (warning, name) in Warnings.all where effects[scheme].warnings.contains(warning) { outcome.violations.append((scheme, "WARN or BUG: \(name)")) }
    }

    private func isStale(_ scheme: Int, _ cpu: Int) -> Bool { booked(scheme, cpu).isUser && loaded(scheme, cpu) == .initMM }

    /// By the code that compares schemes in a replay.
    private func compare(_ old: Int, _ stimulus: Stimulus, wasStale: Bool, _ outcome: inout Outcome) {
        let (cpu, new) = (stimulus.cpu, Self.schemes.count - 1)
        var comparison = Comparison(old: Self.schemes[old], new: Self.schemes[new], cpus: cpus, limit: 0)
        let moment = Moment(time: 0, cpu: cpu, pid: 0, cause: .other)
        comparison.targets(0, old: targets(old, cpu), new: targets(new, cpu))
        comparison.endTargets(extraMM: .none, missingMM: .none, at: moment)
        comparison.note(stimulus, moment, old: effects[old], new: effects[new])
        for kind in Divergence.Kind.allCases where comparison.count(kind) > 0 { outcome.differences.append((old, kind)) }
        if isStale(old, cpu), !wasStale { outcome.differences.append((old, .staleActiveMM)) }
    }
}
