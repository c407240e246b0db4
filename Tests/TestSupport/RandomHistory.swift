import LazyTLB
import TraceSynth

/// What a machine may do, at random: every stimulus is one that a kernel could have come to after those before it.
///
/// Threads are tasks with the same mm. A sender waits until all other CPUs have had the time to handle its IPI; they go on meanwhile,
/// switch, flush and send themselves. Nothing here knows what any scheme makes of it.
public struct RandomHistory {
    /// A stimulus, and the batch that its CPU begins with it.
    public struct Step {
        public var stimulus: Stimulus
        public var batch: Batch?
        /// Of a context switch: the pid of the task that comes in.
        public var incoming: Int32?
    }

    public private(set) var steps: [Step] = []
    private var generator: SplitMix64
    private let cpus: Int
    private var current: [Task]
    /// current->active_mm
    private var active: [MM]
    private var online: [Bool]
    /// The mms that tasks still have.
    private var live: [MM] = []
    private var lastMM: Int32 = 0
    /// By sender: the CPUs that have not had its IPI yet; nil if it does not wait.
    private var waiting: [Set<Int>?]
    private let xen: Bool
    private let hotplug: Bool

    private enum Task: Equatable {
        case idle
        case kernelThread
        /// A kernel thread between use_mm() and unuse_mm().
        case borrower(MM)
        case user(MM)
        /// A task past exit_mm().
        case exiting

        var mm: MM {
            switch self {
            case .borrower(let mm), .user(let mm): return mm
            default: return .none
            }
        }
    }

    public init(seed: UInt64, cpus: Int = 4, length: Int = 400, xen: Bool = false, hotplug: Bool = true) {
        generator = SplitMix64(seed: seed)
        self.cpus = cpus
        self.xen = xen
        self.hotplug = hotplug
        current = [Task](repeating: .idle, count: cpus)
        active = [MM](repeating: .initMM, count: cpus)
        online = [Bool](repeating: true, count: cpus)
        waiting = [Set<Int>?](repeating: nil, count: cpus)
        for cpu in 0..<cpus { emit(.cpuUp(cpu: cpu)) }
        for _ in 0..<3 { newMM() }
        while steps.count < length { act() }
        for cpu in 0..<cpus { finishWaiting(cpu) }
    }

    private mutating func random(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }
    private mutating func emit(_ stimulus: Stimulus, _ batch: Batch? = nil, incoming: Int32? = nil) { steps.append(Step(stimulus: stimulus, batch: batch, incoming: incoming)) }

    @discardableResult private mutating func newMM() -> MM {
        lastMM += 1
        live.append(MM(lastMM))
        return MM(lastMM)
    }

    private mutating func act() {
        let cpu = random(cpus)
        if !online[cpu] {
            if random(4) == 0 { comeUp(cpu) }
            return
        }
        if waiting[cpu] != nil { return deliverOne(from: cpu) }
        switch random(20) {
        case 0..<6: switchTo(cpu, random(5) < 3 ? .user(live[random(live.count)]) : .kernelThread)
        case 6..<8: switchTo(cpu, .idle)
        case 8: if current[cpu] == .idle { emit(.idleLeave(cpu: cpu)) }
        case 9..<13: flush(cpu)
        case 13: exec(cpu)
        case 14: exit(cpu)
        case 15: fork(cpu)
        case 16: useMM(cpu)
        case 17: batch(cpu)
        case 18: if random(4) == 0 { flushAll(cpu) }
        default: if hotplug, random(3) == 0 { goDown(cpu) }
        }
    }

    private mutating func switchTo(_ cpu: Int, _ next: Task) {
        current[cpu] = next
        if next.mm != .none { active[cpu] = next.mm }
        emit(.contextSwitch(cpu: cpu, mm: next.mm), incoming: next == .idle ? 0 : 1000 + max(next.mm.index, 0))
    }

    private mutating func pages() -> Int64 { random(3) == 0 ? Stimulus.flushAll : Int64(1 + random(33)) }

    /// Of the own mm, one that is borrowed, or any other.
    private mutating func flush(_ cpu: Int) {
        let mm = active[cpu].isUser && random(3) > 0 ? active[cpu] : live[random(live.count)]
        if random(3) == 0 {
            emit(.flushPage(cpu: cpu, mm: mm))
            others(cpu, .flushOthers(cpu: cpu, mm: mm, pages: 1))
        } else {
            flush(cpu, mm, pages())
        }
    }

