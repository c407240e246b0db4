import LazyTLB

/// A machine under one scheme, whose CPUs have just come up: idle, state 0, init_mm.
struct Rig {
    var scheme: any Scheme
    var machine: Machine
    private(set) var effects = Effects()
    /// What bringing up the CPUs counted as nr_tlb_local_flush_one.
    private var pagesOfBringUp = 0

    init(_ id: String, cpus: Int = 4) {
        self.init(unknown: id, cpus: cpus)
        for cpu in 0..<cpus { apply(.cpuUp(cpu: cpu)) }
        pagesOfBringUp = scheme.counters.vmstat.localFlushOne
    }

    /// The same, but nothing is known of any CPU.
    init(unknown id: String, cpus: Int = 4) {
        scheme = Rig.types.first { $0.id == id }!.init(cpus: cpus)
        machine = Machine(cpus: cpus)
    }

    /// Applies the stimuli; returns the effects of the last.
    @discardableResult mutating func apply(_ stimuli: Stimulus...) -> Effects {
        for stimulus in stimuli {
            effects.reset()
            scheme.apply(stimulus, on: machine, &effects)
            machine.apply(stimulus)
        }
        return effects
    }

    /// A whole flush_tlb_mm_range(): both halves, all IPIs. Returns the CPUs that were interrupted.
    @discardableResult mutating func flush(_ cpu: Int, _ mm: MM, pages: Int64 = 1) -> [Int] {
        apply(.flushRange(cpu: cpu, mm: mm, pages: pages), .flushOthers(cpu: cpu, mm: mm, pages: pages))
        let interrupted = targets(cpu)
        for target in interrupted { apply(.deliver(cpu: target, from: cpu)) }
        return interrupted
    }

    /// Gives CPU `cpu` a batch that unmapped pages of `mms`.
    mutating func setBatch(_ cpu: Int, _ mms: MM..., others: [Int] = []) {
        var batch = Batch(cpus: machine.cpus)
        batch.mms = mms
        for other in others { batch.others.insert(other, 0) }
        machine.batch[cpu] = batch
    }

    /// What the scheme has counted since the CPUs are up.
    var counters: Counters {
        var counters = scheme.counters
        counters.vmstat.localFlushOne &-= pagesOfBringUp
        return counters
    }
    var records: [FlushRecord] { effects.records }

    func mask(_ mm: MM) -> [Int] { cpus { scheme.maskWord(mm, $0) } }
    /// The CPUs that the sender's latest IPIs went to.
    func targets(_ sender: Int) -> [Int] { effects.sent ? cpus { scheme.targetWord(sender, $0) } : [] }
    func pending(_ sender: Int) -> [Int] { cpus { scheme.pendingWord(sender, $0) } }

    /// Whether the old scheme's third state holds: active_mm names a user mm, CR3 is init_mm.
    func isStale(_ cpu: Int) -> Bool { scheme.bookedMM(cpu).isUser && scheme.loadedMM(cpu) == .initMM }

    private func cpus(_ word: (Int) -> UInt64) -> [Int] {
        (0..<machine.cpus).filter { word($0 / 64) & 1 << UInt64($0 % 64) != 0 }
    }

    static let types: [any Scheme.Type] = [V412.self, V413Parent.self, V413.self]
}

let old = [V412.id, V413Parent.id]
let merged = [V413Parent.id, V413.id]
let all = [V412.id, V413Parent.id, V413.id]

let a = MM(1)
let b = MM(2)
/// TLB_FLUSH_ALL, as the tracepoint prints it.
let everything: Int64 = -1

extension Effects {
    var records: [FlushRecord] { Array([record0, record1, record2].prefix(Int(recordCount))) }
}

extension FlushRecord {
    static let cr3Load = FlushRecord(reason: .taskSwitch, pages: everything)
}

extension Stimulus {
    /// A task with `mm` is switched in.
    static func user(_ cpu: Int, _ mm: MM) -> Stimulus { .contextSwitch(cpu: cpu, mm: mm) }
    /// A kernel thread (or idle) is switched in.
    static func kernel(_ cpu: Int) -> Stimulus { .contextSwitch(cpu: cpu, mm: .none) }
}
