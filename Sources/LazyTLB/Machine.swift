import Tables

/// What all schemes share: the current task's mm and active_mm on each CPU, and which CPUs are online. Driven by the trace alone.
///
/// `task->active_mm` needs no table of tasks: for a task with an mm it is that mm, and a task without one has borrowed its predecessor's
/// since it was switched in (context_switch(), kernel/sched/core.c).
///
/// One of it serves all schemes, so it is a reference. It belongs to one thread at a time.
public final class Machine: @unchecked Sendable {
    public let cpus: Int
    /// current->mm
    public let mm: Flat<MM>
    /// current->active_mm
    public let activeMM: Flat<MM>
    /// current->pid, 0 of the idle task; -1 where nothing tells. No scheme asks for it: it tells whom IPIs interrupt (``Receivers``).
    public let pid: Flat<Int32>
    /// Row 0: the CPUs that are online.
    public internal(set) var online: MaskTable
    /// The batched flush that each CPU has under way.
    public let batch: Flat<Batch>

    /// switch_mm() enters the next mm's mask before it loads CR3 and leaves the previous one's behind that. If set, the second happens
    /// with the CPU's next stimulus or ``Stimulus/settled(cpu:)``, for recordings that are fine enough to tell; if not, at once.
    ///
    /// leave_mm() of the reworked scheme, a switch to init_mm, is not split: a recording of another kernel cannot tell when it would
    /// have ended, and the reworked scheme would seem to send more IPIs.
    public var clearsLate = false

    public init(cpus: Int) {
        self.cpus = cpus
        mm = Flat(repeating: .unknown, count: cpus)
        activeMM = Flat(repeating: .unknown, count: cpus)
        pid = Flat(repeating: -1, count: cpus)
        online = MaskTable(cpus: cpus, rows: 1)
        for cpu in 0..<cpus { online.insert(cpu, 0) }
        batch = Flat(repeating: Batch(cpus: cpus), count: cpus)
    }

    private init(_ other: Machine) {
        (cpus, clearsLate) = (other.cpus, other.clearsLate)
        (mm, activeMM, pid, batch) = (other.mm.copy(), other.activeMM.copy(), other.pid.copy(), other.batch.copy())
        online = other.online.copy()
    }

    /// One of its own in the same state.
    public func copy() -> Machine { Machine(self) }

    /// Takes the stimulus over. Schemes see the machine as it was before.
    @inline(__always) public func apply(_ stimulus: Stimulus) {
        switch stimulus {
        case .contextSwitch(let cpu, let mm), .exec(let cpu, let mm), .useMM(let cpu, let mm): run(cpu, mm)
        case .exitMM(let cpu), .unuseMM(let cpu): run(cpu, .none)
        case .offline(let cpu): setOffline(cpu)
        case .cpuDown(let cpu): setDown(cpu)
        case .cpuUp(let cpu): setUp(cpu)
        case .forget(let cpu): forget(cpu)
        case .observe(let cpu, let mm, let lazy, _): observe(cpu, mm, lazy)
        default: break
        }
    }

    /// The current task has `next`: it has come in, or has got or lost it.
    @inline(__always) public func run(_ cpu: Int, _ next: MM) {
        mm[cpu] = next
        if next != .none { activeMM[cpu] = next }
    }

    private func setOffline(_ cpu: Int) { online.remove(cpu, 0) }

    private func setDown(_ cpu: Int) {
        mm[cpu] = .none
        activeMM[cpu] = .initMM
        pid[cpu] = 0
        online.remove(cpu, 0)
    }

    private func setUp(_ cpu: Int) {
        mm[cpu] = .none
        activeMM[cpu] = .initMM
        pid[cpu] = 0
        online.insert(cpu, 0)
    }

    private func forget(_ cpu: Int) {
        mm[cpu] = .unknown
        activeMM[cpu] = .unknown
        pid[cpu] = -1
        // It is in no mask until it shows what it has loaded, and then it runs.
        online.insert(cpu, 0)
    }

    private func observe(_ cpu: Int, _ loaded: MM, _ lazy: Bool) {
        if activeMM[cpu] == .unknown { activeMM[cpu] = loaded }
        if mm[cpu] == .unknown { mm[cpu] = lazy || loaded == .initMM ? .none : loaded }
    }
}