    private mutating func flush(_ cpu: Int, _ mm: MM, _ pages: Int64) {
        emit(.flushRange(cpu: cpu, mm: mm, pages: pages))
        others(cpu, .flushOthers(cpu: cpu, mm: mm, pages: pages))
    }

    /// The remote half. Preemption is off in between, interrupts are not.
    private mutating func others(_ cpu: Int, _ stimulus: Stimulus) {
        if random(4) == 0 { for sender in 0..<cpus where waiting[sender]?.contains(cpu) == true { deliver(cpu, from: sender) } }
        emit(stimulus)
        waiting[cpu] = Set((0..<cpus).filter { $0 != cpu && online[$0] })
    }

    private mutating func deliverOne(from sender: Int) {
        guard let open = waiting[sender], !open.isEmpty else {
            waiting[sender] = nil
            return
        }
        let receivers = open.sorted()
        deliver(receivers[random(receivers.count)], from: sender)
    }

    private mutating func deliver(_ cpu: Int, from sender: Int) {
        waiting[sender]!.remove(cpu)
        emit(.deliver(cpu: cpu, from: sender))
    }

    private mutating func finishWaiting(_ sender: Int) {
        for cpu in (waiting[sender] ?? []).sorted() { deliver(cpu, from: sender) }
        waiting[sender] = nil
    }

    private mutating func fork(_ cpu: Int) {
        guard case .user(let mm) = current[cpu] else { return }
        newMM()
        flush(cpu, mm, Stimulus.flushAll)
    }

    private mutating func exec(_ cpu: Int) {
        let old: MM
        switch current[cpu] {
        case .user(let mm): old = mm
        // call_usermodehelper()
        case .kernelThread: old = .none
        default: return
        }
        let new = newMM()
        current[cpu] = .user(new)
        active[cpu] = new
        emit(.exec(cpu: cpu, mm: new))
        tearDown(cpu, old)
    }

    private mutating func exit(_ cpu: Int) {
        guard case .user(let mm) = current[cpu] else { return }
        current[cpu] = .exiting
        emit(.exitMM(cpu: cpu))
        tearDown(cpu, mm)
    }

    /// exit_mmap(), if nobody else has the mm.
    private mutating func tearDown(_ cpu: Int, _ mm: MM) {
        guard mm.isUser, live.count > 1, !current.contains(where: { $0.mm == mm }) else { return }
        live.removeAll { $0 == mm }
        if xen {
            emit(.xenExitMmap(cpu: cpu, mm: mm))
            waiting[cpu] = Set((0..<cpus).filter { $0 != cpu && online[$0] })
            finishWaiting(cpu)
        }
        flush(cpu, mm, Stimulus.flushAll)
    }

    private mutating func useMM(_ cpu: Int) {
        switch current[cpu] {
        case .kernelThread:
            let mm = live[random(live.count)]
            current[cpu] = .borrower(mm)
            active[cpu] = mm
            emit(.useMM(cpu: cpu, mm: mm))
        case .borrower:
            current[cpu] = .kernelThread
            emit(.unuseMM(cpu: cpu))
        default: return
        }
    }

    private mutating func batch(_ cpu: Int) {
        var batch = Batch(cpus: cpus)
        for _ in 0...random(3) { batch.mms.append(live[random(live.count)]) }
        // CPUs that were in a mask at the time of an unmap and have moved on.
        if random(2) == 0 { batch.others.insert(random(cpus), 0) }
        emit(.batchLocal(cpu: cpu), batch)
        others(cpu, .batchOthers(cpu: cpu))
    }

    private mutating func flushAll(_ cpu: Int) {
        emit(.flushAll(cpu: cpu, kernelRange: random(2) == 0))
        for each in (0..<cpus).shuffled(using: &generator) where online[each] { emit(.doFlushAll(cpu: each)) }
    }

    private mutating func goDown(_ cpu: Int) {
        guard online.filter({ $0 }).count > 1 else { return }
        switchTo(cpu, .idle)
        // What is queued for it is flushed before it stops.
        for sender in 0..<cpus where waiting[sender]?.contains(cpu) == true { deliver(cpu, from: sender) }
        emit(.offline(cpu: cpu))
        online[cpu] = false
        emit(.cpuDown(cpu: cpu))
        active[cpu] = .initMM
    }

    private mutating func comeUp(_ cpu: Int) {
        emit(.cpuUp(cpu: cpu))
        online[cpu] = true
        current[cpu] = .idle
    }
}
