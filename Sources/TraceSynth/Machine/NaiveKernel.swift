import LazyTLB

/// The three schemes once more, as literally as can be: one function for one of the kernel's, the generations told apart where the
/// kernel's text differs. Shares nothing with the models but the stimuli: it checks them, and tells what a report must give.
///
/// arch/x86/mm/tlb.c and arch/x86/include/asm/mmu_context.h at v4.12, at ce4a4e565f52 (`parent`) and at v4.13.
public struct NaiveKernel: Sendable {
    public enum Generation: String, Sendable, CaseIterable {
        case v412 = "v4.12"
        case parent = "v4.13-parent"
        case v413 = "v4.13"
    }

    public struct CPU: Sendable {
        public internal(set) var state = TLBState.reset
        /// cpu_tlbstate.active_mm, or cpu_tlbstate.loaded_mm
        public internal(set) var tlb = MM.initMM
        public internal(set) var cr3 = MM.initMM
        public internal(set) var taskMM = MM.none
        public internal(set) var taskActive = MM.initMM
        /// The idle task is current.
        var isIdle = true
        public internal(set) var online = true
        var batch = CPUSet()
        /// The request that this CPU waits for, and who has still to handle it.
        var request: (mm: MM, pages: Int64) = (.none, 0)
        public internal(set) var pending = CPUSet()
    }

    public let generation: Generation
    public private(set) var cpu: [CPU]
    /// mm_cpumask(), by number of the mm.
    public private(set) var masks: [CPUSet] = []
    /// The records that the last stimulus wrote, all on its CPU.
    public private(set) var log: [FlushRecord] = []
    public private(set) var counts = NaiveCounts()
    public private(set) var bugs = 0

    public init(_ generation: Generation, cpus: Int) {
        self.generation = generation
        cpu = [CPU](repeating: CPU(), count: cpus)
    }

    /// Does what the kernel would have done.
    ///
    /// - Parameters:
    ///   - batch: for ``Stimulus/batchLocal(cpu:)``, what the CPU's batched flush is made of.
    ///   - toIdle: for ``Stimulus/contextSwitch(cpu:mm:)``, whether the next task is the idle task.
    public mutating func apply(_ stimulus: Stimulus, batch: Batch? = nil, toIdle: Bool = false) {
        log.removeAll(keepingCapacity: true)
        switch stimulus {
        case .contextSwitch(let c, let mm):
            counts.contextSwitches += 1
            if mm == .none { lazy(c) } else { become(c, mm) }
            cpu[c].taskMM = mm
            cpu[c].isIdle = toIdle
        case .exec(let c, let mm), .useMM(let c, let mm):
            become(c, mm)
            cpu[c].taskMM = mm
        case .exitMM(let c), .unuseMM(let c):
            cpu[c].taskMM = .none
            lazy(c)
        case .idleLeave(let c): leaveMM(c)
        case .flushRange(let c, let mm, let pages): flushRange(c, mm, pages)
        case .flushPage(let c, let mm): flushPage(c, mm)
        case .flushOthers(let c, let mm, let pages): flushOthers(c, mask(mm), mm, pages)
        case .batchLocal(let c): batchLocal(c, batch!)
        case .batchOthers(let c): flushOthers(c, cpu[c].batch, .none, -1)
        case .deliver(let c, let sender):
            guard cpu[sender].pending.contains(c) else { break }
            cpu[sender].pending.remove(c)
            flushFunc(c, cpu[sender].request.mm, cpu[sender].request.pages)
        case .flushAll(_, let kernelRange): if !kernelRange { counts.vmstat.remoteFlush += 1 }
        case .doFlushAll(let c):
            counts.vmstat.remoteFlushReceived += 1
            if cpu[c].state == .lazy { leaveMM(c) }
        case .offline(let c): cpu[c].online = false
        case .cpuDown(let c):
            if cpu[c].taskActive != .initMM { switchMM(c, cpu[c].taskActive, .initMM) }
            if cpu[c].cr3 != .initMM { bugs += 1 }
            cpu[c] = CPU(online: false)
        case .cpuUp(let c):
            cpu[c] = CPU()
            counts.vmstat.localFlushOne += 1
        case .xenExitMmap, .settled, .forget, .observe: preconditionFailure("not a step of these histories")
        }
    }

    private func mask(_ mm: MM) -> CPUSet { Int(mm.index) < masks.count ? masks[Int(mm.index)] : CPUSet() }

    private func inMask(_ c: Int, _ mm: MM) -> Bool { mask(mm).contains(c) }

    private mutating func setInMask(_ c: Int, _ mm: MM) {
        while masks.count <= Int(mm.index) { masks.append(CPUSet()) }
        masks[Int(mm.index)].insert(c)
    }

    private mutating func clearInMask(_ c: Int, _ mm: MM) {
        if Int(mm.index) < masks.count { masks[Int(mm.index)].remove(c) }
    }

    private mutating func become(_ c: Int, _ mm: MM) {
        switchMM(c, cpu[c].taskActive, mm)
        cpu[c].taskActive = mm
    }

    private mutating func lazy(_ c: Int) { if cpu[c].state == .ok { cpu[c].state = .lazy } }

    private mutating func load(_ c: Int, _ mm: MM) {
        cpu[c].cr3 = mm
        counts.cr3Loads += 1
        log.append(FlushRecord(reason: .taskSwitch, pages: -1))
    }

