import LazyTLB
import TraceWriting

extension SynthMachine {
    /// flush_tlb_mm_range()
    func flush(_ cpu: Int, _ mm: MM, _ pages: Int64) throws(WritingError) {
        try awaitSenders(cpu) { self.mask(mm) }
        try flushAlone(cpu, mm, pages)
    }

    /// The same, where no other flush is under way that its answers could be taken for.
    func flushAlone(_ cpu: Int, _ mm: MM, _ pages: Int64) throws(WritingError) {
        try apply(.flushRange(cpu: cpu, mm: mm, pages: pages))
        tick(60)
        try send(.flushOthers(cpu: cpu, mm: mm, pages: pages), mm)
    }

    /// try_to_unmap_flush() by a task that reclaims: pages of its own mm, of some that other CPUs have loaded, and of mms that CPUs have
    /// left since (the idle ones that have init_mm loaded, and in v4.13 state OK after leave_mm()).
    func reclaim(_ cpu: Int) throws(WritingError) {
        var batch = Batch(cpus: options.cpus)
        batch.mms = [tasks[current[cpu]].mm]
        for _ in 0..<random.below(3) {
            let mm = v413.cpu[random.below(options.cpus)].tlb
            if mm.isUser, !batch.mms.contains(mm) { batch.mms.append(mm) }
        }
        var left = CPUSet()
        for _ in 0..<4 {
            let other = random.below(options.cpus)
            guard other != cpu, tasks[current[other]].kind == .idle else { continue }
            if v413.cpu[other].tlb == .initMM, v413.cpu[other].state == .ok { left.insert(other) }
        }
        try awaitSenders(cpu) {
            var mask = left
            for mm in batch.mms { mask = mask.union(self.mask(mm)) }
            return mask
        }
        // Those that had to go on first may have done so to another mm.
        left.forEach { if v413.cpu[$0].tlb == .initMM, v413.cpu[$0].state == .ok { batch.others.insert($0, 0) } }
        try apply(.batchLocal(cpu: cpu), batch: batch)
        tick(60)
        try send(.batchOthers(cpu: cpu), .none)
        // Which CPUs have answered shows only if the sender goes on at once.
        try schedule(cpu)
    }

    func mask(_ mm: MM) -> CPUSet { Int(mm.index) < v413.masks.count ? v413.masks[Int(mm.index)] : CPUSet() }

    /// The remote half, and its handling everywhere.
    private func send(_ stimulus: Stimulus, _ mm: MM) throws(WritingError) {
        let sender = stimulus.cpu
        try apply(stimulus)
        let targets = v413.cpu[sender].pending
        guard !targets.isEmpty else { return }
        precondition(v412.cpu[sender].pending == targets && parent.cpu[sender].pending == targets, "the schemes interrupt different CPUs")
        let first = random.below(options.cpus)
        let order = targets.sorted
        let split = order.firstIndex { $0 >= first } ?? 0
        for target in order[split...] + order[..<split] {
            tick(100)
            try apply(.deliver(cpu: target, from: sender), inIRQ: true)
        }
        if mm.isUser {
            open[sender] = OpenFlush(mm: mm, targets: targets)
            openCPUs.insert(sender)
        }
    }

    /// A sender waits for its IPIs, but when it goes on shows only in its next record. A CPU that has loaded the flushed mm since could as
    /// well answer that flush as the one to come: so the earlier sender goes on first, with a switch.
    func awaitSenders(_ cpu: Int, _ targets: () -> CPUSet) throws(WritingError) {
        while let sender = ambiguousSender(cpu, targets().without(cpu)) {
            tick()
            try schedule(sender)
        }
    }

    private func ambiguousSender(_ cpu: Int, _ targets: CPUSet) -> Int? {
        if targets.isEmpty { return nil }
        var found: Int?
        openCPUs.without(cpu).forEach { sender in
            guard found == nil, let flush = open[sender] else { return }
            if !targets.intersection(mask(flush.mm)).subtracting(flush.targets).without(sender).isEmpty { found = sender }
        }
        return found
    }
}
