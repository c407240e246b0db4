import LazyTLB

/// The three schemes once more, as slowly and as literally as can be: sets and dictionaries, one function for one of the kernel's, the
/// generations told apart where the kernel's text differs. Shares nothing with the models but the stimuli, and checks them.
struct NaiveKernel {
    enum Generation { case v412, parent, v413 }

    struct CPU {
        var state = TLBState.reset
        /// cpu_tlbstate.active_mm, or cpu_tlbstate.loaded_mm
        var tlb = MM.initMM
        var cr3 = MM.initMM
        var taskMM = MM.none
        var taskActive = MM.initMM
        var online = true
        var batch: Set<Int> = []
        /// The request that this CPU waits for, and who has still to handle it.
        var request: (mm: MM, pages: Int64) = (.none, 0)
        var pending: Set<Int> = []
    }

    let generation: Generation
    var cpu: [CPU]
    var masks: [MM: Set<Int>] = [:]
    var log: [FlushRecord] = []
    var vmstat = VMStat()
    var bugs = 0

    init(_ generation: Generation, cpus: Int) {
        self.generation = generation
        cpu = [CPU](repeating: CPU(), count: cpus)
    }

    /// Does the step; returns the records that it writes.
    mutating func apply(_ step: Step) -> [FlushRecord] {
        log = []
        switch step.stimulus {
        case .contextSwitch(let c, let mm):
            if mm == .none { lazy(c) } else { become(c, mm) }
            cpu[c].taskMM = mm
        case .exec(let c, let mm), .useMM(let c, let mm):
            become(c, mm)
            cpu[c].taskMM = mm
        case .exitMM(let c), .unuseMM(let c):
            cpu[c].taskMM = .none
            lazy(c)
        case .idleLeave(let c): leaveMM(c)
        case .flushRange(let c, let mm, let pages): flushRange(c, mm, pages)
        case .flushPage(let c, let mm): flushPage(c, mm)
        case .flushOthers(let c, let mm, let pages): flushOthers(c, masks[mm, default: []], mm, pages)
        case .batchLocal(let c): batchLocal(c, step.batch!)
        case .batchOthers(let c): flushOthers(c, cpu[c].batch, .none, -1)
        case .deliver(let c, let sender):
            if cpu[sender].pending.remove(c) != nil { flushFunc(c, cpu[sender].request.mm, cpu[sender].request.pages) }
        case .flushAll(_, let kernelRange): if !kernelRange { vmstat.remoteFlush += 1 }
        case .doFlushAll(let c):
            vmstat.remoteFlushReceived += 1
            if cpu[c].state == .lazy { leaveMM(c) }
        case .offline(let c): cpu[c].online = false
        case .cpuDown(let c):
            if cpu[c].taskActive != .initMM { switchMM(c, cpu[c].taskActive, .initMM) }
            if cpu[c].cr3 != .initMM { bugs += 1 }
            cpu[c] = CPU(online: false)
        case .cpuUp(let c):
            cpu[c] = CPU()
            vmstat.localFlushOne += 1
        default: fatalError("not a step of these histories")
        }
        return log
    }

    private mutating func become(_ c: Int, _ mm: MM) {
        switchMM(c, cpu[c].taskActive, mm)
        cpu[c].taskActive = mm
    }

    private mutating func lazy(_ c: Int) { if cpu[c].state == .ok { cpu[c].state = .lazy } }

    private mutating func load(_ c: Int, _ mm: MM) {
        cpu[c].cr3 = mm
        log.append(FlushRecord(reason: .taskSwitch, pages: -1))
    }

    private mutating func leaveMM(_ c: Int) {
        let mm = cpu[c].tlb
        if generation == .v413 {
            if mm == .initMM { return }
            if cpu[c].state == .ok { bugs += 1 }
            switchMM(c, nil, .initMM)
        } else {
            if cpu[c].state == .ok { bugs += 1 }
            if masks[mm, default: []].remove(c) != nil { load(c, .initMM) }
        }
    }

    private mutating func switchMM(_ c: Int, _ prev: MM?, _ next: MM) {
        cpu[c].state = .ok
        if generation == .v413 {
            let old = cpu[c].tlb
            if old == next {
                if !masks[next, default: []].contains(c) { bugs += 1 }
                return
            }
            cpu[c].tlb = next
            if !masks[next, default: []].insert(c).inserted { bugs += 1 }
            load(c, next)
            if masks[old, default: []].remove(c) == nil, old != .initMM { bugs += 1 }
        } else if prev != next {
            cpu[c].tlb = next
            masks[next, default: []].insert(c)
            load(c, next)
            masks[prev!, default: []].remove(c)
        } else {
            if cpu[c].tlb != next { bugs += 1 }
            if masks[next, default: []].insert(c).inserted { load(c, next) }
        }
    }

    private mutating func flushRange(_ c: Int, _ mm: MM, _ pages: Int64) {
        switch generation {
        case .v412:
            guard cpu[c].taskActive == mm else { return }
            if cpu[c].taskMM == .none { return leaveMM(c) }
            countLocal(pages)
            log.append(FlushRecord(reason: .localMMShootdown, pages: pages))
        case .parent: if cpu[c].taskActive == mm { flushLocal(c, .localMMShootdown, pages) }
        case .v413: if cpu[c].tlb == mm { flushLocal(c, .localMMShootdown, pages) }
        }
    }

    private mutating func flushPage(_ c: Int, _ mm: MM) {
        guard generation == .v412 else { return flushRange(c, mm, 1) }
        guard cpu[c].taskActive == mm else { return }
        if cpu[c].taskMM == .none { leaveMM(c) } else { vmstat.localFlushOne += 1 }
    }

    private mutating func countLocal(_ pages: Int64) {
        if pages == -1 { vmstat.localFlushAll += 1 } else { vmstat.localFlushOne += Int(pages) }
    }

    /// flush_tlb_func_local()
    private mutating func flushLocal(_ c: Int, _ reason: FlushReason, _ pages: Int64) {
        if cpu[c].state != .ok { return leaveMM(c) }
        countLocal(pages)
        log.append(FlushRecord(reason: reason, pages: pages))
    }

    private mutating func batchLocal(_ c: Int, _ batch: Batch) {
        var mask = Set(batch.others.cpus(0))
        for mm in batch.mms { mask.formUnion(masks[mm, default: []]) }
        cpu[c].batch = mask
        guard mask.contains(c) else { return }
        if generation == .v412 {
            vmstat.localFlushAll += 1
            log.append(FlushRecord(reason: .localShootdown, pages: -1))
        } else {
            flushLocal(c, .localShootdown, -1)
        }
    }

    private mutating func flushOthers(_ c: Int, _ mask: Set<Int>, _ mm: MM, _ pages: Int64) {
        guard !mask.subtracting([c]).isEmpty else { return }
        vmstat.remoteFlush += 1
        log.append(FlushRecord(reason: .remoteSendIPI, pages: pages))
        cpu[c].request = (mm, pages)
        cpu[c].pending = mask.subtracting([c]).filter { cpu[$0].online }
    }

    private mutating func flushFunc(_ c: Int, _ mm: MM, _ pages: Int64) {
        if mm != .none, mm != cpu[c].tlb { return }
        vmstat.remoteFlushReceived += 1
        if cpu[c].state == .ok { log.append(FlushRecord(reason: .remoteShootdown, pages: pages)) } else { leaveMM(c) }
    }
}