    /// Returns whether it had an effect.
    @discardableResult private mutating func leaveMM(_ c: Int) -> Bool {
        let mm = cpu[c].tlb
        if generation == .v413 {
            if mm == .initMM { return false }
            if cpu[c].state == .ok { bugs += 1 }
            switchMM(c, nil, .initMM)
        } else {
            if cpu[c].state == .ok { bugs += 1 }
            if !inMask(c, mm) { return false }
            clearInMask(c, mm)
            load(c, .initMM)
        }
        counts.leaveMM += 1
        return true
    }

    private mutating func switchMM(_ c: Int, _ prev: MM?, _ next: MM) {
        cpu[c].state = .ok
        if generation == .v413 {
            let old = cpu[c].tlb
            if old == next {
                if !inMask(c, next) { bugs += 1 }
                return
            }
            cpu[c].tlb = next
            if inMask(c, next) { bugs += 1 }
            setInMask(c, next)
            load(c, next)
            if !inMask(c, old), old != .initMM { bugs += 1 }
            clearInMask(c, old)
        } else if prev != next {
            cpu[c].tlb = next
            setInMask(c, next)
            load(c, next)
            clearInMask(c, prev!)
        } else {
            if cpu[c].tlb != next { bugs += 1 }
            if !inMask(c, next) {
                setInMask(c, next)
                load(c, next)
            }
        }
    }

    private mutating func flushRange(_ c: Int, _ mm: MM, _ pages: Int64) {
        switch generation {
        case .v412:
            guard cpu[c].taskActive == mm else { return }
            if cpu[c].taskMM == .none {
                leaveMM(c)
                return
            }
            countLocal(pages)
            log.append(FlushRecord(reason: .localMMShootdown, pages: pages))
        case .parent: if cpu[c].taskActive == mm { flushLocal(c, .localMMShootdown, pages) }
        case .v413: if cpu[c].tlb == mm { flushLocal(c, .localMMShootdown, pages) }
        }
    }

    private mutating func flushPage(_ c: Int, _ mm: MM) {
        guard generation == .v412 else { return flushRange(c, mm, 1) }
        guard cpu[c].taskActive == mm else { return }
        if cpu[c].taskMM == .none { leaveMM(c) } else { countLocal(1) }
    }

    private mutating func countLocal(_ pages: Int64) {
        counts.localFlushes += 1
        if pages == -1 { counts.vmstat.localFlushAll += 1 } else { counts.vmstat.localFlushOne += Int(pages) }
    }

    /// flush_tlb_func_local()
    private mutating func flushLocal(_ c: Int, _ reason: FlushReason, _ pages: Int64) {
        if cpu[c].state != .ok {
            leaveMM(c)
            return
        }
        countLocal(pages)
        log.append(FlushRecord(reason: reason, pages: pages))
    }

    private mutating func batchLocal(_ c: Int, _ batch: Batch) {
        var cpus = CPUSet(batch.others.cpus(0))
        for mm in batch.mms { cpus = cpus.union(mask(mm)) }
        cpu[c].batch = cpus
        guard cpus.contains(c) else { return }
        if generation == .v412 {
            countLocal(-1)
            log.append(FlushRecord(reason: .localShootdown, pages: -1))
        } else {
            flushLocal(c, .localShootdown, -1)
        }
    }

    private mutating func flushOthers(_ c: Int, _ mask: CPUSet, _ mm: MM, _ pages: Int64) {
        guard !mask.without(c).isEmpty else { return }
        counts.vmstat.remoteFlush += 1
        counts.ipiSends += 1
        log.append(FlushRecord(reason: .remoteSendIPI, pages: pages))
        cpu[c].request = (mm, pages)
        cpu[c].pending = CPUSet()
        mask.without(c).forEach { if cpu[$0].online { cpu[c].pending.insert($0) } }
        counts.ipiTargets += cpu[c].pending.count
        cpu[c].pending.forEach {
            if cpu[$0].isIdle { counts.ipiIdle += 1 } else if cpu[$0].taskMM == .none { counts.ipiKernel += 1 }
        }
    }

    /// flush_tlb_func(), flush_tlb_func_remote()
    private mutating func flushFunc(_ c: Int, _ mm: MM, _ pages: Int64) {
        if mm != .none, mm != cpu[c].tlb {
            counts.ipiIgnored += 1
            return
        }
        counts.vmstat.remoteFlushReceived += 1
        if cpu[c].state == .ok {
            counts.ipiFlushed += 1
            log.append(FlushRecord(reason: .remoteShootdown, pages: pages))
        } else if leaveMM(c) {
            counts.ipiLeft += 1
        } else {
            counts.ipiIgnored += 1
        }
    }
}

/// What a ``NaiveKernel`` has done. The names are those of a report: docs/reading-a-report.md.
public struct NaiveCounts: Equatable, Sendable {
    public var contextSwitches = 0
    public var cr3Loads = 0
    public var leaveMM = 0
    public var ipiSends = 0
    public var ipiTargets = 0
    public var ipiFlushed = 0
    public var ipiLeft = 0
    public var ipiIgnored = 0
    public var ipiIdle = 0
    public var ipiKernel = 0
    public var localFlushes = 0
    public var vmstat = VMStat()

    public init() {}
}
